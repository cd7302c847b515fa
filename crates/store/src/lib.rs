//! The content-addressed store: blobs, layers, step records, images, exports; leases and collection.
//!
//! Guarantees: the directory is private (0700); everything enters by rename from `tmp/`, so that after a kill at
//! any point each path is absent or complete; builders share a lock that collection takes alone; a damaged or
//! missing entry is a miss for its reader, is evicted, and never an error of its own.

mod blob;
mod build;
mod collect;
mod error;
mod export;
mod image;
mod layer;
mod mount;
mod origin;
mod prune;
mod record;
mod referrer;
mod scratch;
mod sent;
mod stamp;
mod store;

pub use blob::BlobWriter;
pub use build::BuildId;
pub use collect::{CollectOptions, CollectReport, Damage, Usage, VerifyReport};
pub use error::StoreError;
pub use image::StoredImage;
pub use layer::{LayerBlob, SnapshotState};
pub use mount::{CacheMount, CacheUse};
pub use prune::{PruneKind, PruneOptions, PruneReport, Pruned};
pub use scratch::Scratch;
pub use sent::Sent;
pub use store::Store;
