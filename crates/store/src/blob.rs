use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use praxis_oci::{Descriptor, Digest, Hasher};

use crate::{Store, StoreError, stamp};

/// The visible time of blobs; they have none of their own.
const TIME: i64 = 1;

impl Store {
    /// Where the blob is kept if it is in the store. The digest is well formed by type, so the path is inside.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.area("blobs/sha256").join(digest.hex())
    }

    /// Whether the blob is there and intact. A damaged one is evicted.
    pub fn has_blob(&self, digest: &Digest, size: u64) -> bool {
        self.open_blob(digest, size).is_ok()
    }

    /// Opens an intact blob.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is not there or was damaged (and is now evicted).
    pub fn open_blob(&self, digest: &Digest, size: u64) -> Result<File, StoreError> {
        let missing = || StoreError::Missing {
            what: format!("blob {digest}"),
        };
        let path = self.blob_path(digest);
        let mut file = File::open(&path).map_err(|_| missing())?;
        let metadata = file.metadata().map_err(StoreError::io("read", &path))?;
        if metadata.is_file() {
            let fits = metadata.len() == size;
            if fits && stamp::holds(&metadata, digest.as_bytes()) {
                return Ok(file);
            }
            let mut hasher = Hasher::new();
            io::copy(&mut file, &mut hasher).map_err(StoreError::io("read", &path))?;
            if hasher.finish() == *digest {
                if !fits {
                    // The blob is intact; the size that was asked for (some image says so) is wrong.
                    return Err(missing());
                }
                io::Seek::rewind(&mut file).map_err(StoreError::io("read", &path))?;
                let _ = stamp::set(&file, digest.as_bytes(), TIME);
                return Ok(file);
            }
        }
        self.note_eviction();
        let _ = fs::remove_file(&path);
        Err(missing())
    }

    /// Length of the blob named `digest`, if there is one; its content is not looked at.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        let metadata = fs::symlink_metadata(self.blob_path(digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Takes a blob over from `other`, on the same file system without a copy, and gives its length. What was taken is
    /// verified like any other blob when it is opened.
    pub fn take_blob(&self, other: &Store, digest: &Digest) -> Option<u64> {
        let size = other.blob_size(digest)?;
        other.open_blob(digest, size).ok()?;
        let (from, to) = (other.blob_path(digest), self.blob_path(digest));
        if fs::hard_link(&from, &to).is_err() && !to.is_file() {
            let mut writer = self.blob_writer().ok()?;
            io::copy(&mut File::open(&from).ok()?, &mut writer).ok()?;
            writer.commit_as(digest).ok()?;
        }
        Some(size)
    }

    /// The bytes of a small blob such as a manifest, at most 16 MiB.
    pub fn read_blob(&self, digest: &Digest, size: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest);
        let mut bytes = Vec::new();
        self.open_blob(digest, size)?
            .take(16 << 20)
            .read_to_end(&mut bytes)
            .map_err(StoreError::io("read", &path))?;
        if Digest::of(&bytes) != *digest {
            self.note_eviction();
            let _ = fs::remove_file(&path);
            return Err(StoreError::Missing {
                what: format!("blob {digest}"),
            });
        }
        Ok(bytes)
    }

    /// Stores `bytes` and describes them.
    pub fn put_blob(&self, media_type: &str, bytes: &[u8]) -> Result<Descriptor, StoreError> {
        let descriptor = Descriptor::of(media_type, bytes);
        if !self.has_blob(&descriptor.digest, descriptor.size) {
            let mut writer = self.blob_writer()?;
            writer
                .write_all(bytes)
                .map_err(StoreError::io("write", &writer.path.clone()))?;
            writer.commit_as(&descriptor.digest)?;
        }
        Ok(descriptor)
    }

    /// A new blob, invisible until committed.
    pub fn blob_writer(&self) -> Result<BlobWriter<'_>, StoreError> {
        let path = self.fresh();
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(StoreError::io("create", &path))?;
        Ok(BlobWriter {
            store: self,
            directory: None,
            path,
            file,
            hasher: Hasher::new(),
            hashing: true,
        })
    }
}

/// A blob being written. Dropped without a commit it leaves nothing.
pub struct BlobWriter<'s> {
    store: &'s Store,
    /// Where it goes, if not among the blobs.
    directory: Option<PathBuf>,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    hashing: bool,
}

impl BlobWriter<'_> {
    /// Puts the content into another directory of the store, under its digest.
    pub(crate) fn into_directory(mut self, directory: &Path) -> Self {
        self.directory = Some(directory.to_path_buf());
        self
    }

    /// Leaves hashing to the caller, who then commits with [`BlobWriter::commit_hashed`].
    pub fn without_hashing(mut self) -> Self {
        self.hashing = false;
        self
    }

    /// Makes the blob visible under the digest of what was written.
    pub fn commit(self) -> Result<(Digest, u64), StoreError> {
        assert!(self.hashing, "commit() of a writer that does not hash");
        let size = self.hasher.length();
        let digest = self.hasher.clone().finish();
        self.publish(&digest)?;
        Ok((digest, size))
    }

    /// Makes the blob visible if what was written has `expected`.
    ///
    /// # Errors
    /// [`StoreError::Mismatch`], and nothing is kept.
    pub fn commit_as(self, expected: &Digest) -> Result<u64, StoreError> {
        assert!(self.hashing, "commit_as() of a writer that does not hash");
        let actual = self.hasher.clone().finish();
        if actual != *expected {
            return Err(StoreError::Mismatch {
                expected: *expected,
                actual,
            });
        }
        let size = self.hasher.length();
        self.publish(expected)?;
        Ok(size)
    }

    /// Makes the blob visible under a digest that the caller computed from the very bytes it wrote.
    pub fn commit_hashed(self, digest: &Digest) -> Result<(), StoreError> {
        self.publish(digest)
    }

    fn publish(&self, digest: &Digest) -> Result<(), StoreError> {
        let destination = match &self.directory {
            Some(directory) => directory.join(digest.hex()),
            None => self.store.blob_path(digest),
        };
        stamp::set(&self.file, digest.as_bytes(), TIME).map_err(StoreError::io("stamp", &self.path))?;
        fs::rename(&self.path, &destination).map_err(StoreError::io("rename to", &destination))
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        if self.hashing {
            self.hasher.update(&bytes[..count]);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        (place, store)
    }

    #[test]
    fn a_flipped_byte_is_found_and_evicted() {
        let (_place, store) = store();
        let descriptor = store.put_blob("x", b"content").unwrap();
        let path = store.blob_path(&descriptor.digest);
        fs::write(&path, b"c0ntent").unwrap();
        assert!(!store.has_blob(&descriptor.digest, descriptor.size));
        assert!(!path.exists());
        store.put_blob("x", b"content").unwrap();
        assert_eq!(store.read_blob(&descriptor.digest, 7).unwrap(), b"content");
    }

    #[test]
    fn an_untouched_copy_is_verified_again_and_kept() {
        let (_place, store) = store();
        let descriptor = store.put_blob("x", b"content").unwrap();
        let path = store.blob_path(&descriptor.digest);
        fs::write(&path, b"content").unwrap();
        assert!(store.has_blob(&descriptor.digest, descriptor.size));
        assert!(stamp::holds(
            &fs::metadata(&path).unwrap(),
            descriptor.digest.as_bytes()
        ));
    }

    #[test]
    fn row_29_a_wrong_size_does_not_cost_the_blob() {
        let (_place, store) = store();
        let descriptor = store.put_blob("x", b"content").unwrap();
        assert!(!store.has_blob(&descriptor.digest, 1 << 62));
        assert!(store.has_blob(&descriptor.digest, 7));
    }

    #[test]
    fn a_wrong_digest_leaves_nothing() {
        let (place, store) = store();
        let mut writer = store.blob_writer().unwrap();
        writer.write_all(b"other").unwrap();
        let wanted = Digest::of(b"wanted");
        assert!(matches!(
            writer.commit_as(&wanted),
            Err(StoreError::Mismatch { .. })
        ));
        assert_eq!(
            fs::read_dir(place.path().join("blobs/sha256")).unwrap().count(),
            0
        );
    }
}
