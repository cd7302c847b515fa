//! Cache mounts: directories that outlive builds, outside every layer and key.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use praxis_oci::Hasher;
use praxis_plan::{MountKind, Sharing};
use praxis_store::CacheUse;
use rustix::fs::{FlockOperation, flock};

use crate::SolveError;
use crate::layers::Workshop;
use crate::mounts::BoundTree;

/// Who uses a cache mount, for those who look after the store.
pub(crate) struct CacheUser<'a> {
    pub build: &'a str,
    pub step: &'a str,
}

/// A cache directory in use, with its lock.
pub(crate) struct CacheLease {
    path: PathBuf,
    _lock: File,
}

impl CacheLease {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the cache directory a mount asks for. Its name is hashed, so it never becomes a path.
pub(crate) fn lease_cache(
    workshop: &Arc<Workshop>,
    kind: &MountKind,
    initial: Option<&BoundTree>,
    fresh: bool,
    user: &CacheUser<'_>,
) -> Result<CacheLease, SolveError> {
    let MountKind::Cache {
        id,
        sharing,
        mode,
        uid,
        gid,
        ..
    } = kind
    else {
        return Err(SolveError::internal("no cache mount"));
    };
    for number in 0..1000 {
        let mut hasher = Hasher::new();
        hasher.field(b"cache mount");
        hasher.field(id.as_bytes());
        hasher.field(&[u8::from(*sharing == Sharing::Private)]);
        hasher.update(&(number as u32).to_le_bytes());
        if let Some(initial) = initial {
            hasher.update(initial.key.as_bytes());
        }
        let identity = hasher.finish();
        let (directory, _) = workshop.store.cache_directory(&identity)?;
        let lock_path = directory.join("lock");
        let lock = File::create(&lock_path).map_err(SolveError::io("create", &lock_path))?;
        let operation = match sharing {
            Sharing::Shared if !fresh => FlockOperation::LockShared,
            Sharing::Private => FlockOperation::NonBlockingLockExclusive,
            _ => FlockOperation::LockExclusive,
        };
        match flock(&lock, operation) {
            Ok(()) => {}
            Err(rustix::io::Errno::AGAIN) => continue,
            Err(error) => return Err(SolveError::io("lock", &lock_path)(error.into())),
        }
        let path = directory.join("data");
        if fresh && path.exists() {
            fs::remove_dir_all(&path).map_err(SolveError::io("empty", &path))?;
        }
        make(
            workshop,
            &path,
            initial,
            (mode.unwrap_or(0o755), uid.unwrap_or(0), gid.unwrap_or(0)),
        )?;
        let last = CacheUse {
            id: id.clone(),
            sharing: format!("{sharing:?}").to_lowercase(),
            build: user.build.into(),
            step: user.step.into(),
        };
        workshop.store.note_cache_use(&identity, &last);
        return Ok(CacheLease { path, _lock: lock });
    }
    Err(SolveError::environment(format!(
        "cache mount {id}: a thousand builds use it"
    )))
}

/// Makes the directory in a scratch place and moves it in, so that a half-filled one is never seen.
fn make(
    workshop: &Arc<Workshop>,
    path: &Path,
    initial: Option<&BoundTree>,
    (mode, uid, gid): (u32, u32, u32),
) -> Result<(), SolveError> {
    if path.is_dir() {
        return Ok(());
    }
    let scratch = workshop.store.scratch()?;
    let made = scratch.path().join("data");
    match initial {
        Some(bound) if bound.is_directory() => copy_directory(&bound.path()?, &made)?,
        _ => fs::create_dir(&made).map_err(SolveError::io("create", &made))?,
    }
    chown(&made, Some(uid), Some(gid)).map_err(SolveError::io("own", &made))?;
    fs::set_permissions(&made, fs::Permissions::from_mode(mode))
        .map_err(SolveError::io("set the mode of", &made))?;
    match fs::rename(&made, path) {
        Err(error) if !path.is_dir() => Err(SolveError::io("create", path)(error)),
        _ => Ok(()),
    }
}

/// Copies a snapshot, which nobody else writes to.
fn copy_directory(from: &Path, to: &Path) -> Result<(), SolveError> {
    fs::create_dir(to).map_err(SolveError::io("create", to))?;
    for entry in fs::read_dir(from).map_err(SolveError::io("read", from))? {
        let entry = entry.map_err(SolveError::io("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let metadata = fs::symlink_metadata(&source).map_err(SolveError::io("read", &source))?;
        use std::os::unix::fs::MetadataExt;
        let (uid, gid) = (Some(metadata.uid()), Some(metadata.gid()));
        if metadata.is_dir() {
            copy_directory(&source, &target)?;
        } else if metadata.is_symlink() {
            let link = fs::read_link(&source).map_err(SolveError::io("read", &source))?;
            std::os::unix::fs::symlink(link, &target).map_err(SolveError::io("create", &target))?;
        } else if metadata.is_file() {
            fs::copy(&source, &target).map_err(SolveError::io("copy", &source))?;
        } else {
            continue;
        }
        std::os::unix::fs::lchown(&target, uid, gid).map_err(SolveError::io("own", &target))?;
        if !metadata.is_symlink() {
            fs::set_permissions(&target, metadata.permissions())
                .map_err(SolveError::io("set the mode of", &target))?;
        }
    }
    Ok(())
}
