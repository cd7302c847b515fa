use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use praxis_layer::{Kind, Listing};
use praxis_oci::{Descriptor, Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::record::{seal, unseal};
use crate::{Store, StoreError, stamp};

/// The compressed form of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerBlob {
    /// The blob.
    pub descriptor: Descriptor,
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
}

/// What is known of a layer's snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotState {
    /// Complete: directories to be mounted over each other, topmost first. Usually one; a layer that is much like
    /// another may be a small directory over the other's.
    Ready(Vec<PathBuf>),
    /// Not there.
    Absent,
}

impl Store {
    fn layer_directory(&self, id: &Digest) -> PathBuf {
        self.area("layers").join(id.hex())
    }

    /// Stores a listing; its id names the layer.
    pub fn put_listing(&self, listing: &Listing) -> Result<Digest, StoreError> {
        let bytes = listing.encode();
        let id = Digest::of(&bytes);
        let directory = self.layer_directory(&id);
        let path = directory.join("listing");
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64) {
            return Ok(id);
        }
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StoreError::io("create", &directory)(error));
            }
            _ => {}
        }
        self.replace(&path, &bytes)?;
        Ok(id)
    }

    /// The listing of a layer. A damaged one is evicted with everything of its layer.
    pub fn listing(&self, id: &Digest) -> Option<Listing> {
        let directory = self.layer_directory(id);
        let bytes = fs::read(directory.join("listing")).ok()?;
        if Digest::of(&bytes) == *id
            && let Ok(listing) = Listing::decode(&bytes)
        {
            return Some(listing);
        }
        self.evict_layer(id);
        None
    }

    /// Whether the layer has a listing (not read).
    pub fn has_layer(&self, id: &Digest) -> bool {
        self.layer_directory(id).join("listing").is_file()
    }

    /// Removes everything of a layer but its blobs.
    pub fn evict_layer(&self, id: &Digest) {
        let directory = self.layer_directory(id);
        let doomed = self.fresh();
        self.note_eviction();
        if fs::rename(&directory, &doomed).is_ok() {
            let _ = fs::remove_dir_all(&doomed);
        }
    }

    /// The snapshot of a layer. One that was made before the last start of the machine is compared with the
    /// listing first, because what was not yet on disk then is lost.
    pub fn snapshot(&self, id: &Digest) -> SnapshotState {
        let Some(chain) = self.snapshot_chain(id) else {
            return SnapshotState::Absent;
        };
        let marker = self.layer_directory(id).join("snapshot.boot");
        if fs::read(&marker).is_ok_and(|boot| boot == stamp::boot_token()) {
            return SnapshotState::Ready(chain);
        }
        let intact = self
            .listing(id)
            .is_some_and(|listing| snapshot_damage(&listing, &chain).is_none());
        if intact && self.replace(&marker, &stamp::boot_token()).is_ok() {
            return SnapshotState::Ready(chain);
        }
        self.evict_snapshot(id);
        SnapshotState::Absent
    }

    /// The directories of a snapshot, topmost first; `None` if one of them is missing.
    pub(crate) fn snapshot_chain(&self, id: &Digest) -> Option<Vec<PathBuf>> {
        let mut chain = Vec::new();
        let mut next = Some(*id);
        while let Some(id) = next {
            let directory = self.layer_directory(&id);
            let path = directory.join("snapshot");
            if chain.len() >= DEEPEST || !path.is_dir() {
                return None;
            }
            chain.push(path);
            next = match fs::read_to_string(directory.join("snapshot.over")) {
                Ok(text) => Some(text.trim().parse().ok()?),
                Err(_) => None,
            };
        }
        Some(chain)
    }

    /// The layer whose snapshot this one's lies over.
    pub(crate) fn snapshot_base(&self, id: &Digest) -> Option<Digest> {
        let text = fs::read_to_string(self.layer_directory(id).join("snapshot.over")).ok()?;
        text.trim().parse().ok()
    }

    /// Removes the snapshot of a layer.
    pub fn evict_snapshot(&self, id: &Digest) {
        let doomed = self.fresh();
        self.note_eviction();
        if fs::rename(self.layer_directory(id).join("snapshot"), &doomed).is_ok() {
            let _ = fs::remove_dir_all(&doomed);
        }
    }

    /// Takes the directory at `made` (in a scratch of this store) as the snapshot of the layer, whose listing is
    /// stored; `over` names the layer over whose snapshot it is to be mounted. If another builder was faster, its
    /// snapshot stays. Returns the directories to mount, topmost first.
    pub fn adopt_snapshot(
        &self,
        id: &Digest,
        made: &Path,
        over: Option<&Digest>,
    ) -> Result<Vec<PathBuf>, StoreError> {
        let directory = self.layer_directory(id);
        let path = directory.join("snapshot");
        if self.snapshot_chain(id).is_none() {
            // Two builders that make different forms at once must not mix them: the form goes in with the directory.
            let lock = File::create(directory.join("snapshot.lock"))
                .map_err(StoreError::io("create", &directory))?;
            let locked = rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive);
            locked.map_err(|error| StoreError::io("lock", &directory)(error.into()))?;
            if self.snapshot_chain(id).is_none() {
                // What is there lies over a snapshot that is gone.
                if path.is_dir() {
                    self.evict_snapshot(id);
                }
                let note = directory.join("snapshot.over");
                match over {
                    Some(base) => self.replace(&note, base.to_string().as_bytes())?,
                    None => drop(fs::remove_file(&note)),
                }
                self.replace(&directory.join("snapshot.boot"), &stamp::boot_token())?;
                fs::rename(made, &path).map_err(StoreError::io("rename to", &path))?;
            }
        }
        let missing = || StoreError::Missing {
            what: format!("snapshot of layer {id}"),
        };
        self.snapshot_chain(id).ok_or_else(missing)
    }

    /// The blob of a layer in `form` (`gzip`, `zstd`, `tar`) if it is there and intact.
    pub fn layer_blob(&self, id: &Digest, form: &str) -> Option<LayerBlob> {
        let path = self.layer_directory(id).join(format!("{form}.json"));
        let bytes = fs::read(&path).ok()?;
        let blob: Option<LayerBlob> = unseal(&bytes).and_then(|body| serde_json::from_slice(body).ok());
        match blob {
            Some(blob) if self.has_blob(&blob.descriptor.digest, blob.descriptor.size) => Some(blob),
            _ => {
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Notes the blob of a layer, with the index of its compressed blocks.
    pub fn put_layer_blob(
        &self,
        id: &Digest,
        form: &str,
        blob: &LayerBlob,
        blocks: &[u8],
    ) -> Result<(), StoreError> {
        let directory = self.layer_directory(id);
        self.replace(&directory.join(format!("{form}.blocks")), &seal(blocks))?;
        let body = serde_json::to_vec(blob).unwrap_or_default();
        self.replace(&directory.join(format!("{form}.json")), &seal(&body))
    }

    /// The index of compressed blocks of a layer's blob.
    pub fn layer_blocks(&self, id: &Digest, form: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.layer_directory(id).join(format!("{form}.blocks"))).ok()?;
        unseal(&bytes).map(<[u8]>::to_vec)
    }

    /// Ids of all layers.
    pub(crate) fn layer_ids(&self) -> Vec<Digest> {
        let Ok(entries) = fs::read_dir(self.area("layers")) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                format!("sha256:{}", entry.file_name().to_string_lossy())
                    .parse()
                    .ok()
            })
            .collect()
    }
}

/// No more directories than these lie over each other.
const DEEPEST: usize = 8;

/// The first difference between a listing and its snapshot (topmost directory first), in words.
pub(crate) fn snapshot_damage(listing: &Listing, chain: &[PathBuf]) -> Option<String> {
    listing.entries().iter().find_map(|entry| {
        let holds = |snapshot: &&PathBuf| fs::symlink_metadata(snapshot.join(entry.path.as_path())).is_ok();
        let Some(snapshot) = chain.iter().find(holds) else {
            return Some(format!("{} is missing", entry.path));
        };
        let path = snapshot.join(entry.path.as_path());
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            return Some(format!("{} is missing", entry.path));
        };
        let kind = metadata.file_type();
        let fits = match &entry.kind {
            Kind::Directory { .. } => kind.is_dir(),
            Kind::File { size, content } => {
                kind.is_file() && metadata.len() == *size && file_has(&path, content).unwrap_or(false)
            }
            Kind::Symlink { target } => {
                use std::os::unix::ffi::OsStrExt;
                fs::read_link(&path).is_ok_and(|link| link.as_os_str().as_bytes() == target.as_slice())
            }
            Kind::Hardlink { target } => fs::symlink_metadata(snapshot.join(target.as_path()))
                .is_ok_and(|first| (first.dev(), first.ino()) == (metadata.dev(), metadata.ino())),
            Kind::Fifo => kind.is_fifo(),
            Kind::Character { .. } | Kind::Whiteout => kind.is_char_device(),
            Kind::Block { .. } => kind.is_block_device(),
        };
        (!fits).then(|| format!("{} is not what the listing says", entry.path))
    })
}

fn file_has(path: &Path, content: &Digest) -> io::Result<bool> {
    let mut file = File::options()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
        .open(path)?;
    let mut hasher = Hasher::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(hasher.finish() == *content)
}
