//! What was done, written down so that a change of it shows.
//!
//! A [`Ledger`] is append-only: a SQLite file, or what another [`Storage`] holds. Every record names the hash of the record before it, and all records are
//! the leaves of a Merkle tree as RFC 6962 defines it. A [`Checkpoint`] (the text form of C2SP tlog-checkpoint) kept
//! elsewhere proves later that what it covers is still there and unchanged: whoever can write the file can write all of
//! it anew, but not so that an old checkpoint fits.

mod books;
mod error;
mod export;
mod file;
mod ledger;
mod record;
mod schema;

pub use books::{Books, LedgerBooks};
pub use error::LedgerError;
pub use export::{read_export, write_export};
pub use ledger::{Fault, Ledger, Order, Row, Storage, Verification, next_record, verify_records};
pub use praxis_merkle::{Checkpoint, CheckpointError, inclusion_proof};
pub use record::{Entry, Kind, Record};
