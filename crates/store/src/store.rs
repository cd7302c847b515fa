use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use praxis_oci::Digest;
use rustix::fs::{FlockOperation, flock};

use crate::scratch::Workspace;
use crate::{Scratch, StoreError};

const FORMAT: &str = "praxis store 1\n";

/// An open store. While it lives it holds the store's lock together with other builders.
pub struct Store {
    root: PathBuf,
    workspace: Workspace,
    evictions: AtomicUsize,
    _lease: File,
}

impl Store {
    /// Opens the store in `root`, making it if it is not there.
    ///
    /// # Errors
    /// If the directory belongs to somebody else, is open to others and cannot be closed, holds something that is
    /// no store, or is being collected.
    pub fn open(root: &Path) -> Result<Store, StoreError> {
        let lease = prepare(root)?;
        flock(&lease, FlockOperation::LockShared)
            .map_err(|error| StoreError::io("lock", root)(error.into()))?;
        let root = root.canonicalize().map_err(StoreError::io("open", root))?;
        let workspace = Workspace::create(&root.join("tmp"))?;
        Ok(Store {
            root,
            workspace,
            evictions: AtomicUsize::new(0),
            _lease: lease,
        })
    }

    /// Opens the store alone, for collection.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while a build runs.
    pub fn open_alone(root: &Path) -> Result<Store, StoreError> {
        let lease = prepare(root)?;
        flock(&lease, FlockOperation::NonBlockingLockExclusive).map_err(|_| StoreError::Busy {
            path: root.to_path_buf(),
        })?;
        let root = root.canonicalize().map_err(StoreError::io("open", root))?;
        let workspace = Workspace::create(&root.join("tmp"))?;
        Ok(Store {
            root,
            workspace,
            evictions: AtomicUsize::new(0),
            _lease: lease,
        })
    }

    /// Where the store is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A new directory on the store's file system, removed when dropped.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        Scratch::create(self.workspace.fresh())
    }

    /// How often this value found something damaged and removed it. A build that fails after that is worth another
    /// try: what was removed is made anew.
    pub fn evictions(&self) -> usize {
        self.evictions.load(Ordering::Relaxed)
    }

    /// Counts something that was found damaged, also outside the store, and will not be used again.
    pub fn note_eviction(&self) {
        self.evictions.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fresh(&self) -> PathBuf {
        self.workspace.fresh()
    }

    pub(crate) fn area(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The directory of the cache mount with `identity`, and whether it had to be made.
    pub fn cache_directory(&self, identity: &Digest) -> Result<(PathBuf, bool), StoreError> {
        let path = self.area("caches").join(identity.hex());
        match fs::create_dir(&path) {
            Ok(()) => Ok((path, true)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok((path, false)),
            Err(error) => Err(StoreError::io("create", &path)(error)),
        }
    }

    /// Writes `bytes` to `destination` (inside the store) through a temporary file.
    pub(crate) fn replace(&self, destination: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.fresh();
        fs::write(&temporary, bytes).map_err(StoreError::io("write", &temporary))?;
        fs::rename(&temporary, destination).map_err(StoreError::io("rename to", destination))
    }
}

/// Makes the directories, checks them and opens the lock file.
fn prepare(root: &Path) -> Result<File, StoreError> {
    let unusable = |why: String| StoreError::Unusable {
        path: root.to_path_buf(),
        why,
    };
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(root)
        .map_err(StoreError::io("create", root))?;
    let metadata = fs::metadata(root).map_err(StoreError::io("open", root))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(unusable(
            "it belongs to another user; choose another with --root".into(),
        ));
    }
    let format = root.join("format");
    match fs::read_to_string(&format) {
        Ok(text) if text == FORMAT => {}
        Ok(_) => {
            return Err(unusable(
                "it was made by another version of praxis; remove it".into(),
            ));
        }
        Err(_) => {
            let strange = fs::read_dir(root)
                .map_err(StoreError::io("read", root))?
                .flatten()
                .any(|entry| {
                    !matches!(entry.file_name().to_str(), Some("tmp" | "lock" | "format"))
                        && !is_area(&entry.file_name())
                });
            if strange {
                return Err(unusable(
                    "it is not empty and no praxis store; choose another with --root".into(),
                ));
            }
        }
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(root, fs::Permissions::from_mode(0o700))
            .map_err(StoreError::io("close", root))?;
    }
    for area in AREAS {
        let path = root.join(area);
        builder.create(&path).map_err(StoreError::io("create", &path))?;
    }
    if !format.exists() {
        let temporary = root.join("tmp").join(format!("{}-format", std::process::id()));
        fs::write(&temporary, FORMAT).map_err(StoreError::io("write", &temporary))?;
        fs::rename(&temporary, &format).map_err(StoreError::io("write", &format))?;
    }
    let lock = root.join("lock");
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock)
        .map_err(StoreError::io("open", &lock))
}

const AREAS: [&str; 13] = [
    "tmp",
    "blobs",
    "blobs/sha256",
    "layers",
    "records",
    "images",
    "exports",
    "caches",
    "contexts",
    "builds",
    "origins",
    "referrers",
    "sent",
];

fn is_area(name: &std::ffi::OsStr) -> bool {
    AREAS.iter().any(|area| *area == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_62_is_private() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("store");
        fs::create_dir(&root).unwrap();
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        let _store = Store::open(&root).unwrap();
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn refuses_a_directory_with_other_things() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("letter"), "x").unwrap();
        assert!(matches!(
            Store::open(place.path()),
            Err(StoreError::Unusable { .. })
        ));
        assert!(place.path().join("letter").exists());
    }

    #[test]
    fn builders_share_and_collection_does_not() {
        let place = tempfile::tempdir().unwrap();
        let first = Store::open(place.path()).unwrap();
        let second = Store::open(place.path()).unwrap();
        assert!(matches!(
            Store::open_alone(place.path()),
            Err(StoreError::Busy { .. })
        ));
        drop((first, second));
        assert!(Store::open_alone(place.path()).is_ok());
    }

    #[test]
    fn what_a_dead_builder_left_is_removed() {
        let place = tempfile::tempdir().unwrap();
        drop(Store::open(place.path()).unwrap());
        let dead = place.path().join("tmp/999999-0");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        let store = Store::open(place.path()).unwrap();
        assert!(!dead.exists());
        assert!(store.scratch().unwrap().path().exists());
    }
}
