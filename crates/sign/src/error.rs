/// Why something cannot be signed, or is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SignError {
    /// What is wrong, and with what.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl SignError {
    pub(crate) fn new(message: impl Into<String>) -> SignError {
        SignError {
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> SignError {
        SignError {
            hint: Some(hint.into()),
            ..self
        }
    }
}
