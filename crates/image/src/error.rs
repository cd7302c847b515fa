use praxis_layer::LayerError;
use praxis_store::StoreError;

/// Why an image cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImageError {
    /// What, where and why, in one line.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl ImageError {
    pub(crate) fn new(message: impl Into<String>) -> ImageError {
        ImageError {
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> ImageError {
        self.hint = Some(hint.into());
        self
    }

    /// The same, saying which image it is about.
    pub(crate) fn about(mut self, image: &str) -> ImageError {
        self.message = format!("{image}: {}", self.message);
        self
    }
}

impl From<StoreError> for ImageError {
    fn from(error: StoreError) -> ImageError {
        ImageError::new(error.to_string())
    }
}

impl From<LayerError> for ImageError {
    fn from(error: LayerError) -> ImageError {
        ImageError::new(error.to_string())
    }
}
