use std::io;
use std::path::Path;

const DISK_FULL: &str = "the disk is full: free some space, or run `praxis store gc`";

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The Dockerfile, the context or the arguments: the user can mend it.
    User,
    /// The machine: disk, permissions, kernel.
    Environment,
    /// praxis itself.
    Internal,
    /// Somebody asked to stop.
    Cancelled,
}

/// Why a build did not work out.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct SolveError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// One line: what, where, why.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Line of the Dockerfile, from 1.
    pub line: Option<usize>,
    /// The exit code of a failed command.
    pub exit_code: Option<i32>,
}

impl SolveError {
    /// Something the user can mend.
    pub fn user(message: impl Into<String>) -> SolveError {
        SolveError::new(ErrorKind::User, message)
    }

    /// Something about the machine.
    pub fn environment(message: impl Into<String>) -> SolveError {
        SolveError::new(ErrorKind::Environment, message)
    }

    /// Something about praxis.
    pub fn internal(message: impl Into<String>) -> SolveError {
        SolveError::new(ErrorKind::Internal, message)
    }

    /// Somebody asked to stop.
    pub fn cancelled() -> SolveError {
        SolveError::new(ErrorKind::Cancelled, "the build was cancelled")
    }

    fn new(kind: ErrorKind, message: impl Into<String>) -> SolveError {
        SolveError {
            kind,
            message: message.into(),
            hint: None,
            line: None,
            exit_code: None,
        }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> SolveError {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a line of the Dockerfile, unless it has one.
    #[must_use]
    pub fn at_line(mut self, line: usize) -> SolveError {
        self.line.get_or_insert(line);
        self
    }

    /// Wraps a file error.
    pub(crate) fn io<'a>(action: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> SolveError + 'a {
        move |error| {
            let made = SolveError::environment(format!("cannot {action} {}: {error}", path.display()));
            match error.raw_os_error() {
                Some(code) if code == rustix::io::Errno::NOSPC.raw_os_error() => made.with_hint(DISK_FULL),
                _ => made,
            }
        }
    }
}

impl From<praxis_store::StoreError> for SolveError {
    fn from(error: praxis_store::StoreError) -> SolveError {
        let made = if error.is_environment() {
            SolveError::environment(error.to_string())
        } else {
            SolveError::internal(error.to_string())
        };
        if error.to_string().contains("No space left") {
            return made.with_hint(DISK_FULL);
        }
        made
    }
}

impl From<praxis_layer::LayerError> for SolveError {
    fn from(error: praxis_layer::LayerError) -> SolveError {
        let message = error.to_string();
        if message.contains("No space left") {
            return SolveError::environment(message).with_hint(DISK_FULL);
        }
        SolveError::user(message)
    }
}
