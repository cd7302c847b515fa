use praxis_image::ImageError;

/// Why there is no inventory of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SbomError {
    /// What, where and why, in one line.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl SbomError {
    pub(crate) fn new(message: impl Into<String>) -> SbomError {
        SbomError {
            message: message.into(),
            hint: None,
        }
    }
}

impl From<ImageError> for SbomError {
    fn from(error: ImageError) -> SbomError {
        SbomError {
            message: error.message,
            hint: error.hint,
        }
    }
}
