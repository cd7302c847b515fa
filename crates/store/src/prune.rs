use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use praxis_oci::Digest;
use serde::Serialize;

use crate::collect::{CollectReport, digests_in, files_below, tree_size};
use crate::record::unseal;
use crate::{Store, StoreError};

/// Kinds of what can be pruned, named as BuildKit names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum PruneKind {
    /// Results of steps.
    #[serde(rename = "regular")]
    Regular,
    /// Cache mounts.
    #[serde(rename = "exec.cachemount")]
    CacheMount,
    /// What is remembered of contexts, and files of those that clients sent.
    #[serde(rename = "source.local")]
    Local,
}

/// What to prune. Without a size, all that fits; with one, what was not used for longest, until the size fits.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// Also results of steps that named images are made of. The images themselves stay.
    pub all: bool,
    /// Only what was not used for this long.
    pub unused_for: Option<Duration>,
    /// Only these kinds; empty means all.
    pub kinds: Vec<PruneKind>,
    /// Bytes that may be used.
    pub max_used: Option<u64>,
    /// Bytes that are left in use, whatever the other sizes say.
    pub reserved: Option<u64>,
    /// Bytes that should be free on the disk.
    pub min_free: Option<u64>,
}

/// Something that was pruned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Kind.
    pub kind: PruneKind,
    /// Id of the layer, of the cache mount, or name of what is remembered.
    pub id: String,
    /// When it was last used, in seconds since 1970.
    pub last_used: u64,
    /// Bytes that it held; some may be held by others too.
    pub bytes: u64,
}

/// What was pruned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PruneReport {
    /// What is gone, the longest unused first.
    pub removed: Vec<Pruned>,
    /// Bytes freed.
    pub bytes: u64,
    /// Bytes still used.
    pub used: u64,
}

/// Something that may be pruned, and the files that stand for it.
struct Candidate {
    pruned: Pruned,
    files: Vec<PathBuf>,
}

impl Store {
    /// Removes what is least worth keeping. What named images need stays. Needs a store opened alone.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn prune(&self, options: &PruneOptions) -> Result<PruneReport, StoreError> {
        let before = tree_size(self.root());
        let goal = self.goal(options, before);
        let mut report = PruneReport::default();
        let mut candidates = self.candidates(options);
        candidates
            .sort_by(|a, b| (a.pruned.last_used, &a.pruned.id).cmp(&(b.pruned.last_used, &b.pruned.id)));
        let mut waiting = candidates.into_iter();
        let mut used = before;
        // What is freed is less than what is held where others hold it too: then it goes on.
        while goal.is_none_or(|goal| used > goal) {
            let mut taken = 0;
            let mut estimate = used;
            for candidate in waiting.by_ref() {
                taken += 1;
                estimate = estimate.saturating_sub(candidate.pruned.bytes);
                if self.remove_candidate(&candidate)? {
                    report.removed.push(candidate.pruned);
                }
                if goal.is_some_and(|goal| estimate <= goal) {
                    break;
                }
            }
            if taken == 0 {
                break;
            }
            self.sweep(options.all, &mut CollectReport::default());
            used = tree_size(self.root());
        }
        report.bytes = before.saturating_sub(used);
        report.used = used;
        Ok(report)
    }

    /// How many bytes may stay in use; `None`: nothing that can be pruned stays.
    fn goal(&self, options: &PruneOptions, used: u64) -> Option<u64> {
        let mut goal = options.max_used;
        if let Some(wanted) = options.min_free {
            let lacking = wanted.saturating_sub(self.free());
            let allowed = if lacking == 0 {
                u64::MAX
            } else {
                used.saturating_sub(lacking)
            };
            goal = Some(goal.map_or(allowed, |goal| goal.min(allowed)));
        }
        match (goal, options.reserved) {
            (Some(goal), Some(reserved)) => Some(goal.max(reserved)),
            (None, reserved) => reserved,
            (goal, None) => goal,
        }
    }

    fn free(&self) -> u64 {
        rustix::fs::statvfs(self.root()).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize)
    }

    fn candidates(&self, options: &PruneOptions) -> Vec<Candidate> {
        let wanted = |kind| options.kinds.is_empty() || options.kinds.contains(&kind);
        let mut candidates = Vec::new();
        if wanted(PruneKind::Regular) {
            candidates.extend(self.step_results(options.all));
        }
        if wanted(PruneKind::CacheMount) {
            let mounts = self.cache_mounts().into_iter().map(|mount| Pruned {
                kind: PruneKind::CacheMount,
                id: mount.identity,
                last_used: mount.last_used,
                bytes: mount.bytes,
            });
            candidates.extend(mounts.map(|pruned| Candidate {
                pruned,
                files: Vec::new(),
            }));
        }
        if wanted(PruneKind::Local) {
            let known = files_below(&self.area("contexts")).into_iter();
            let known = known.map(|path| (last_used(&path), path));
            candidates.extend(known.chain(self.sent_files()).map(|(last_used, path)| {
                Candidate {
                    pruned: Pruned {
                        kind: PruneKind::Local,
                        id: path
                            .file_name()
                            .unwrap_or_default()
                            .to_string_lossy()
                            .into_owned(),
                        last_used,
                        bytes: fs::metadata(&path).map_or(0, |metadata| metadata.len()),
                    },
                    files: vec![path],
                }
            }));
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        candidates.retain(|candidate| {
            let unused = Duration::from_secs(now.saturating_sub(candidate.pruned.last_used));
            options.unused_for.is_none_or(|limit| unused >= limit)
        });
        candidates
    }

    /// Layers that records name, with those records.
    fn step_results(&self, all: bool) -> Vec<Candidate> {
        let pinned = self.needed_by_images();
        let mut files: BTreeMap<Digest, Vec<PathBuf>> = BTreeMap::new();
        for path in files_below(&self.area("records")) {
            let value = fs::read(&path)
                .ok()
                .and_then(|bytes| serde_json::from_slice(unseal(&bytes)?).ok());
            let mut named = BTreeSet::new();
            digests_in(&value.unwrap_or_default(), &mut named);
            let layer = named.into_iter().find(|digest| self.has_layer(digest));
            files
                .entry(layer.unwrap_or(Digest::of(b"")))
                .or_default()
                .push(path);
        }
        let candidate = |(layer, files): (Digest, Vec<PathBuf>)| {
            let items = self.layer_items(&layer);
            let of_image = items.keys().any(|path| is_of(path, &pinned));
            let loose = items.iter().filter(|(path, _)| !is_of(path, &pinned));
            let pruned = Pruned {
                kind: PruneKind::Regular,
                id: layer.to_string(),
                last_used: files.iter().map(|path| last_used(path)).max().unwrap_or(0),
                bytes: loose.map(|(_, bytes)| bytes).sum(),
            };
            (all || !of_image).then_some(Candidate { pruned, files })
        };
        files.into_iter().filter_map(candidate).collect()
    }

    fn remove_candidate(&self, candidate: &Candidate) -> Result<bool, StoreError> {
        if candidate.pruned.kind == PruneKind::CacheMount {
            return self.remove_cache_mount(&candidate.pruned.id);
        }
        for path in &candidate.files {
            fs::remove_file(path).map_err(StoreError::io("remove", path))?;
        }
        Ok(true)
    }

    /// What the store holds of a layer: its directory and its blobs, and of layers its snapshot lies over; with bytes
    /// on disk.
    pub fn layer_items(&self, layer: &Digest) -> BTreeMap<PathBuf, u64> {
        let mut items = BTreeMap::new();
        let mut next = Some(*layer);
        while let Some(id) = next {
            let directory = self.area("layers").join(id.hex());
            if !directory.is_dir() || items.contains_key(&directory) {
                break;
            }
            items.insert(directory.clone(), tree_size(&directory));
            for form in ["gzip", "zstd", "tar"] {
                let blob = fs::read(directory.join(format!("{form}.json")))
                    .ok()
                    .and_then(|bytes| serde_json::from_slice::<crate::LayerBlob>(unseal(&bytes)?).ok());
                items.extend(blob.and_then(|blob| self.blob_item(&blob.descriptor.digest)));
            }
            next = self.snapshot_base(&id);
        }
        items
    }

    /// What the store holds of an image: its blobs, with bytes on disk.
    pub fn image_items(&self, manifest: &Digest) -> BTreeMap<PathBuf, u64> {
        let mut items: BTreeMap<PathBuf, u64> = self.blob_item(manifest).into_iter().collect();
        let value = fs::read(self.blob_path(manifest))
            .ok()
            .filter(|bytes| bytes.len() < 16 << 20)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut named = BTreeSet::new();
        digests_in(&value.unwrap_or_default(), &mut named);
        items.extend(named.iter().filter_map(|digest| self.blob_item(digest)));
        items
    }

    fn blob_item(&self, digest: &Digest) -> Option<(PathBuf, u64)> {
        use std::os::unix::fs::MetadataExt;
        let path = self.blob_path(digest);
        let bytes = fs::metadata(&path).ok()?.blocks() * 512;
        Some((path, bytes))
    }
}

fn is_of(path: &std::path::Path, digests: &BTreeSet<Digest>) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_blob = path
        .parent()
        .is_some_and(|parent| parent.ends_with("blobs/sha256"));
    is_blob
        && format!("sha256:{name}")
            .parse()
            .is_ok_and(|digest| digests.contains(&digest))
}

fn last_used(path: &std::path::Path) -> u64 {
    let time = fs::metadata(path).and_then(|metadata| metadata.modified());
    let since = time.map(|time| time.duration_since(UNIX_EPOCH).unwrap_or_default());
    since.map_or(0, |since| since.as_secs())
}
