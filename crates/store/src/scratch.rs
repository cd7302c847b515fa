use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FlockOperation, OFlags, flock};

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
    match File::create(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        created => lock_as_it_is(created.map_err(StoreError::io("create", path))?, path),
    }
}

/// Locks `lock`, opened at `path`; `None` if somebody else has it, or if `path` is another file by now. Its directory
/// can have been removed and made again between opening and locking: a lock says nothing about the directory there
/// is then.
fn lock_as_it_is(lock: File, path: &Path) -> Result<Option<File>, StoreError> {
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::AGAIN) => return Ok(None),
        locked => locked.map_err(|error| StoreError::io("lock", path)(error.into()))?,
    }
    let ours = lock.metadata().map_err(StoreError::io("read", path))?;
    let there =
        fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
    Ok(there.then_some(lock))
}

/// Removes workspaces whose process is gone.
fn remove_dead(temporary: &Path) {
    let Ok(entries) = fs::read_dir(temporary) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if let Some(lock) = open_lock(&path) {
                remove_if_dead(&path, lock);
            }
        } else if !may_live(&path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The lock of the workspace `path`. One that has none is left alone while it may just be starting; after that it gets
/// one, so that of everybody who wants to remove it, or to begin in it after all, one has it.
fn open_lock(path: &Path) -> Option<File> {
    let lock = path.join("lock");
    let mut options = File::options();
    options.write(true).custom_flags(OFlags::NOFOLLOW.bits() as i32);
    match options.open(&lock) {
        Err(error) if error.kind() == ErrorKind::NotFound && !may_live(path) => {
            options.create(true).truncate(false).open(&lock).ok()
        }
        opened => opened.ok(),
    }
}

/// Whether the process that `path` is named after may be there.
fn may_live(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let process = name.split('-').next().unwrap_or_default();
    process.parse::<u32>().is_ok() && Path::new("/proc").join(process).exists()
}

/// Removes the workspace `path` if nobody holds `lock`, which was opened in it. It is renamed first, in one step
/// while it is known to be the locked one: what gets its name afterwards is somebody else's.
fn remove_if_dead(path: &Path, lock: File) {
    if let Ok(Some(_held)) = lock_as_it_is(lock, &path.join("lock"))
        && let Some(doomed) = set_aside(path)
    {
        let _ = fs::remove_dir_all(doomed);
    }
}

/// Gives `path` a name of this process, below which others leave it alone while this process lives.
fn set_aside(path: &Path) -> Option<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    (0..1000).find_map(|_| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let doomed = path.with_file_name(format!("{}-dead-{number}", std::process::id()));
        fs::rename(path, &doomed).ok().map(|()| doomed)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that no process has.
    const NOBODY: u32 = u32::MAX;

    #[test]
    fn a_live_workspace_under_the_name_of_a_dead_one_stays() {
        let place = tempfile::tempdir().unwrap();
        let first = Workspace::create(place.path()).unwrap();
        let path = first.path.clone();
        let seen = open_lock(&path).unwrap();
        drop(first);
        let second = Workspace::create(place.path()).unwrap();
        assert_eq!(second.path, path, "the name is used again");
        remove_if_dead(&path, seen);
        Scratch::create(second.fresh()).unwrap();
    }

    #[test]
    fn of_two_who_remove_a_dead_workspace_one_does() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(format!("{NOBODY}-0"));
        fs::create_dir(&path).unwrap();
        let (one, other) = (open_lock(&path).unwrap(), open_lock(&path).unwrap());
        remove_if_dead(&path, one);
        assert!(!path.exists());
        fs::create_dir(&path).unwrap();
        fs::write(path.join("lock"), "").unwrap();
        remove_if_dead(&path, other);
        assert!(path.join("lock").exists(), "the second removed what came after");
    }

    #[test]
    fn what_is_about_to_be_removed_is_not_begun_in() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(format!("{NOBODY}-0"));
        fs::create_dir(&path).unwrap();
        let remover = lock_as_it_is(open_lock(&path).unwrap(), &path.join("lock")).unwrap();
        assert!(remover.is_some());
        assert!(lock_new(&path.join("lock")).unwrap().is_none());
    }

    #[test]
    fn what_the_dead_left_goes_and_what_the_living_have_stays() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: String| place.path().join(name);
        for name in ["0", "dead-0"] {
            let path = at(format!("{NOBODY}-{name}"));
            fs::create_dir_all(path.join("4/below")).unwrap();
        }
        fs::write(at(format!("{NOBODY}-format")), "").unwrap();
        let starting = at(format!("{}-900", std::process::id()));
        fs::create_dir(&starting).unwrap();
        let living = Workspace::create(place.path()).unwrap();
        let mut left: Vec<PathBuf> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        left.sort();
        assert_eq!(left, [living.path.clone(), starting]);
    }
}
