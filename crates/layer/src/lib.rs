//! Layers: listings, deterministic tar, extraction, whiteouts, compression.
//!
//! A layer has three forms, each derivable from the others:
//! - its [`Listing`]: every entry with all metadata and the digest of each file's content. Ownership, mode and
//!   xattrs live here, never only in host inodes. Its [`Listing::id`] names the layer inside praxis;
//! - its *blob*: the deterministic tar of the listing, compressed ([`write_layer`]);
//! - its *snapshot*: a directory in overlayfs format that RUN steps mount ([`extract_layer`], [`materialize`], [`scan_upper`]).

mod ahead;
mod archive;
mod assembly;
mod blocks;
mod codec;
mod content;
mod decompress;
mod entry;
mod error;
mod extract;
mod header;
mod limits;
mod listing;
mod materialize;
mod pack;
mod pipeline;
mod records;
mod snapshot;
mod sparse;
mod tree;
mod upper;
mod wire;
mod write;

pub use archive::{ArchiveEntry, ArchiveKind, is_archive, read_archive};
pub use blocks::{BlobBlocks, Block, BlockIndex, BlockReuse, BlockSums};
pub use content::ContentSource;
pub use decompress::{Format, decompress, detect};
pub use entry::{Entry, Kind, Timestamp, TreePath};
pub use error::LayerError;
pub use extract::{
    FileObserver, Marker, extract_layer, extract_layer_over, index_layer, index_layer_observed,
    index_layer_over, marker,
};
pub use limits::Limits;
pub use listing::Listing;
pub use materialize::{materialize, materialize_over};
pub use pack::Compression;
pub use snapshot::Ownership;
pub use tree::{Node, ResolveError, Resolved, Tree};
pub use upper::scan_upper;
pub use write::{WrittenLayer, compress_tar, write_layer};
