//! Files that clients of a server sent as parts of contexts: each client has its own, and knows of no others.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use praxis_oci::{Digest, Hasher};

use crate::collect::files_below;
use crate::{BlobWriter, Store, StoreError, stamp};

/// The visible time of these files; when they were last used is the time of their last change of status.
const TIME: i64 = 1;
/// The area of the store.
const AREA: &str = "sent";

/// The files that one client sent. What another client sent is not in it, also if its digest is known.
pub struct Sent<'s> {
    store: &'s Store,
    directory: PathBuf,
}

struct Kept {
    path: PathBuf,
    digest: Digest,
    size: u64,
    used: (i64, i64),
}

impl Store {
    /// What the client of this name sent.
    ///
    /// # Errors
    /// If its directory cannot be made.
    pub fn sent(&self, client: &str) -> Result<Sent<'_>, StoreError> {
        let directory = self.area(AREA).join(Digest::of(client.as_bytes()).hex());
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(StoreError::io("create", &directory)(error))
            }
            _ => Ok(Sent {
                store: self,
                directory,
            }),
        }
    }

    /// All files of all clients, with the second since 1970 in which each was last used.
    pub(crate) fn sent_files(&self) -> impl Iterator<Item = (u64, PathBuf)> + use<> {
        files_below(&self.area(AREA)).into_iter().map(|path| {
            let used = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.ctime());
            (used.try_into().unwrap_or(0), path)
        })
    }

    /// Removes what no client used within `older_than`, or everything.
    pub(crate) fn sweep_sent(&self, older_than: Option<Duration>, all: bool) {
        let now = SystemTime::now();
        for (used, path) in self.sent_files() {
            let used = UNIX_EPOCH + Duration::from_secs(used);
            let age = now.duration_since(used).unwrap_or_default();
            if all || older_than.is_some_and(|limit| age > limit) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl Sent<'_> {
    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join(digest.hex())
    }

    /// Whether the file is there and intact, which counts as a use. A damaged one is removed.
    pub fn has(&self, digest: &Digest, size: u64) -> bool {
        let path = self.path(digest);
        let intact = File::open(&path).is_ok_and(|file| verified(&file, digest, size).unwrap_or(false));
        if !intact && fs::remove_file(&path).is_ok() {
            self.store.note_eviction();
        }
        intact
    }

    /// A new file, invisible until it is committed with [`BlobWriter::commit_as`].
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn writer(&self) -> Result<BlobWriter<'_>, StoreError> {
        Ok(self.store.blob_writer()?.into_directory(&self.directory))
    }

    /// Gives the file a second name, under which it stays whatever is removed here.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is not there any more.
    pub fn link(&self, digest: &Digest, to: &Path) -> Result<(), StoreError> {
        fs::hard_link(self.path(digest), to).map_err(|_| StoreError::Missing {
            what: format!("file {digest} of a context"),
        })
    }

    /// Removes files that were not used for the longest time, but none of `needed`, until `more` bytes can be added
    /// without there being more than `most`. Says whether that worked.
    pub fn make_room(&self, more: u64, most: u64, needed: &BTreeSet<Digest>) -> bool {
        let mut kept: Vec<Kept> = files_below(&self.directory)
            .into_iter()
            .filter_map(known)
            .collect();
        let mut bytes: u64 = kept.iter().map(|one| one.size).sum();
        kept.retain(|one| !needed.contains(&one.digest));
        kept.sort_by_key(|one| one.used);
        let mut oldest = kept.into_iter();
        while bytes.saturating_add(more) > most {
            let Some(one) = oldest.next() else {
                return false;
            };
            if fs::remove_file(&one.path).is_ok() {
                bytes -= one.size;
            }
        }
        true
    }
}

fn known(path: PathBuf) -> Option<Kept> {
    let metadata = fs::symlink_metadata(&path).ok()?;
    let digest = format!("sha256:{}", path.file_name()?.to_str()?).parse().ok()?;
    Some(Kept {
        path,
        digest,
        size: metadata.len(),
        used: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

/// Whether the file is what its name says; it is read unless it has not been touched since that was last found.
fn verified(file: &File, digest: &Digest, size: u64) -> io::Result<bool> {
    let metadata = file.metadata()?;
    if metadata.len() != size {
        return Ok(false);
    }
    if !stamp::holds(&metadata, digest.as_bytes()) {
        let mut hasher = Hasher::new();
        io::copy(&mut &*file, &mut hasher)?;
        if hasher.finish() != *digest {
            return Ok(false);
        }
    }
    stamp::set(file, digest.as_bytes(), TIME)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn put(sent: &Sent<'_>, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let mut writer = sent.writer().unwrap();
        writer.write_all(bytes).unwrap();
        writer.commit_as(&digest).unwrap();
        digest
    }

    fn store() -> (tempfile::TempDir, Store) {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        (place, store)
    }

    #[test]
    fn a_digest_opens_nothing_that_another_client_sent() {
        let (_place, store) = store();
        let (first, second) = (store.sent("a").unwrap(), store.sent("b").unwrap());
        let digest = put(&first, b"content");
        assert!(first.has(&digest, 7) && !second.has(&digest, 7));
        assert!(second.link(&digest, &store.root().join("tmp/x")).is_err());
        assert!(!store.has_blob(&digest, 7), "it is no blob of images");
    }

    #[test]
    fn a_damaged_file_is_sent_again() {
        let (_place, store) = store();
        let sent = store.sent("a").unwrap();
        let digest = put(&sent, b"content");
        fs::write(sent.path(&digest), b"c0ntent").unwrap();
        assert!(!sent.has(&digest, 7) && !sent.path(&digest).exists());
    }

    #[test]
    fn room_is_made_by_what_was_not_used_for_longest_and_is_not_needed() {
        let (_place, store) = store();
        let sent = store.sent("a").unwrap();
        let old = put(&sent, b"old");
        std::thread::sleep(Duration::from_millis(20));
        let new = put(&sent, b"new");
        std::thread::sleep(Duration::from_millis(20));
        assert!(sent.has(&old, 3), "that was a use");
        assert!(sent.make_room(3, 6, &BTreeSet::new()));
        assert!(sent.has(&old, 3) && !sent.has(&new, 3));
        assert!(!sent.make_room(4, 6, &BTreeSet::from([old])));
        assert!(sent.has(&old, 3));
    }

    #[test]
    fn collection_removes_what_was_sent_long_ago() {
        let (_place, store) = store();
        let sent = store.sent("a").unwrap();
        let digest = put(&sent, b"content");
        let prune = |unused_for| {
            let kinds = vec![crate::PruneKind::Local];
            let unused_for = Some(Duration::from_secs(unused_for));
            let options = crate::PruneOptions {
                kinds,
                unused_for,
                ..Default::default()
            };
            store.prune(&options).unwrap();
        };
        prune(3600);
        assert!(sent.has(&digest, 7), "its visible time is not that of its use");
        prune(0);
        assert!(!sent.has(&digest, 7));
        put(&sent, b"content");
        store.sweep_sent(Some(Duration::from_secs(3600)), false);
        assert!(sent.has(&digest, 7));
        store.sweep_sent(None, true);
        assert!(!sent.has(&digest, 7));
    }
}
