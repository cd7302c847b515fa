//! Blobs, archives, snapshots and upper directories, against GNU tar and Python as oracles.

mod blob;
mod breakouts;
mod dialects;
mod forge;
mod snapshot;
mod upper;
