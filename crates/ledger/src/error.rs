use std::path::{Path, PathBuf};

/// Why the ledger could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database says no.
    #[error("{place}: {action}: {source}")]
    Database {
        /// The file, or the server and its database.
        place: String,
        /// What was tried.
        action: &'static str,
        /// What the database says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is something else, or of a later version.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no such record.
    #[error("the ledger has no record {number}; it has {count}")]
    Missing {
        /// What was asked for.
        number: u64,
        /// How many there are.
        count: u64,
    },
    /// A record in the ledger is not what was written.
    #[error("record {number} of the ledger is damaged: {reason}; praxis ledger verify says more")]
    Damaged {
        /// Which.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// A text that is no checkpoint or no export.
    #[error("{0}")]
    Text(String),
}

impl LedgerError {
    pub(crate) fn database<'a>(
        path: &'a Path,
        action: &'static str,
    ) -> impl FnOnce(rusqlite::Error) -> LedgerError + 'a {
        move |source| {
            let unfinished = source
                .sqlite_error()
                .is_some_and(|it| it.extended_code == rusqlite::ffi::SQLITE_READONLY_ROLLBACK);
            LedgerError::Database {
                place: path.display().to_string(),
                action,
                source: match unfinished {
                    true => UNFINISHED.into(),
                    false => source.into(),
                },
            }
        }
    }
}

const UNFINISHED: &str =
    "a write was cut short, and has to be taken back first by a user who may write there: praxis ledger log";
