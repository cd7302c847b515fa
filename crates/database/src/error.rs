use std::error::Error;

use praxis_ledger::LedgerError;

/// Why the database could not be used. No message holds a password: what PostgreSQL says does not, and the URL is not
/// shown.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The URL says something that cannot be used.
    #[error("the URL of the database: {0}")]
    Url(String),
    /// The server says no, or cannot be reached.
    #[error("{place}: {action}: {reason}")]
    Server {
        /// Server and database.
        place: String,
        /// What was tried.
        action: &'static str,
        /// What is wrong.
        reason: String,
        /// Whether another try may succeed.
        passing: bool,
    },
    /// The database is not one that can be served from.
    #[error("{place}: {reason}")]
    Unfit {
        /// Server and database.
        place: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The ledger in it says no.
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    /// The build is not this worker's any more.
    #[error("build {number} is not this worker's any more: its lease ran out and another one took it")]
    Lost {
        /// Which build.
        number: i64,
    },
    /// There is no such build.
    #[error("there is no build {number} in the queue")]
    NoBuild {
        /// Which build.
        number: i64,
    },
}

impl DatabaseError {
    pub(crate) fn server(place: &str, action: &'static str, error: &postgres::Error) -> DatabaseError {
        DatabaseError::Server {
            place: place.into(),
            action,
            reason: reason(error),
            passing: passing(error),
        }
    }

    /// Whether another try, on a new connection, may succeed.
    pub fn is_passing(&self) -> bool {
        matches!(self, DatabaseError::Server { passing: true, .. })
    }
}

/// What the server says, with its hint; else what happened on the way.
pub(crate) fn reason(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => match said.hint() {
            Some(hint) => format!("{} ({hint})", said.message()),
            None => said.message().to_string(),
        },
        None => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            text
        }
    }
}

/// Connections that broke, servers that restart, transactions that met.
fn passing(error: &postgres::Error) -> bool {
    match error.code() {
        Some(code) => ["08", "40", "53", "57"]
            .iter()
            .any(|class| code.code().starts_with(class)),
        None => error.is_closed() || error.source().is_some_and(|it| it.is::<std::io::Error>()),
    }
}
