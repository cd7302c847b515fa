//! Layers: listings, deterministic tar, extraction, whiteouts, compression.
//!
//! A layer has three forms, each derivable from the others:
//! - its [`Listing`]: every entry with all metadata and the digest of each file's content. Ownership, mode and
//!   xattrs live here, never only in host inodes. Its [`Listing::id`] names the layer inside praxis;
//! - its *blob*: the deterministic tar of the listing, compressed ([`write_layer`]);
//! - its *snapshot*: a directory in overlayfs format that RUN steps mount (`extract_layer`, `scan_upper`).

mod blocks;
mod codec;
mod content;
mod entry;
mod error;
mod header;
mod listing;
mod pack;
mod pipeline;
mod tree;
mod wire;
mod write;

pub use blocks::{BlobBlocks, Block, BlockIndex, BlockReuse, BlockSums};
pub use content::ContentSource;
pub use entry::{Entry, Kind, Timestamp, TreePath};
pub use error::LayerError;
pub use listing::Listing;
pub use pack::Compression;
pub use tree::{Node, ResolveError, Resolved, Tree};
pub use write::{WrittenLayer, write_layer};
