use std::fmt;

use praxis_engine::{EngineError, ErrorKind};

/// Why a tool did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ToolError {
    /// Whose matter it is.
    pub kind: ToolErrorKind,
    /// One line. Parts of it may come from files, images or registries: it is data, not advice.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Whose matter a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolErrorKind {
    /// The arguments are wrong.
    Arguments,
    /// This server, or the tier of the caller, does not allow it.
    Refused,
    /// Too much is going on; later it may work.
    Busy,
    /// There is no such thing.
    Missing,
    /// It was done, and did not work out.
    Failed,
    /// The caller stopped it.
    Cancelled,
    /// A defect.
    Internal,
}

impl ToolErrorKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            ToolErrorKind::Arguments => "arguments",
            ToolErrorKind::Refused => "refused",
            ToolErrorKind::Busy => "busy",
            ToolErrorKind::Missing => "missing",
            ToolErrorKind::Failed => "failed",
            ToolErrorKind::Cancelled => "cancelled",
            ToolErrorKind::Internal => "internal",
        }
    }
}

impl fmt::Display for ToolErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ToolError {
    /// An error of this kind.
    pub fn new(kind: ToolErrorKind, message: impl Into<String>) -> ToolError {
        ToolError {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn refused(message: impl Into<String>) -> ToolError {
        ToolError::new(ToolErrorKind::Refused, message)
    }

    pub(crate) fn arguments(message: impl Into<String>) -> ToolError {
        ToolError::new(ToolErrorKind::Arguments, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> ToolError {
        ToolError::new(ToolErrorKind::Internal, message)
    }

    #[must_use]
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> ToolError {
        ToolError {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl From<EngineError> for ToolError {
    fn from(error: EngineError) -> ToolError {
        ToolError {
            kind: match error.kind {
                ErrorKind::User | ErrorKind::Environment => ToolErrorKind::Failed,
                ErrorKind::Internal => ToolErrorKind::Internal,
                ErrorKind::Cancelled => ToolErrorKind::Cancelled,
            },
            message: error.message,
            hint: error.hint,
        }
    }
}

/// Why a server cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// What was asked for is not allowed, or makes no sense.
    #[error("{0}")]
    Refused(String),
    /// The machine does not do its part.
    #[error("{0}")]
    Machine(String),
}

impl ServeError {
    pub(crate) fn machine(what: &str, error: impl fmt::Display) -> ServeError {
        ServeError::Machine(format!("{what}: {error}"))
    }
}
