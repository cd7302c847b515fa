use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, flock};

use crate::StoreError;

/// This process's directory below `tmp/`. Its lock tells other processes that it is alive; dead ones are removed
/// when a store is opened.
pub(crate) struct Workspace {
    path: PathBuf,
    next: AtomicU64,
    _lock: File,
}

impl Workspace {
    pub(crate) fn create(temporary: &Path) -> Result<Workspace, StoreError> {
        remove_dead(temporary);
        for attempt in 0..1000 {
            let path = temporary.join(format!("{}-{attempt}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(StoreError::io("create", &path)(error)),
            }
            // Until it is locked, another process may take it for one whose process is gone.
            if let Some(lock) = lock_new(&path.join("lock"))? {
                return Ok(Workspace {
                    path,
                    next: AtomicU64::new(0),
                    _lock: lock,
                });
            }
        }
        Err(StoreError::Unusable {
            path: temporary.into(),
            why: "no free name below it".into(),
        })
    }

    /// A path in the workspace that nothing has yet.
    pub(crate) fn fresh(&self) -> PathBuf {
        self.path
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Creates and locks the file at `path`; `None` if somebody else locked or removed it meanwhile.
fn lock_new(path: &Path) -> Result<Option<File>, StoreError> {
    let lock = match File::create(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        created => created.map_err(StoreError::io("create", path))?,
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::AGAIN) => return Ok(None),
        locked => locked.map_err(|error| StoreError::io("lock", path)(error.into()))?,
    }
    let ours = lock.metadata().map_err(StoreError::io("read", path))?;
    let there = fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
    Ok(there.then_some(lock))
}

/// Removes workspaces whose process is gone. One without a lock file is left alone while it may just be starting.
fn remove_dead(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        match File::open(path.join("lock")) {
            Ok(lock) => {
                if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                    let _ = fs::remove_dir_all(&path);
                }
            }
            Err(_) => {
                let pid = entry
                    .file_name()
                    .to_string_lossy()
                    .split('-')
                    .next()
                    .map(str::to_string);
                let alive = pid.is_some_and(|pid| Path::new("/proc").join(pid).exists());
                if !alive {
                    let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
                }
            }
        }
    }
}

/// A directory for work in progress, removed when dropped.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(crate) fn create(path: PathBuf) -> Result<Scratch, StoreError> {
        fs::create_dir(&path).map_err(StoreError::io("create", &path))?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates and returns a directory inside.
    pub fn directory(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        fs::create_dir(&path).map_err(StoreError::io("create", &path))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
