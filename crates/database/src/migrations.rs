//! The tables, made and changed by their owner, apart from serving.

use postgres::Client;

use crate::connection::connect;
use crate::{DatabaseError, DatabaseUrl};

/// Every step from an empty database to the tables that this praxis knows.
const STEPS: [&str; 2] = [include_str!("migrations/1.sql"), include_str!("migrations/2.sql")];

/// Version of the tables.
pub(crate) const VERSION: i32 = STEPS.len() as i32;

/// PostgreSQL from which on all that the tables need is there.
const OLDEST_SERVER: i32 = 130_000;

/// What the serving role may do, and nothing else: it adds to what stays, and moves builds along.
const RIGHTS: &str = "
REVOKE ALL ON ALL TABLES IN SCHEMA praxis FROM ROLE;
REVOKE ALL ON SCHEMA praxis FROM ROLE;
GRANT USAGE ON SCHEMA praxis TO ROLE;
GRANT SELECT ON praxis.migrations, praxis.ledger TO ROLE;
GRANT SELECT, INSERT ON praxis.records, praxis.accounts TO ROLE;
GRANT SELECT ON praxis.builds TO ROLE;
GRANT INSERT (request, asked_by, id) ON praxis.builds TO ROLE;
GRANT UPDATE (state, attempt, worker, taken_at, lease_until, cancel_asked, ended_at, record, result)
    ON praxis.builds TO ROLE;
GRANT SELECT, INSERT, DELETE ON praxis.events TO ROLE;
";

/// What a migration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// Version of the tables before; 0 if there were none.
    pub from: i32,
    /// Version now.
    pub to: i32,
}

/// Makes the tables, or changes them to what this praxis knows, and gives `serving_role` the rights to serve. All of it
/// happens or nothing. `url` is of the role that owns the tables; the serving role has to be there and be another one.
///
/// # Errors
/// If the database has later tables, cannot hold them, or the roles do not do.
pub fn migrate(url: &DatabaseUrl, serving_role: Option<&str>) -> Result<Migrated, DatabaseError> {
    let mut client = connect(url)?;
    let wrong = |action: &'static str| {
        let place = url.place();
        move |error: postgres::Error| DatabaseError::server(place, action, &error)
    };
    let unfit = |reason: String| DatabaseError::Unfit {
        place: url.place().into(),
        reason,
    };
    let mut transaction = client.transaction().map_err(wrong("begin to migrate"))?;
    // Two migrations at once: the second finds nothing to do.
    transaction
        .batch_execute("SELECT pg_advisory_xact_lock(x'7072784c'::integer, 0)")
        .map_err(wrong("wait for another migration"))?;
    let sql = "SELECT current_setting('server_version_num')::integer, current_setting('server_encoding')";
    let server = transaction
        .query_one(sql, &[])
        .map_err(wrong("ask for its version"))?;
    if server.get::<_, i32>(0) < OLDEST_SERVER {
        return Err(unfit("the server is older than PostgreSQL 13".into()));
    }
    if server.get::<_, &str>(1) != "UTF8" {
        return Err(unfit(
            "the database is not encoded in UTF8: records could not be kept byte for byte".into(),
        ));
    }
    let from = version_in(url, &mut transaction)?;
    if from > VERSION {
        return Err(unfit(format!(
            "its tables are of version {from}, this praxis knows version {VERSION}: use a later praxis"
        )));
    }
    for (step, number) in STEPS.iter().zip(1..).filter(|(_, number)| *number > from) {
        transaction
            .batch_execute(step)
            .map_err(wrong("make the tables"))?;
        transaction
            .execute("INSERT INTO praxis.migrations (version) VALUES ($1)", &[&number])
            .map_err(wrong("make the tables"))?;
    }
    if let Some(role) = serving_role {
        let sql =
            "SELECT rolsuper, rolname = current_user, quote_ident(rolname) FROM pg_roles WHERE rolname = $1";
        let row = transaction
            .query_opt(sql, &[&role])
            .map_err(wrong("look for the serving role"))?;
        let row = row.ok_or_else(|| {
            unfit(format!(
                "there is no role {role:?}: CREATE ROLE … LOGIN PASSWORD … makes it"
            ))
        })?;
        if row.get::<_, bool>(0) || row.get::<_, bool>(1) {
            return Err(unfit(format!(
                "the role {role:?} is a superuser or the owner of the tables: serve with one that is neither"
            )));
        }
        let rights = RIGHTS.replace("ROLE", row.get(2));
        transaction
            .batch_execute(&rights)
            .map_err(wrong("give the serving role its rights"))?;
    }
    transaction.commit().map_err(wrong("migrate"))?;
    Ok(Migrated { from, to: VERSION })
}

/// The version of the tables; 0 if there are none.
pub(crate) fn version(url: &DatabaseUrl, client: &mut Client) -> Result<i32, DatabaseError> {
    version_in(url, client)
}

fn version_in(url: &DatabaseUrl, client: &mut impl postgres::GenericClient) -> Result<i32, DatabaseError> {
    let wrong = |error: postgres::Error| {
        DatabaseError::server(url.place(), "ask for the version of its tables", &error)
    };
    let unfit = || DatabaseError::Unfit {
        place: url.place().into(),
        reason:
            "this role has no rights to serve: its owner runs praxis database migrate --serving-role ROLE"
                .into(),
    };
    // The catalogue is for everyone to read; the table may not be.
    let sql = "SELECT has_schema_privilege(nspname, 'USAGE') FROM pg_namespace WHERE nspname = 'praxis'";
    match client.query_opt(sql, &[]).map_err(wrong)?.map(|row| row.get(0)) {
        None => return Ok(0),
        Some(false) => return Err(unfit()),
        Some(true) => {}
    }
    let sql = "SELECT has_table_privilege(oid, 'SELECT') FROM pg_class
               WHERE relname = 'migrations' AND relnamespace = 'praxis'::regnamespace";
    match client.query_opt(sql, &[]).map_err(wrong)?.map(|row| row.get(0)) {
        None => Ok(0),
        Some(false) => Err(unfit()),
        Some(true) => {
            let row = client
                .query_one("SELECT coalesce(max(version), 0) FROM praxis.migrations", &[])
                .map_err(wrong)?;
            Ok(row.get(0))
        }
    }
}
