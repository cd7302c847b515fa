//! Merkle trees of logs as RFC 6962 defines them, and the text that says what a log is at one moment (C2SP
//! tlog-checkpoint): the ledger has such a tree of its own, signatures are written into trees of others.

mod checkpoint;
mod tree;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use tree::{consistency_proof, inclusion_proof, leaf, root, verify_consistency, verify_inclusion};
