use praxis_solve::ErrorKind;

/// Why a request did not work out.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// One line.
    pub message: String,
    /// The place in the Dockerfile with a caret, several lines.
    pub excerpt: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// The exit code of a failed command.
    pub exit_code: Option<i32>,
    /// Line of the Dockerfile, from 1.
    pub line: Option<usize>,
}

impl EngineError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> EngineError {
        EngineError {
            kind,
            message: message.into(),
            excerpt: None,
            hint: None,
            exit_code: None,
            line: None,
        }
    }

    pub(crate) fn user(message: impl Into<String>) -> EngineError {
        EngineError::new(ErrorKind::User, message)
    }

    /// What was asked for is refused, because of `message`.
    pub fn refused(message: impl Into<String>) -> EngineError {
        EngineError::user(message)
    }

    pub(crate) fn environment(message: impl Into<String>) -> EngineError {
        EngineError::new(ErrorKind::Environment, message)
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> EngineError {
        self.hint = Some(hint.into());
        self
    }
}

impl From<praxis_solve::SolveError> for EngineError {
    fn from(error: praxis_solve::SolveError) -> EngineError {
        EngineError {
            kind: error.kind,
            message: error.message,
            excerpt: None,
            hint: error.hint,
            exit_code: error.exit_code,
            line: error.line,
        }
    }
}

impl From<praxis_store::StoreError> for EngineError {
    fn from(error: praxis_store::StoreError) -> EngineError {
        praxis_solve::SolveError::from(error).into()
    }
}

impl From<praxis_debian::DebianError> for EngineError {
    fn from(error: praxis_debian::DebianError) -> EngineError {
        EngineError::user(error.to_string())
    }
}

impl From<praxis_image::ImageError> for EngineError {
    fn from(error: praxis_image::ImageError) -> EngineError {
        EngineError {
            hint: error.hint,
            ..EngineError::user(error.message)
        }
    }
}
