use std::io;

use crate::TreePath;

/// What can go wrong with a layer. Every message names the file or the archive member it is about.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The operating system refused something.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A source file is not what its listing says.
    #[error("{path} changed while it was read; build again when nothing writes to it")]
    Changed {
        /// The file.
        path: TreePath,
    },
    /// An archive says something that praxis does not accept.
    #[error("archive member {member:?}: {reason}")]
    Member {
        /// Name of the member as it stands in the archive.
        member: String,
        /// What is wrong.
        reason: String,
    },
    /// An archive or a compressed stream is damaged.
    #[error("damaged archive: {reason}")]
    Damaged {
        /// What is wrong, and where.
        reason: String,
    },
    /// An archive goes beyond a limit.
    #[error("archive refused: more than {cap} {what}; raise the limit if this input is trusted")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        cap: u64,
    },
    /// Stored bytes are no listing or no block index.
    #[error("not a valid {what}: {reason}")]
    Invalid {
        /// What was expected.
        what: &'static str,
        /// Why it is none.
        reason: &'static str,
    },
    /// An entry cannot be written to a tar.
    #[error("{path} cannot stand in a layer: {reason}")]
    Unrepresentable {
        /// The entry.
        path: TreePath,
        /// Why not.
        reason: &'static str,
    },
    /// What RUN left cannot become a layer.
    #[error("{path} in the step's changes: {reason}")]
    Upper {
        /// The entry.
        path: TreePath,
        /// Why not.
        reason: &'static str,
    },
}

impl LayerError {
    pub(crate) fn io(action: &'static str, path: impl ToString, source: impl Into<io::Error>) -> LayerError {
        LayerError::Io {
            action,
            path: path.to_string(),
            source: source.into(),
        }
    }

    pub(crate) fn member(name: &[u8], reason: impl Into<String>) -> LayerError {
        let shown = String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned();
        LayerError::Member {
            member: shown,
            reason: reason.into(),
        }
    }

    pub(crate) fn damaged(reason: impl Into<String>) -> LayerError {
        LayerError::Damaged {
            reason: reason.into(),
        }
    }
}
