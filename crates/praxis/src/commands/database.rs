//! `praxis database`, and what `--database` opens.

use std::sync::Arc;

use praxis_engine::Books;

use super::Surroundings;
use crate::arguments::{DatabaseCommand, DatabaseOption};
use crate::environment::Environment;
use crate::failure::Failure;

#[cfg(feature = "postgres")]
pub use with::needed;

#[cfg(feature = "postgres")]
mod with {
    use praxis_database::{DatabaseError, DatabaseUrl, SharedBooks, migrate};

    use super::super::write_stdout;
    use super::*;

    /// The URL that the option names. No message holds what is in it.
    fn url(option: &DatabaseOption, environment: &Environment) -> Result<DatabaseUrl, Failure> {
        match option {
            DatabaseOption::File(path) => Ok(DatabaseUrl::from_file(path)?),
            DatabaseOption::Variable(name) => {
                let text = environment.text(name);
                let text =
                    text.ok_or_else(|| Failure::usage(format!("--database env://{name}: it is not set")))?;
                Ok(DatabaseUrl::parse(text)?)
            }
        }
    }

    /// The URL for a command that works with nothing else.
    pub fn needed(surroundings: &Surroundings) -> Result<DatabaseUrl, Failure> {
        let option = surroundings.database.as_ref();
        let option = option.ok_or_else(|| {
            Failure::usage("--database, or PRAXIS_DATABASE, names the file with the URL of the database")
        })?;
        url(option, &surroundings.environment)
    }

    pub fn books(option: &DatabaseOption, environment: &Environment) -> Result<Arc<dyn Books>, Failure> {
        Ok(Arc::new(SharedBooks::open(url(option, environment)?)?))
    }

    pub fn run(command: &DatabaseCommand, surroundings: &Surroundings) -> Result<(), Failure> {
        let DatabaseCommand::Migrate { serving_role } = command;
        let url = needed(surroundings)?;
        let done = migrate(&url, serving_role.as_deref())?;
        let text = match done.from == done.to {
            true => format!("{}: the tables are of version {} already\n", url.place(), done.to),
            false => format!("{}: version {} → {}\n", url.place(), done.from, done.to),
        };
        write_stdout(text.as_bytes())
    }

    impl From<DatabaseError> for Failure {
        fn from(error: DatabaseError) -> Failure {
            match &error {
                DatabaseError::Url(_) => Failure::usage(error.to_string()),
                _ => Failure::failed(error.to_string()),
            }
        }
    }
}

#[cfg(not(feature = "postgres"))]
mod with {
    use super::*;

    pub fn books(_: &DatabaseOption, _: &Environment) -> Result<Arc<dyn Books>, Failure> {
        Err(missing("--database"))
    }

    pub fn run(_: &DatabaseCommand, _: &Surroundings) -> Result<(), Failure> {
        Err(missing("praxis database"))
    }
}

/// What a praxis without PostgreSQL says.
#[cfg(not(feature = "postgres"))]
pub fn missing(what: &str) -> Failure {
    Failure::usage(format!("{what}: this praxis was built without PostgreSQL"))
        .with_hint("cargo install with --features postgres, or the -postgres variant of the image")
}

/// The books in the database.
pub fn books(option: &DatabaseOption, environment: &Environment) -> Result<Arc<dyn Books>, Failure> {
    with::books(option, environment)
}

/// Runs `praxis database …`.
pub fn run(command: &DatabaseCommand, surroundings: &Surroundings) -> Result<(), Failure> {
    with::run(command, surroundings)
}
