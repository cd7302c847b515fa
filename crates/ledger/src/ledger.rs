use std::path::Path;

use praxis_merkle::root;
use praxis_oci::Digest;

use crate::file::LedgerFile;
use crate::{Checkpoint, Entry, LedgerError, Record};

/// A ledger. Several processes may use it at once.
pub struct Ledger {
    storage: Box<dyn Storage>,
    origin: String,
}

/// Where the rows of a ledger are. What they say is for [`Ledger`] to judge: a storage gives them as they are.
pub trait Storage: Send {
    /// Adds the record that `entry` becomes, which [`next_record`] makes of the last row. When this returns the record
    /// is durable.
    ///
    /// # Errors
    /// If it cannot be written, or the last record is damaged: nothing is added then.
    fn append(&mut self, entry: Entry) -> Result<Record, LedgerError>;

    /// How many rows there are.
    ///
    /// # Errors
    /// If it cannot be read.
    fn count(&self) -> Result<u64, LedgerError>;

    /// The row with this number.
    ///
    /// # Errors
    /// If it cannot be read.
    fn row(&self, number: i64) -> Result<Option<Row>, LedgerError>;

    /// Calls `take` with rows until it says no.
    ///
    /// # Errors
    /// If they cannot be read, or what `take` says.
    fn each(
        &self,
        order: Order,
        take: &mut dyn FnMut(Row) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError>;

    /// What the database itself finds wrong with what it holds.
    fn damage(&self) -> Vec<Fault>;
}

/// In which order rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By number.
    FirstFirst,
    /// By number, backwards.
    LastFirst,
}

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// The record, if it can be told.
    pub number: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

/// What looking at every record gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The state of the ledger as it is.
    pub checkpoint: Checkpoint,
    /// What is wrong; empty if nothing is.
    pub faults: Vec<Fault>,
}

/// A row as it is stored.
pub struct Row {
    /// Its place.
    pub number: i64,
    /// The record's text.
    pub text: Vec<u8>,
    /// The hash that was computed when it was written.
    pub hash: Vec<u8>,
}

impl Ledger {
    /// The ledger in the SQLite file at `path`, which is made if it is not there; its directory must be.
    ///
    /// # Errors
    /// If the file is something else, of a later version, or a link.
    pub fn open(path: &Path) -> Result<Ledger, LedgerError> {
        let (file, origin) = LedgerFile::open(path)?;
        Ok(Ledger::on(Box::new(file), origin))
    }

    /// Opens the ledger at `path` for reading; nothing if there is none.
    ///
    /// # Errors
    /// If the file is something else, of a later version, or a link.
    pub fn open_to_read(path: &Path) -> Result<Option<Ledger>, LedgerError> {
        let opened = LedgerFile::open_to_read(path)?;
        Ok(opened.map(|(file, origin)| Ledger::on(Box::new(file), origin)))
    }

    /// The ledger named `origin` that lies in `storage`.
    pub fn on(storage: Box<dyn Storage>, origin: String) -> Ledger {
        Ledger { storage, origin }
    }

    /// Which ledger this is: a name that was made with it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Adds a record. When this returns the record is durable.
    ///
    /// # Errors
    /// If it cannot be written, or the last record is damaged: nothing is added then.
    pub fn append(&mut self, entry: Entry) -> Result<Record, LedgerError> {
        self.storage.append(entry)
    }

    /// How many records there are.
    pub fn count(&self) -> Result<u64, LedgerError> {
        self.storage.count()
    }

    /// The record with this number, from 1.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn record(&self, number: u64) -> Result<Record, LedgerError> {
        let asked = i64::try_from(number).unwrap_or(i64::MAX);
        match self.storage.row(asked)? {
            Some(row) => checked(row, None),
            None => Err(LedgerError::Missing {
                number,
                count: self.count()?,
            }),
        }
    }

    /// The latest records that `wanted` takes, at most `most`, latest first.
    ///
    /// # Errors
    /// If one on the way is damaged.
    pub fn latest(&self, most: usize, wanted: impl Fn(&Record) -> bool) -> Result<Vec<Record>, LedgerError> {
        let mut found = Vec::new();
        self.storage.each(Order::LastFirst, &mut |row| {
            let record = checked(row, None)?;
            if wanted(&record) {
                found.push(record);
            }
            Ok(found.len() < most)
        })?;
        Ok(found)
    }

    /// All records, first first.
    ///
    /// # Errors
    /// If one is damaged.
    pub fn records(&self) -> Result<Vec<Record>, LedgerError> {
        let mut records: Vec<Record> = Vec::new();
        self.storage.each(Order::FirstFirst, &mut |row| {
            let record = checked(row, records.last())?;
            records.push(record);
            Ok(true)
        })?;
        Ok(records)
    }

    /// The state of the ledger now.
    ///
    /// # Errors
    /// If a record is damaged.
    pub fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        Ok(checkpoint_of(&self.origin, &self.records()?))
    }

    /// Looks at every record, and whether the ledger begins with what `checkpoints` cover.
    ///
    /// # Errors
    /// If the file cannot be read at all. A damaged file is a fault.
    pub fn verify(&self, checkpoints: &[Checkpoint]) -> Result<Verification, LedgerError> {
        let mut faults = self.storage.damage();
        let (mut records, mut stored) = (Vec::new(), None);
        let read = self.storage.each(Order::FirstFirst, &mut |row| {
            let number = u64::try_from(row.number).ok();
            let expected = records.len() as u64 + 1;
            let hash = row.hash.clone();
            let (record, wrong) = read_row(row);
            match (&record, wrong) {
                (_, Some(reason)) => faults.push(Fault { number, reason }),
                (Some(record), None) => faults.extend(link_fault(record, expected, stored.as_ref())),
                (None, None) => {}
            }
            records.extend(record);
            stored = <[u8; 32]>::try_from(hash).ok().map(Digest::from_bytes);
            Ok(true)
        });
        if let Err(error) = read {
            faults.push(Fault {
                number: None,
                reason: format!("after record {}: {error}", records.len()),
            });
        }
        let checkpoint = checkpoint_of(&self.origin, &records);
        faults.extend(
            checkpoints
                .iter()
                .filter_map(|one| uncovered(&self.origin, &records, one)),
        );
        Ok(Verification { checkpoint, faults })
    }
}

/// What can be read of a row, and what is wrong with it.
fn read_row(row: Row) -> (Option<Record>, Option<String>) {
    let record = match String::from_utf8(row.text).map(Record::parse) {
        Ok(Ok(record)) => record,
        Ok(Err(reason)) => return (None, Some(reason)),
        Err(_) => return (None, Some("its text is no UTF-8".into())),
    };
    let wrong = if record.hash.as_bytes().as_slice() != row.hash.as_slice() {
        Some("its text is not the one that was written: the hash differs".into())
    } else if i64::try_from(record.number).ok() != Some(row.number) {
        Some(format!("its text says that it is record {}", record.number))
    } else {
        None
    };
    (Some(record), wrong)
}

/// The record that `entry` becomes behind the row `last`.
///
/// # Errors
/// If that row is damaged.
pub fn next_record(last: Option<Row>, entry: Entry) -> Result<Record, LedgerError> {
    let last = last.map(|row| checked(row, None)).transpose()?;
    Ok(Record::after(last.map(|last| (last.number, last.hash)), entry))
}

/// The record of a row that follows `previous`, if that is known.
fn checked(row: Row, previous: Option<&Record>) -> Result<Record, LedgerError> {
    let number = u64::try_from(row.number).unwrap_or_default();
    let damaged = |reason: String| LedgerError::Damaged { number, reason };
    let record = match read_row(row) {
        (Some(record), None) => record,
        (_, reason) => return Err(damaged(reason.unwrap_or_default())),
    };
    match previous {
        Some(before) => match link_fault(&record, before.number + 1, Some(&before.hash)) {
            Some(fault) => Err(damaged(fault.reason)),
            None => Ok(record),
        },
        None => Ok(record),
    }
}

/// Whether `record` is in place `expected` behind a record with the hash `before`.
fn link_fault(record: &Record, expected: u64, before: Option<&Digest>) -> Option<Fault> {
    let reason = if record.number != expected {
        format!("record {expected} is missing")
    } else if record.previous.as_ref() != before {
        format!(
            "it does not follow record {}: that one has another hash",
            expected - 1
        )
    } else {
        return None;
    };
    Some(Fault {
        number: Some(record.number),
        reason,
    })
}

fn checkpoint_of(origin: &str, records: &[Record]) -> Checkpoint {
    let leaves: Vec<Digest> = records.iter().map(|record| record.hash).collect();
    Checkpoint {
        origin: origin.into(),
        size: leaves.len() as u64,
        root: root(&leaves),
    }
}

fn uncovered(origin: &str, records: &[Record], checkpoint: &Checkpoint) -> Option<Fault> {
    let size = usize::try_from(checkpoint.size).unwrap_or(usize::MAX);
    let reason = if checkpoint.origin != origin {
        format!(
            "the checkpoint is of another ledger, {:?}, not of {origin:?}",
            checkpoint.origin
        )
    } else if size > records.len() {
        format!(
            "the checkpoint covers {size} records and the ledger has {}: records were removed from its end",
            records.len()
        )
    } else if checkpoint_of(origin, &records[..size]).root != checkpoint.root {
        format!("the first {size} records are not those that the checkpoint covers")
    } else {
        return None;
    };
    Some(Fault { number: None, reason })
}

/// Looks at records that come from an export.
pub fn verify_records(origin: &str, records: &[Record], checkpoints: &[Checkpoint]) -> Verification {
    let mut faults = Vec::new();
    let mut before = None;
    for (record, expected) in records.iter().zip(1..) {
        faults.extend(link_fault(record, expected, before.as_ref()));
        before = Some(record.hash);
    }
    faults.extend(
        checkpoints
            .iter()
            .filter_map(|one| uncovered(origin, records, one)),
    );
    Verification {
        checkpoint: checkpoint_of(origin, records),
        faults,
    }
}
