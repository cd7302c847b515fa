use std::fmt;
use std::time::{Duration, Instant};

use postgres::Client;
use praxis_ledger::{Entry, Kind};
use serde::Serialize;

use crate::books::write;
use crate::connection::serve;
use crate::{DatabaseError, DatabaseUrl, Kept};

/// How often a build is taken: one that ends its workers must not go round for ever.
pub const MOST_ATTEMPTS: i32 = 3;
/// How often what happened in builds that ended is removed.
const TIDY: Duration = Duration::from_secs(60);
/// Builds that are followed at once, and rows of what happened in them that are read at once.
const FOLLOWED: i64 = 1000;
const ROWS: i64 = 64;
/// Requests and results that are longer do not go into the queue.
const LONGEST: usize = 1 << 20;

const COLUMNS: &str = "number, id, request, asked_by, state, attempt, worker, cancel_asked, record, result,
    to_char(asked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
    to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";

/// The queue of builds. Times are the database server's: clocks of workers do not count.
pub struct Queue {
    url: DatabaseUrl,
    client: Client,
    tidied: Option<Instant>,
}

/// A build in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueuedBuild {
    /// Its number; later builds have greater ones.
    pub number: i64,
    /// The id of its record; none of builds that are older than such ids.
    pub id: Option<String>,
    /// What to build: JSON.
    pub request: String,
    /// Who asked.
    pub asked_by: String,
    /// When, in RFC 3339.
    pub asked_at: String,
    /// `waiting`, `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// How often it was taken.
    pub attempt: i32,
    /// Who took it last.
    pub worker: Option<String>,
    /// Whether somebody asked to stop it.
    pub cancel_asked: bool,
    /// When it ended.
    pub ended_at: Option<String>,
    /// The record of the ledger that says how.
    pub record: Option<i64>,
    /// What came of it: JSON, or the reason why nothing did.
    pub result: Option<String>,
}

/// A build that a worker holds, for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The build.
    pub number: i64,
    /// The fencing token: greater each time that the build is taken.
    pub attempt: i32,
    /// The id that its record has to have.
    pub id: Option<String>,
    /// What to build.
    pub request: String,
    /// Who asked.
    pub asked_by: String,
}

/// How far somebody knows what happened in a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The build.
    pub build: i64,
    /// The fencing token of who makes it.
    pub attempt: i32,
    /// The last row that is known.
    pub number: i32,
}

/// How a build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndState {
    /// There is an image.
    Done,
    /// There is none.
    Failed,
    /// Somebody asked to stop it.
    Cancelled,
}

impl EndState {
    fn name(self) -> &'static str {
        match self {
            EndState::Done => "done",
            EndState::Failed => "failed",
            EndState::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for EndState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What comes of a build.
#[derive(Clone, Debug)]
pub struct End {
    /// How it ended.
    pub state: EndState,
    /// What came of it, for who asked.
    pub result: String,
    /// Records to write; one is made if there is none.
    pub kept: Vec<Kept>,
}

/// What asking to stop a build did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It had not begun, and will not.
    Removed,
    /// Its worker is told.
    Asked,
    /// It had ended before.
    TooLate,
}

impl Queue {
    /// The queue in the database.
    ///
    /// # Errors
    /// With what to do, if the database is not one to serve from.
    pub fn open(url: DatabaseUrl) -> Result<Queue, DatabaseError> {
        let client = serve(&url)?;
        Ok(Queue {
            url,
            client,
            tidied: None,
        })
    }

    fn wrong(url: &DatabaseUrl, action: &'static str) -> impl Fn(postgres::Error) -> DatabaseError {
        let place = url.place().to_string();
        move |error| DatabaseError::server(&place, action, &error)
    }

    /// Connects again if the connection broke.
    fn revive(&mut self) -> Result<(), DatabaseError> {
        if self.client.is_closed() {
            self.client = serve(&self.url)?;
        }
        Ok(())
    }

    /// Adds a build, whose record will have this id, and gives its number. When this returns the build is not lost any
    /// more.
    ///
    /// # Errors
    /// If it is too large or the database says no.
    pub fn add(&mut self, request: &str, asked_by: &str, id: &str) -> Result<i64, DatabaseError> {
        self.revive()?;
        if request.len() > LONGEST || asked_by.contains('\0') || request.contains('\0') {
            return Err(DatabaseError::Unfit {
                place: self.url.place().into(),
                reason: "a request is at most a mebibyte of text without zero bytes".into(),
            });
        }
        let sql = "INSERT INTO praxis.builds (request, asked_by, id) VALUES ($1, $2, $3) RETURNING number";
        let row = self.client.query_one(sql, &[&request, &asked_by, &id]);
        Ok(row.map_err(Queue::wrong(&self.url, "add a build"))?.get(0))
    }

    /// Builds, latest first; only those that have not ended if `open`.
    ///
    /// # Errors
    /// If the database says no.
    pub fn list(&mut self, most: i64, open: bool) -> Result<Vec<QueuedBuild>, DatabaseError> {
        self.revive()?;
        let sql = format!(
            "SELECT {COLUMNS} FROM praxis.builds WHERE NOT $2 OR state IN ('waiting', 'running')
             ORDER BY number DESC LIMIT $1"
        );
        let rows = self.client.query(&sql, &[&most, &open]);
        let rows = rows.map_err(Queue::wrong(&self.url, "list builds"))?;
        Ok(rows.iter().map(build_of).collect())
    }

    /// One build.
    ///
    /// # Errors
    /// If there is none with this number.
    pub fn build(&mut self, number: i64) -> Result<QueuedBuild, DatabaseError> {
        self.revive()?;
        let sql = format!("SELECT {COLUMNS} FROM praxis.builds WHERE number = $1");
        let row = self.client.query_opt(&sql, &[&number]);
        let row = row.map_err(Queue::wrong(&self.url, "read a build"))?;
        row.as_ref()
            .map(build_of)
            .ok_or(DatabaseError::NoBuild { number })
    }

    /// Asks to stop a build.
    ///
    /// # Errors
    /// If there is none with this number.
    pub fn cancel(&mut self, number: i64) -> Result<Cancelled, DatabaseError> {
        self.revive()?;
        let sql = "UPDATE praxis.builds SET cancel_asked = true,
                state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE state END,
                ended_at = CASE state WHEN 'waiting' THEN clock_timestamp() END
            WHERE number = $1 AND ended_at IS NULL RETURNING state";
        let row = self.client.query_opt(sql, &[&number]);
        match row.map_err(Queue::wrong(&self.url, "cancel a build"))? {
            Some(row) if row.get::<_, &str>(0) == "cancelled" => Ok(Cancelled::Removed),
            Some(_) => Ok(Cancelled::Asked),
            None => self.build(number).map(|_| Cancelled::TooLate),
        }
    }

    /// Takes the oldest build that waits, or whose worker's lease ran out; nothing if there is none. Two workers never
    /// take the same one.
    ///
    /// # Errors
    /// If the database says no.
    pub fn take(&mut self, worker: &str, lease: Duration) -> Result<Option<Lease>, DatabaseError> {
        self.revive()?;
        self.give_up()?;
        self.tidy()?;
        let sql = "UPDATE praxis.builds SET state = 'running', attempt = attempt + 1, worker = $1,
                taken_at = clock_timestamp(), lease_until = clock_timestamp() + $2 * interval '1 second'
            WHERE number = (SELECT number FROM praxis.builds
                WHERE (state = 'waiting' OR (state = 'running' AND lease_until < clock_timestamp()))
                    AND NOT cancel_asked AND attempt < $3
                ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING number, attempt, id, request, asked_by";
        let row = self
            .client
            .query_opt(sql, &[&worker, &lease.as_secs_f64(), &MOST_ATTEMPTS]);
        let row = row.map_err(Queue::wrong(&self.url, "take a build"))?;
        Ok(row.map(|row| Lease {
            number: row.get(0),
            attempt: row.get(1),
            id: row.get(2),
            request: row.get(3),
            asked_by: row.get(4),
        }))
    }

    /// Ends builds that nobody will: whose workers stopped answering too often, or that were to be stopped when theirs did.
    fn give_up(&mut self) -> Result<(), DatabaseError> {
        let wrong = Queue::wrong(&self.url, "end what nobody ends");
        let sql = "SELECT number, cancel_asked, attempt FROM praxis.builds
            WHERE state = 'running' AND lease_until < clock_timestamp() AND (cancel_asked OR attempt >= $1)
            ORDER BY number LIMIT 100 FOR UPDATE SKIP LOCKED";
        let mut transaction = self.client.transaction().map_err(&wrong)?;
        for row in transaction.query(sql, &[&MOST_ATTEMPTS]).map_err(&wrong)? {
            let (number, cancelled, attempts): (i64, bool, i32) = (row.get(0), row.get(1), row.get(2));
            let (state, result) = match cancelled {
                true => (
                    EndState::Cancelled,
                    "it was cancelled, and its worker stopped answering".to_string(),
                ),
                false => (
                    EndState::Failed,
                    format!("its worker stopped answering, {attempts} times: it is not tried again"),
                ),
            };
            let end = End {
                state,
                result,
                kept: Vec::new(),
            };
            finish(&self.url, &mut transaction, number, &end)?;
        }
        transaction.commit().map_err(&wrong)
    }

    /// Holds a build for longer. Says whether somebody asked to stop it.
    ///
    /// # Errors
    /// [`DatabaseError::Lost`] if another one took it.
    pub fn renew(&mut self, held: &Lease, lease: Duration) -> Result<bool, DatabaseError> {
        self.revive()?;
        let sql = "UPDATE praxis.builds SET lease_until = clock_timestamp() + $3 * interval '1 second'
            WHERE number = $1 AND attempt = $2 AND state = 'running' RETURNING cancel_asked";
        let row = self
            .client
            .query_opt(sql, &[&held.number, &held.attempt, &lease.as_secs_f64()]);
        match row.map_err(Queue::wrong(&self.url, "hold a build"))? {
            Some(row) => Ok(row.get(0)),
            None => Err(DatabaseError::Lost { number: held.number }),
        }
    }

    /// Writes down what happened in a build that is held, as row `number` of this attempt, and says whether somebody asked to
    /// stop it. Without anything that happened it only says that.
    ///
    /// # Errors
    /// [`DatabaseError::Lost`] if another one took it: nothing is written then.
    pub fn tell(&mut self, held: &Lease, happened: Option<(i32, &str)>) -> Result<bool, DatabaseError> {
        self.revive()?;
        let wrong = Queue::wrong(&self.url, "write down what happens");
        if let Some((number, text)) = happened {
            let sql = "INSERT INTO praxis.events (build, attempt, number, text)
                SELECT number, attempt, $3, $4 FROM praxis.builds
                WHERE number = $1 AND attempt = $2 AND state = 'running' ON CONFLICT DO NOTHING";
            let given = self
                .client
                .execute(sql, &[&held.number, &held.attempt, &number, &text]);
            given.map_err(&wrong)?;
        }
        let sql =
            "SELECT cancel_asked FROM praxis.builds WHERE number = $1 AND attempt = $2 AND state = 'running'";
        match self
            .client
            .query_opt(sql, &[&held.number, &held.attempt])
            .map_err(&wrong)?
        {
            Some(row) => Ok(row.get(0)),
            None => Err(DatabaseError::Lost { number: held.number }),
        }
    }

    /// The builds that have not ended, the earliest first: number, and how often each was taken. Of very many the later
    /// ones are left out.
    ///
    /// # Errors
    /// If the database says no.
    pub fn open_builds(&mut self) -> Result<Vec<(i64, i32)>, DatabaseError> {
        self.revive()?;
        let sql = "SELECT number, attempt FROM praxis.builds WHERE state IN ('waiting', 'running')
            ORDER BY number LIMIT $1";
        let rows = self.client.query(sql, &[&FOLLOWED]);
        let rows = rows.map_err(Queue::wrong(&self.url, "list builds"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// What happened in builds after what is known of each. Some of it, if it is much: then it is asked again.
    ///
    /// # Errors
    /// If the database says no.
    pub fn news(&mut self, known: &[Known]) -> Result<Vec<(Known, String)>, DatabaseError> {
        self.revive()?;
        let builds: Vec<i64> = known.iter().map(|it| it.build).collect();
        let attempts: Vec<i32> = known.iter().map(|it| it.attempt).collect();
        let numbers: Vec<i32> = known.iter().map(|it| it.number).collect();
        let sql = "SELECT e.build, e.attempt, e.number, e.text
            FROM unnest($1::bigint[], $2::integer[], $3::integer[]) AS k (build, attempt, number)
            JOIN praxis.events e ON e.build = k.build AND e.attempt = k.attempt AND e.number > k.number
            ORDER BY e.build, e.number LIMIT $4";
        let rows = self.client.query(sql, &[&builds, &attempts, &numbers, &ROWS]);
        let rows = rows.map_err(Queue::wrong(&self.url, "read what happened"))?;
        let told = |row: &postgres::Row| {
            let known = Known {
                build: row.get(0),
                attempt: row.get(1),
                number: row.get(2),
            };
            (known, row.get(3))
        };
        Ok(rows.iter().map(told).collect())
    }

    /// Removes what happened in builds that ended some minutes ago: their accounts have it.
    fn tidy(&mut self) -> Result<(), DatabaseError> {
        if self.tidied.is_some_and(|then| then.elapsed() < TIDY) {
            return Ok(());
        }
        self.tidied = Some(Instant::now());
        // Two at once would wait for each other's rows: the second leaves it to the first.
        let sql = "DELETE FROM praxis.events USING praxis.builds
            WHERE builds.number = events.build AND builds.ended_at < clock_timestamp() - interval '2 minutes'
                AND pg_try_advisory_xact_lock(x'7072784c'::integer, 2)";
        let removed = self.client.execute(sql, &[]);
        removed.map_err(Queue::wrong(&self.url, "remove what happened long ago"))?;
        Ok(())
    }

    /// Ends a build: in one transaction the fencing token is compared, the records are added to the ledger and the state
    /// is set. Ending it once more with the same lease changes nothing and succeeds: the answer may have been lost.
    ///
    /// # Errors
    /// [`DatabaseError::Lost`] if another one took it: nothing is written then.
    pub fn end(&mut self, held: &Lease, end: &End) -> Result<(), DatabaseError> {
        self.revive()?;
        let wrong = Queue::wrong(&self.url, "end a build");
        let mut transaction = self.client.transaction().map_err(&wrong)?;
        let sql = "SELECT attempt, state FROM praxis.builds WHERE number = $1 FOR UPDATE";
        let row = transaction.query_opt(sql, &[&held.number]).map_err(&wrong)?;
        let row = row.ok_or(DatabaseError::NoBuild { number: held.number })?;
        let (attempt, state): (i32, &str) = (row.get(0), row.get(1));
        match (attempt == held.attempt, state) {
            (true, "running") => {}
            (true, state) if state == end.state.name() => return Ok(()),
            _ => return Err(DatabaseError::Lost { number: held.number }),
        }
        finish(&self.url, &mut transaction, held.number, end)?;
        transaction.commit().map_err(&wrong)
    }
}

/// Writes the records of a build and how it ended. The caller holds the row.
fn finish(
    url: &DatabaseUrl,
    transaction: &mut postgres::Transaction<'_>,
    number: i64,
    end: &End,
) -> Result<(), DatabaseError> {
    let wrong = Queue::wrong(url, "end a build");
    let mut record = None;
    for kept in &end.kept {
        record = Some(write(url.place(), transaction, kept)?);
    }
    let record = match record {
        Some(record) => record,
        None => {
            let sql =
                "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')";
            let time = transaction.query_one(sql, &[]).map_err(&wrong)?.get(0);
            let kept = Kept {
                entry: bare_entry(time, number, end),
                account: None,
            };
            write(url.place(), transaction, &kept)?
        }
    };
    let record = i64::try_from(record.number).unwrap_or(i64::MAX);
    let mut result = end.result.replace('\0', "\u{fffd}");
    if result.len() > LONGEST {
        result = "the result is too long for the queue: the account of the build has all of it".into();
    }
    let sql =
        "UPDATE praxis.builds SET state = $2, ended_at = clock_timestamp(), lease_until = NULL, record = $3,
        result = $4 WHERE number = $1";
    transaction
        .execute(sql, &[&number, &end.state.name(), &record, &result])
        .map_err(&wrong)?;
    Ok(())
}

/// The record of a build that left none.
fn bare_entry(time: String, number: i64, end: &End) -> Entry {
    Entry {
        time,
        kind: Kind::Build,
        subject: None,
        success: end.state == EndState::Done,
        summary: format!("build {number} of the queue: {}", end.state),
        body: serde_json::json!({"queue": number, "error": end.result.chars().take(1000).collect::<String>()}),
    }
}

fn build_of(row: &postgres::Row) -> QueuedBuild {
    QueuedBuild {
        number: row.get(0),
        id: row.get(1),
        request: row.get(2),
        asked_by: row.get(3),
        state: row.get(4),
        attempt: row.get(5),
        worker: row.get(6),
        cancel_asked: row.get(7),
        record: row.get(8),
        result: row.get(9),
        asked_at: row.get(10),
        ended_at: row.get(11),
    }
}
