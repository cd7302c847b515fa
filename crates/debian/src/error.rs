use std::io;
use std::path::PathBuf;

use crate::openpgp::OpenPgpError;

/// Why a base cannot be locked or built.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// A recipe or a lock is not as it should be.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A file of this machine cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No mirror is known for an archive.
    #[error(
        "no mirror is known for the archive {archive:?}: this machine's apt configuration names none; give one with --mirror"
    )]
    NoMirror {
        /// The archive, as the recipe names it.
        archive: String,
    },
    /// A mirror cannot be asked, or does not have what it should.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An archive's signature, or a key that should check it, is not accepted.
    #[error("{what}: {source}")]
    Signature {
        /// The file that is signed, or the key file.
        what: String,
        /// Why not.
        source: OpenPgpError,
    },
    /// What a mirror gave does not fit what was signed or locked.
    #[error("{what}: {reason}")]
    Mismatch {
        /// The file.
        what: String,
        /// What does not fit.
        reason: String,
    },
    /// A Release file does not describe what the recipe wants, or not now.
    #[error("suite {suite}: {reason}")]
    Release {
        /// The suite.
        suite: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The packages wanted cannot be installed together.
    #[error("cannot resolve the packages for {architecture}: {reason}")]
    Resolve {
        /// The architecture.
        architecture: String,
        /// Which package, and why.
        reason: String,
    },
    /// The lock was made for other inputs than the recipe has now.
    #[error(
        "the lock of {recipe} does not fit its recipe any more ({reason}): run `praxis base lock` on the recipe again"
    )]
    StaleLock {
        /// Name of the recipe.
        recipe: String,
        /// What differs.
        reason: String,
    },
    /// Packages of the lock are on no mirror any more.
    #[error(
        "{} of the locked packages left the mirror: {}; run `praxis base update` to lock the packages of today",
        packages.len(), packages.join(", ")
    )]
    Gone {
        /// `name version` of each.
        packages: Vec<String>,
    },
    /// A package is not as the format asks, or two do not fit together.
    #[error("package {package}: {reason}")]
    Package {
        /// The package.
        package: String,
        /// What is wrong.
        reason: String,
    },
}

/// Why a URL gave nothing.
#[derive(Debug, thiserror::Error)]
#[error("cannot fetch {url}: {kind}")]
pub struct FetchError {
    /// The URL.
    pub url: String,
    /// Why.
    pub kind: FetchErrorKind,
}

/// Kinds of [`FetchError`].
#[derive(Debug, thiserror::Error)]
pub enum FetchErrorKind {
    /// The server does not have it.
    #[error("the server does not have it (404)")]
    NotFound,
    /// The server answers, but not with the file.
    #[error("the server answers with status {0}")]
    Status(u16),
    /// The server cannot be reached, or the connection broke.
    #[error("{0}; check the network, the proxy and the CA bundle")]
    Unreachable(String),
    /// The URL or the settings cannot be used.
    #[error("{0}")]
    Unusable(String),
}

impl FetchError {
    /// An error about `url`.
    pub fn new(url: &str, kind: FetchErrorKind) -> FetchError {
        FetchError {
            url: url.into(),
            kind,
        }
    }

    /// Whether the server said that there is no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, FetchErrorKind::NotFound)
    }
}

impl DebianError {
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> DebianError {
        let path = path.into();
        move |source| DebianError::File { action, path, source }
    }

    pub(crate) fn mismatch(what: impl Into<String>, reason: impl Into<String>) -> DebianError {
        DebianError::Mismatch {
            what: what.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn package(package: impl Into<String>, reason: impl Into<String>) -> DebianError {
        DebianError::Package {
            package: package.into(),
            reason: reason.into(),
        }
    }
}
