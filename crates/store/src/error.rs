use std::io;
use std::path::{Path, PathBuf};

use praxis_oci::Digest;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("store: cannot {action} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The directory is not one praxis may use.
    #[error("store: {path} cannot be used: {why}", path = .path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// Bytes did not have the digest they were said to have.
    #[error("store: content has digest {actual}, expected {expected}")]
    Mismatch {
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// Something is not in the store.
    #[error("store: {what} is missing or damaged")]
    Missing {
        /// What.
        what: String,
    },
    /// Other builders hold the store.
    #[error("store: {path} is in use by a build; try again when it has ended", path = .path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// A layer's data could not be read or written.
    #[error(transparent)]
    Layer(#[from] praxis_layer::LayerError),
}

impl StoreError {
    pub(crate) fn io<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
        move |source| StoreError::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }

    /// Whether the cause is the user's machine (full disk, permissions) rather than praxis.
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            StoreError::Io { .. } | StoreError::Unusable { .. } | StoreError::Busy { .. }
        )
    }
}
