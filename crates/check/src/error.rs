/// Why a repository cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file cannot be read.
    #[error("{path}: {reason}")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// `praxis.toml` says something it cannot say.
    #[error("{path}:{line}:{column}: {reason}")]
    Policy {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// The rules of the repository's own cannot be run.
    #[error("the repository's own rules: {reason}")]
    OwnRules {
        /// Why not, with the place.
        reason: String,
    },
    /// A place that deploys an image cannot be edited.
    #[error("{path}:{line}:{column}: {reason}")]
    Deploy {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// Why not.
        reason: String,
    },
    /// Two edits of one file overlap, or one points outside of it.
    #[error("{path}: {reason}")]
    Edit {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}
