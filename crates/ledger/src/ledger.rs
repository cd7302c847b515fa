use std::path::{Path, PathBuf};
use std::time::Duration;

use praxis_oci::Digest;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::schema::{APPLICATION, TABLES, VERSION};
use crate::{Checkpoint, Entry, LedgerError, Record, root};

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A ledger in a file. Several processes may use it at once.
pub struct Ledger {
    path: PathBuf,
    connection: Connection,
    origin: String,
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

/// A row as it is in the file.
struct Row {
    number: i64,
    text: Vec<u8>,
    hash: Vec<u8>,
}

impl Ledger {
    /// Opens the ledger at `path`, and makes it if it is not there; its directory must be.
    ///
    /// # Errors
    /// If the file is something else, of a later version, or a link.
    pub fn open(path: &Path) -> Result<Ledger, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | STRICT;
        let mut connection = connect(path, flags)?;
        prepare(path, &mut connection)?;
        Ledger::on(path, connection)
    }

    /// Opens the ledger at `path` for reading; nothing if there is none.
    ///
    /// # Errors
    /// If the file is something else, of a later version, or a link.
    pub fn open_to_read(path: &Path) -> Result<Option<Ledger>, LedgerError> {
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY | STRICT)?;
        match version(path, &connection)? {
            0 => Ok(None),
            _ => Ledger::on(path, connection).map(Some),
        }
    }

    fn on(path: &Path, connection: Connection) -> Result<Ledger, LedgerError> {
        let origin = connection
            .query_row("SELECT origin FROM ledger", [], |row| row.get(0))
            .map_err(LedgerError::database(path, "read its origin"))?;
        Ok(Ledger {
            path: path.to_path_buf(),
            connection,
            origin,
        })
    }

    /// Which ledger this is: a name that was made with it.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Adds a record. When this returns the record is on disk.
    ///
    /// # Errors
    /// If the file cannot be written, or the last record is damaged: nothing is added then.
    pub fn append(&mut self, entry: Entry) -> Result<Record, LedgerError> {
        let path = &self.path;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(LedgerError::database(path, "begin to write"))?;
        let last = transaction
            .query_row(
                "SELECT number, text, hash FROM records ORDER BY number DESC LIMIT 1",
                [],
                row_of,
            )
            .optional()
            .map_err(LedgerError::database(path, "read its last record"))?;
        let last = last.map(|row| checked(row, None)).transpose()?;
        let record = Record::after(last.map(|last| (last.number, last.hash)), entry);
        let number = i64::try_from(record.number).unwrap_or(i64::MAX);
        transaction
            .execute(
                "INSERT INTO records (number, text, hash) VALUES (?1, ?2, ?3)",
                params![number, record.text, record.hash.as_bytes()],
            )
            .map_err(LedgerError::database(path, "add a record"))?;
        transaction
            .commit()
            .map_err(LedgerError::database(path, "add a record"))?;
        Ok(record)
    }

    /// How many records there are.
    pub fn count(&self) -> Result<u64, LedgerError> {
        let count: i64 = self
            .connection
            .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
            .map_err(LedgerError::database(&self.path, "count its records"))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The record with this number, from 1.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn record(&self, number: u64) -> Result<Record, LedgerError> {
        let asked = i64::try_from(number).unwrap_or(i64::MAX);
        let row = self
            .connection
            .query_row(
                "SELECT number, text, hash FROM records WHERE number = ?1",
                [asked],
                row_of,
            )
            .optional()
            .map_err(LedgerError::database(&self.path, "read a record"))?;
        match row {
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
        self.each("ORDER BY number DESC", |row| {
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
        self.each("ORDER BY number", |row| {
            let record = checked(row, records.last())?;
            records.push(record);
            Ok(true)
        })?;
        Ok(records)
    }

    /// Calls `take` with rows until it says no.
    fn each(
        &self,
        order: &str,
        mut take: impl FnMut(Row) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let wrong = || LedgerError::database(&self.path, "read its records");
        let mut statement = self
            .connection
            .prepare(&format!("SELECT number, text, hash FROM records {order}"))
            .map_err(wrong())?;
        let mut rows = statement.query([]).map_err(wrong())?;
        while let Some(row) = rows.next().map_err(wrong())? {
            if !take(row_of(row).map_err(wrong())?)? {
                break;
            }
        }
        Ok(())
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
        let mut faults = self.damage();
        let (mut records, mut stored) = (Vec::new(), None);
        let read = self.each("ORDER BY number", |row| {
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

    /// What SQLite finds wrong with the file.
    fn damage(&self) -> Vec<Fault> {
        let fault = |reason: String| Fault { number: None, reason };
        let check = || {
            let mut statement = self.connection.prepare("PRAGMA integrity_check(20)")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<Result<Vec<String>, _>>()
        };
        match check() {
            Ok(lines) => {
                let bad = lines.into_iter().filter(|line| line != "ok");
                bad.map(|line| fault(format!("the file is damaged: {line}")))
                    .collect()
            }
            Err(error) => vec![fault(format!("the file is damaged: {error}"))],
        }
    }
}

/// Links are not followed, and a text that is no SQL string is no string.
const STRICT: OpenFlags = OpenFlags::SQLITE_OPEN_NOFOLLOW.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, LedgerError> {
    let wrong = || LedgerError::database(path, "open the ledger");
    let connection = Connection::open_with_flags(path, flags).map_err(wrong())?;
    connection.busy_timeout(PATIENCE).map_err(wrong())?;
    // What the file says its tables are is not to be trusted with more than them.
    connection
        .execute_batch(
            "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA synchronous = EXTRA;",
        )
        .map_err(wrong())?;
    Ok(connection)
}

/// Makes the tables if the file is new.
fn prepare(path: &Path, connection: &mut Connection) -> Result<(), LedgerError> {
    if version(path, connection)? == VERSION {
        return Ok(());
    }
    let wrong = || LedgerError::database(path, "make the ledger");
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(wrong())?;
    // Another process may have made it meanwhile.
    if version(path, &transaction)? == VERSION {
        return Ok(());
    }
    transaction.execute_batch(TABLES).map_err(wrong())?;
    transaction
        .execute(
            "INSERT INTO ledger (only, origin) VALUES (1, 'praxis/ledger/' || lower(hex(randomblob(8))))",
            [],
        )
        .map_err(wrong())?;
    transaction
        .pragma_update(None, "application_id", APPLICATION)
        .map_err(wrong())?;
    transaction
        .pragma_update(None, "user_version", VERSION)
        .map_err(wrong())?;
    transaction.commit().map_err(wrong())
}

/// The version of the tables; 0 for an empty file.
fn version(path: &Path, connection: &Connection) -> Result<i32, LedgerError> {
    // One statement sees one state of the file, whatever others do.
    let sql = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
               FROM pragma_application_id, pragma_user_version";
    let found: (i32, i32, i64) = connection
        .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .map_err(LedgerError::database(path, "read its version"))?;
    let strange = |reason: &str| LedgerError::Format {
        path: path.to_path_buf(),
        reason: reason.into(),
    };
    match found {
        (0, 0, 0) => Ok(0),
        (APPLICATION, VERSION, _) => Ok(VERSION),
        (APPLICATION, later, _) if later > VERSION => Err(strange(&format!(
            "it is a ledger of version {later}; this praxis knows version {VERSION}: use a later praxis"
        ))),
        _ => Err(strange("it is a database, but no ledger of praxis")),
    }
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let bytes = |column: usize| {
        let value = row.get_ref(column)?;
        Ok::<_, rusqlite::Error>(value.as_bytes_or_null()?.unwrap_or_default().to_vec())
    };
    Ok(Row {
        number: row.get(0)?,
        text: bytes(1)?,
        hash: bytes(2)?,
    })
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
