use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use postgres::Transaction;
use praxis_ledger::{Books, Entry, Ledger, LedgerError, Record};

use crate::connection::serve;
use crate::ledger::{SharedStorage, append, origin};
use crate::{DatabaseError, DatabaseUrl};

/// Accounts that a list of past builds has.
const LISTED: i64 = 200;

/// A record that is to be written, and the account of the build that it is about.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The record.
    pub entry: Entry,
    /// JSON.
    pub account: Option<String>,
}

/// Books in PostgreSQL, shared by all servers with the same database.
#[derive(Clone, Debug)]
pub struct SharedBooks {
    url: DatabaseUrl,
}

impl SharedBooks {
    /// Books in the database, which is looked at: it has to be there, migrated, and served by a role that cannot change
    /// what is written.
    ///
    /// # Errors
    /// With what to do, if it is not.
    pub fn open(url: DatabaseUrl) -> Result<SharedBooks, DatabaseError> {
        drop(serve(&url)?);
        Ok(SharedBooks { url })
    }

    fn keep(&self, kept: &Kept) -> Result<(), DatabaseError> {
        let mut client = serve(&self.url)?;
        let wrong = |error| DatabaseError::server(self.url.place(), "write a record", &error);
        let mut transaction = client.transaction().map_err(wrong)?;
        write(self.url.place(), &mut transaction, kept)?;
        transaction.commit().map_err(wrong)
    }
}

/// Writes a record and its account within a transaction.
pub(crate) fn write(
    place: &str,
    transaction: &mut Transaction<'_>,
    kept: &Kept,
) -> Result<Record, DatabaseError> {
    let record = append(place, transaction, kept.entry.clone())?;
    if let Some(account) = &kept.account {
        let number = i64::try_from(record.number).unwrap_or(i64::MAX);
        transaction
            .execute(
                "INSERT INTO praxis.accounts (record, account) VALUES ($1, $2)",
                &[&number, account],
            )
            .map_err(|error| DatabaseError::server(place, "keep the account of a build", &error))?;
    }
    Ok(record)
}

impl Books for SharedBooks {
    fn write(&self, entry: Entry) -> Result<(), LedgerError> {
        Ok(self.keep(&Kept { entry, account: None })?)
    }

    fn write_build(&self, entry: Entry, account: &str) -> Result<(), LedgerError> {
        let account = Some(account.to_string());
        Ok(self.keep(&Kept { entry, account })?)
    }

    fn builds(&self) -> Result<Option<Vec<String>>, LedgerError> {
        let mut client = serve(&self.url)?;
        let sql = "SELECT account FROM praxis.accounts ORDER BY number DESC LIMIT $1";
        let rows = client
            .query(sql, &[&LISTED])
            .map_err(|error| DatabaseError::server(self.url.place(), "read past builds", &error))?;
        Ok(Some(rows.iter().map(|row| row.get(0)).collect()))
    }

    fn read(&self) -> Result<Option<Ledger>, LedgerError> {
        let mut client = serve(&self.url)?;
        let place = self.url.place().to_string();
        let origin = origin(&place, &mut client)?;
        let client = RefCell::new(client);
        Ok(Some(Ledger::on(
            Box::new(SharedStorage { place, client }),
            origin,
        )))
    }
}

/// Books that hold what is written until the end of a leased build, which writes it.
#[derive(Clone, Debug, Default)]
pub struct HeldBooks(Arc<Mutex<Vec<Kept>>>);

impl HeldBooks {
    /// What was written since the last time.
    pub fn take(&self) -> Vec<Kept> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn hold(&self, kept: Kept) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }
}

impl Books for HeldBooks {
    fn write(&self, entry: Entry) -> Result<(), LedgerError> {
        self.hold(Kept { entry, account: None });
        Ok(())
    }

    fn write_build(&self, entry: Entry, account: &str) -> Result<(), LedgerError> {
        let account = Some(account.to_string());
        self.hold(Kept { entry, account });
        Ok(())
    }

    fn read(&self) -> Result<Option<Ledger>, LedgerError> {
        Ok(None)
    }
}

impl From<DatabaseError> for LedgerError {
    fn from(error: DatabaseError) -> LedgerError {
        match error {
            DatabaseError::Ledger(error) => error,
            other => LedgerError::Text(other.to_string()),
        }
    }
}
