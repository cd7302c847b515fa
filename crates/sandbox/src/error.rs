//! What can go wrong, in words the reader can act on.

use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Why a step could not be run, or a user namespace not be entered. A command that ran and failed is not an
/// error: it is an [`crate::Exit`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The command is nowhere in the root.
    #[error(
        "{command}: command not found in the root file system (searched: {searched}); install it in an earlier step or give its full path"
    )]
    CommandNotFound {
        /// The command as written.
        command: String,
        /// The directories or the path looked at.
        searched: String,
    },
    /// The command is there and cannot be executed.
    #[error("{command}: cannot be executed: {reason}")]
    CommandNotExecutable {
        /// The command as written.
        command: String,
        /// The kernel's reason, explained.
        reason: String,
    },
    /// A path of the step leaves what it may name.
    #[error("{path}: refused: {reason}")]
    Refused {
        /// The path as given.
        path: String,
        /// Why.
        reason: String,
    },
    /// The step itself cannot be run as asked.
    #[error("the step is not valid: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// A system call failed.
    #[error("cannot {action}: {source}{}", hint(.remedy))]
    System {
        /// What was being done, and where.
        action: String,
        /// The kernel's answer.
        source: io::Error,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// The sandbox process ended without saying how the command ended.
    #[error(
        "the sandbox process ended without a report ({detail}); it was killed from outside or the machine ran out of memory"
    )]
    Vanished {
        /// How it ended.
        detail: String,
    },
    /// An ordinary user lacks what a user namespace needs.
    #[error("cannot build as an ordinary user: {missing}; {remedy}")]
    UserNamespace {
        /// What is missing.
        missing: String,
        /// What to do about it.
        remedy: String,
    },
}

fn hint(remedy: &Option<String>) -> String {
    remedy
        .as_ref()
        .map_or_else(String::new, |text| format!("; {text}"))
}

/// An error on its way from the sandbox process to the caller.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Failure {
    System {
        action: String,
        errno: i32,
        remedy: Option<String>,
    },
    Refused {
        path: String,
        reason: String,
    },
    NotFound {
        command: String,
        searched: String,
    },
    NotExecutable {
        command: String,
        reason: String,
    },
}

impl Failure {
    pub(crate) fn refused(path: &[u8], reason: impl Into<String>) -> Self {
        Self::Refused {
            path: String::from_utf8_lossy(path).into_owned(),
            reason: reason.into(),
        }
    }

    /// Adds what the reader can do.
    pub(crate) fn remedy(self, text: impl Into<String>) -> Self {
        match self {
            Self::System { action, errno, .. } => Self::System {
                action,
                errno,
                remedy: Some(text.into()),
            },
            other => other,
        }
    }
}

impl From<Failure> for SandboxError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::System {
                action,
                errno,
                remedy,
            } => Self::System {
                action,
                source: io::Error::from_raw_os_error(errno),
                remedy,
            },
            Failure::Refused { path, reason } => Self::Refused { path, reason },
            Failure::NotFound { command, searched } => Self::CommandNotFound { command, searched },
            Failure::NotExecutable { command, reason } => Self::CommandNotExecutable { command, reason },
        }
    }
}

/// Says what was being done when a system call failed.
pub(crate) trait During<T> {
    fn during(self, action: impl Into<String>) -> Result<T, Failure>;
    fn during_with(self, action: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, action: impl Into<String>) -> Result<T, Failure> {
        self.during_with(|| action.into())
    }

    fn during_with(self, action: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|errno| Failure::System {
            action: action(),
            errno: errno.raw_os_error(),
            remedy: None,
        })
    }
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: impl Into<String>) -> Result<T, Failure> {
        self.during_with(|| action.into())
    }

    fn during_with(self, action: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::System {
            action: action(),
            errno: error.raw_os_error().unwrap_or(libc::EIO),
            remedy: None,
        })
    }
}
