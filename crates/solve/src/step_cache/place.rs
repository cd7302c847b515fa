//! Where a cache's blobs lie.

use std::io::Read;

use praxis_oci::{Descriptor, Digest};

use crate::SolveError;

/// Where a cache is read from. Nothing it gives is trusted: every blob is compared with its descriptor.
pub trait CacheSource: Send + Sync {
    /// Its name in messages.
    fn describe(&self) -> String;

    /// The bytes of the cache's manifest.
    ///
    /// # Errors
    /// If there is no cache.
    fn manifest(&self) -> Result<Vec<u8>, SolveError>;

    /// Whether the blob seems to be there, without reading it.
    fn has(&self, blob: &Descriptor) -> bool;

    /// Opens the blob. What comes may be shorter, longer or other than the descriptor says.
    ///
    /// # Errors
    /// If it is not there or no regular file.
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, SolveError>;
}

/// Where a cache is written to.
pub trait CacheSink {
    /// Its name in messages.
    fn describe(&self) -> String;

    /// Whether the blob is there, whole. It will be named by the manifest.
    fn has(&self, blob: &Descriptor) -> bool;

    /// Takes the blob.
    ///
    /// # Errors
    /// If it cannot be written.
    fn put(&self, blob: &Descriptor, content: &mut dyn Read) -> Result<(), SolveError>;

    /// Makes the cache with this manifest the one that readers find. Called last.
    ///
    /// # Errors
    /// If it cannot be written; readers then find the cache that was there before.
    fn commit(&self, bytes: &[u8]) -> Result<Digest, SolveError>;
}

/// The bytes of a blob of at most `limit` bytes, which have the size and digest that the descriptor says.
pub(super) fn read_small(source: &dyn CacheSource, blob: &Descriptor, limit: u64) -> Result<Vec<u8>, String> {
    if blob.size > limit {
        return Err(format!("{}: {} bytes are too many", blob.digest, blob.size));
    }
    let reader = source.open(blob).map_err(|error| error.message)?;
    let mut bytes = Vec::new();
    let read = reader.take(blob.size + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("{}: {error}", blob.digest))?;
    if bytes.len() as u64 != blob.size || Digest::of(&bytes) != blob.digest {
        return Err(format!(
            "{}: its content is not what its digest says",
            blob.digest
        ));
    }
    Ok(bytes)
}
