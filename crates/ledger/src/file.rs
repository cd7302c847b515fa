//! The rows of a ledger in a SQLite file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::schema::{APPLICATION, TABLES, VERSION};
use crate::{Entry, Fault, LedgerError, Order, Record, Row, Storage, next_record};

/// How long to wait for another process that writes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A SQLite file.
pub(crate) struct LedgerFile {
    path: PathBuf,
    connection: Connection,
}

impl LedgerFile {
    /// Opens the file, making it if it is not there, and gives its origin too.
    pub fn open(path: &Path) -> Result<(LedgerFile, String), LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | STRICT;
        let mut connection = connect(path, flags)?;
        prepare(path, &mut connection)?;
        LedgerFile::on(path, connection)
    }

    /// Opens the file for reading; nothing if there is none. No row can be written, but what a process that was killed had
    /// half written is taken back, which needs the right to write.
    pub fn open_to_read(path: &Path) -> Result<Option<(LedgerFile, String)>, LedgerError> {
        if path.symlink_metadata().is_err() {
            return Ok(None);
        }
        // SQLite opens it for reading alone where this process may not write.
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | STRICT)?;
        connection
            .pragma_update(None, "query_only", true)
            .map_err(LedgerError::database(path, "open the ledger"))?;
        match version(path, &connection)? {
            0 => Ok(None),
            _ => LedgerFile::on(path, connection).map(Some),
        }
    }

    fn on(path: &Path, connection: Connection) -> Result<(LedgerFile, String), LedgerError> {
        let origin = connection
            .query_row("SELECT origin FROM ledger", [], |row| row.get(0))
            .map_err(LedgerError::database(path, "read its origin"))?;
        let file = LedgerFile {
            path: path.to_path_buf(),
            connection,
        };
        Ok((file, origin))
    }
}

impl Storage for LedgerFile {
    fn append(&mut self, entry: Entry) -> Result<Record, LedgerError> {
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
        let record = next_record(last, entry)?;
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

    fn count(&self) -> Result<u64, LedgerError> {
        let count: i64 = self
            .connection
            .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
            .map_err(LedgerError::database(&self.path, "count its records"))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn row(&self, number: i64) -> Result<Option<Row>, LedgerError> {
        self.connection
            .query_row(
                "SELECT number, text, hash FROM records WHERE number = ?1",
                [number],
                row_of,
            )
            .optional()
            .map_err(LedgerError::database(&self.path, "read a record"))
    }

    fn each(
        &self,
        order: Order,
        take: &mut dyn FnMut(Row) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let wrong = || LedgerError::database(&self.path, "read its records");
        let order = match order {
            Order::FirstFirst => "",
            Order::LastFirst => "DESC",
        };
        let mut statement = self
            .connection
            .prepare(&format!(
                "SELECT number, text, hash FROM records ORDER BY number {order}"
            ))
            .map_err(wrong())?;
        let mut rows = statement.query([]).map_err(wrong())?;
        while let Some(row) = rows.next().map_err(wrong())? {
            if !take(row_of(row).map_err(wrong())?)? {
                break;
            }
        }
        Ok(())
    }

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
