//! The rows of a ledger in PostgreSQL.

use std::cell::RefCell;

use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, Transaction};
use praxis_ledger::{Entry, Fault, LedgerError, Order, Record, Row, Storage, next_record};

use crate::DatabaseError;
use crate::error::reason;

/// One writer at a time: held until the transaction ends. The trigger of the table takes it too.
const LOCK: &str = "SELECT pg_advisory_xact_lock(x'7072784c'::integer, 1)";

/// A connection, and where it leads.
pub(crate) struct SharedStorage {
    pub place: String,
    pub client: RefCell<Client>,
}

fn wrong<'a>(place: &'a str, action: &'static str) -> impl Fn(postgres::Error) -> LedgerError + 'a {
    move |error| LedgerError::Database {
        place: place.into(),
        action,
        source: reason(&error).into(),
    }
}

/// Adds a record within a transaction.
pub(crate) fn append(
    place: &str,
    transaction: &mut Transaction<'_>,
    entry: Entry,
) -> Result<Record, DatabaseError> {
    let wrong = |error| DatabaseError::server(place, "add a record", &error);
    transaction.query_one(LOCK, &[]).map_err(wrong)?;
    let last = transaction
        .query_opt(
            "SELECT number, text, hash FROM praxis.records ORDER BY number DESC LIMIT 1",
            &[],
        )
        .map_err(wrong)?;
    let record = next_record(last.as_ref().map(row_of), entry)?;
    let number = i64::try_from(record.number).unwrap_or(i64::MAX);
    let hash = record.hash.as_bytes().as_slice();
    transaction
        .execute(
            "INSERT INTO praxis.records (number, text, hash) VALUES ($1, $2, $3)",
            &[&number, &record.text, &hash],
        )
        .map_err(wrong)?;
    Ok(record)
}

/// The name of the ledger.
pub(crate) fn origin(place: &str, client: &mut Client) -> Result<String, LedgerError> {
    let row = client.query_one("SELECT origin FROM praxis.ledger", &[]);
    Ok(row.map_err(wrong(place, "read its origin"))?.get(0))
}

fn row_of(row: &postgres::Row) -> Row {
    Row {
        number: row.get(0),
        text: row.get::<_, String>(1).into_bytes(),
        hash: row.get(2),
    }
}

impl Storage for SharedStorage {
    fn append(&mut self, entry: Entry) -> Result<Record, LedgerError> {
        let wrong = wrong(&self.place, "add a record");
        let client = self.client.get_mut();
        let mut transaction = client.transaction().map_err(&wrong)?;
        let record = append(&self.place, &mut transaction, entry)?;
        transaction.commit().map_err(&wrong)?;
        Ok(record)
    }

    fn count(&self) -> Result<u64, LedgerError> {
        let mut client = self.client.borrow_mut();
        let row = client.query_one("SELECT count(*) FROM praxis.records", &[]);
        let count: i64 = row.map_err(wrong(&self.place, "count its records"))?.get(0);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn row(&self, number: i64) -> Result<Option<Row>, LedgerError> {
        let mut client = self.client.borrow_mut();
        let sql = "SELECT number, text, hash FROM praxis.records WHERE number = $1";
        let row = client.query_opt(sql, &[&number]);
        Ok(row
            .map_err(wrong(&self.place, "read a record"))?
            .as_ref()
            .map(row_of))
    }

    fn each(
        &self,
        order: Order,
        take: &mut dyn FnMut(Row) -> Result<bool, LedgerError>,
    ) -> Result<(), LedgerError> {
        let wrong = wrong(&self.place, "read its records");
        let sql = match order {
            Order::FirstFirst => "SELECT number, text, hash FROM praxis.records ORDER BY number",
            Order::LastFirst => "SELECT number, text, hash FROM praxis.records ORDER BY number DESC",
        };
        let mut client = self.client.borrow_mut();
        // As rows arrive: a long ledger is never in memory as a whole.
        let mut rows = client.query_raw(sql, Vec::<i64>::new()).map_err(&wrong)?;
        while let Some(row) = rows.next().map_err(&wrong)? {
            if !take(row_of(&row))? {
                break;
            }
        }
        Ok(())
    }

    /// Pages are for the server's checksums; what is looked at is that the guards of the tables are there and on.
    fn damage(&self) -> Vec<Fault> {
        let fault = |reason: String| Fault { number: None, reason };
        let sql = "SELECT wanted.relation || '.' || wanted.name
            FROM (VALUES ('records', 'stay'), ('records', 'follow'), ('ledger', 'stay')) AS wanted (relation, name)
            WHERE NOT EXISTS (SELECT FROM pg_trigger
                WHERE tgrelid = ('praxis.' || wanted.relation)::regclass AND tgname = wanted.name
                AND tgenabled IN ('O', 'A'))";
        match self.client.borrow_mut().query(sql, &[]) {
            Ok(rows) => rows
                .iter()
                .map(|row| {
                    let name: &str = row.get(0);
                    fault(format!(
                        "the trigger {name}, which refuses changes, is missing or off"
                    ))
                })
                .collect(),
            Err(error) => vec![fault(reason(&error))],
        }
    }
}
