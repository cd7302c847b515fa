use std::fmt;
use std::path::PathBuf;

use crate::{Entry, Ledger, LedgerError};

/// Where what is done is written down.
pub trait Books: fmt::Debug + Send + Sync {
    /// Writes a record.
    ///
    /// # Errors
    /// If it cannot be written: nothing is then.
    fn write(&self, entry: Entry) -> Result<(), LedgerError>;

    /// Writes the record of a build, and keeps its whole `account` (JSON) where others find it too. The account in a
    /// store is not touched.
    ///
    /// # Errors
    /// If it cannot be written: nothing is then.
    fn write_build(&self, entry: Entry, _account: &str) -> Result<(), LedgerError> {
        self.write(entry)
    }

    /// The accounts of builds of all who share these books, latest first; nothing if they are not shared.
    ///
    /// # Errors
    /// If they cannot be read.
    fn builds(&self) -> Result<Option<Vec<String>>, LedgerError> {
        Ok(None)
    }

    /// The ledger, to be read; nothing if there is none yet.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn read(&self) -> Result<Option<Ledger>, LedgerError>;
}

/// A SQLite file, made with its first record.
#[derive(Clone, Debug)]
pub struct LedgerBooks(pub PathBuf);

impl Books for LedgerBooks {
    fn write(&self, entry: Entry) -> Result<(), LedgerError> {
        Ledger::open(&self.0)?.append(entry).map(drop)
    }

    fn read(&self) -> Result<Option<Ledger>, LedgerError> {
        Ledger::open_to_read(&self.0)
    }
}
