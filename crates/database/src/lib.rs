//! What several servers share in PostgreSQL: the ledger, the accounts of past builds, and the queue of builds.
//!
//! [`migrate`] makes the tables, as their owner. Everything else is done as a role that may add to the ledger and move
//! builds along, and that neither rights nor triggers let change or remove what is there. A build in the [`Queue`] is
//! leased: a worker that stops answering loses it to another one, and only the latest holder can end it, in the
//! transaction that writes the build's records.

mod books;
mod connection;
mod error;
mod ledger;
mod migrations;
mod queue;
mod url;
mod worker;

pub use books::{HeldBooks, Kept, SharedBooks};
pub use error::DatabaseError;
pub use migrations::{Migrated, migrate};
pub use queue::{Cancelled, End, EndState, Known, Lease, MOST_ATTEMPTS, Queue, QueuedBuild};
pub use url::DatabaseUrl;
pub use worker::{Diary, Told, Worker, work};
