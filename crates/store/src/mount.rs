use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use praxis_oci::Digest;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::collect::tree_size;
use crate::record::{seal, unseal};
use crate::{Store, StoreError};

/// The last use of a cache mount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheUse {
    /// The mount's `id`, by default its target.
    pub id: String,
    /// `shared`, `private` or `locked`.
    pub sharing: String,
    /// Id of the build; empty if it is not on record.
    pub build: String,
    /// The step, such as `[builder 2/5] RUN make`.
    pub step: String,
}

/// A cache mount in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CacheMount {
    /// Name of its directory: a digest of its id and what it began with.
    pub identity: String,
    /// Its last use; empty fields if that is not known.
    #[serde(flatten)]
    pub last: CacheUse,
    /// When it was last used, in seconds since 1970.
    pub last_used: u64,
    /// Bytes on disk.
    pub bytes: u64,
}

impl Store {
    /// Notes who uses the cache mount. Failing to only costs the reader of the list.
    pub fn note_cache_use(&self, identity: &Digest, last: &CacheUse) {
        let path = self.area("caches").join(identity.hex()).join("about");
        let _ = self.replace(&path, &seal(&serde_json::to_vec(last).unwrap_or_default()));
    }

    /// All cache mounts, the one last used first.
    pub fn cache_mounts(&self) -> Vec<CacheMount> {
        let entries = fs::read_dir(self.area("caches")).into_iter().flatten().flatten();
        let mut mounts: Vec<CacheMount> = entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| cache_mount(&entry.path()))
            .collect();
        mounts.sort_by(|a, b| (b.last_used, &a.identity).cmp(&(a.last_used, &b.identity)));
        mounts
    }

    /// Removes the cache mount in the directory `identity`, unless a build uses it; whether it is gone.
    pub(crate) fn remove_cache_mount(&self, identity: &str) -> Result<bool, StoreError> {
        let directory = self.area("caches").join(identity);
        if let Ok(lock) = File::open(directory.join("lock"))
            && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err()
        {
            return Ok(false);
        }
        fs::remove_dir_all(&directory).map_err(StoreError::io("remove", &directory))?;
        Ok(true)
    }
}

fn cache_mount(directory: &Path) -> CacheMount {
    let about = directory.join("about");
    let last = fs::read(&about)
        .ok()
        .and_then(|bytes| serde_json::from_slice(unseal(&bytes)?).ok());
    let times: [PathBuf; 2] = [about, directory.to_path_buf()];
    let used = times
        .iter()
        .find_map(|path| fs::metadata(path).ok()?.modified().ok());
    let name = directory.file_name().unwrap_or_default();
    CacheMount {
        identity: name.to_string_lossy().into_owned(),
        last: last.unwrap_or_default(),
        last_used: seconds(used.unwrap_or(UNIX_EPOCH)),
        bytes: tree_size(directory),
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
