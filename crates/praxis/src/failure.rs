//! Why a command did not succeed, and the exit status that says so.

use std::fmt;
use std::process::ExitCode;

/// Kind of a failure; decides the exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The command line is wrong: 2.
    Usage,
    /// The build failed or findings were reported: 1.
    Failed,
    /// A defect in praxis: 70.
    Internal,
    /// The user interrupted: 130.
    Cancelled,
}

/// Why a command did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit status.
    pub kind: FailureKind,
    /// One line.
    pub message: String,
    /// The place in a Dockerfile with a caret, several lines.
    pub excerpt: Option<String>,
    /// What to try.
    pub hint: Option<String>,
}

impl Failure {
    /// A wrong command line.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure {
            kind: FailureKind::Usage,
            ..Failure::failed(message)
        }
    }

    /// Something outside did not work.
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure {
            kind: FailureKind::Failed,
            message: message.into(),
            excerpt: None,
            hint: None,
        }
    }

    /// The same with advice.
    pub fn with_hint(self, hint: impl Into<String>) -> Failure {
        Failure {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            FailureKind::Usage => 2,
            FailureKind::Failed => 1,
            FailureKind::Internal => 70,
            FailureKind::Cancelled => 130,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
