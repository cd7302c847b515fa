use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use praxis_oci::{Digest, Hasher, Manifest};
use serde::Serialize;
use serde_json::Value;

use crate::layer::snapshot_damage;
use crate::record::unseal;
use crate::{LayerBlob, Store, StoreError};

/// Disk use in bytes, by area; hard-linked exports count once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Compressed layers, configurations and manifests.
    pub blobs: u64,
    /// Snapshots and listings.
    pub layers: u64,
    /// Step records, and what images were made from.
    pub records: u64,
    /// Assembled archives.
    pub exports: u64,
    /// Cache mounts.
    pub caches: u64,
    /// Packages fetched for bases.
    pub downloads: u64,
    /// What is remembered of contexts, and files of contexts that clients sent.
    pub contexts: u64,
    /// Records of builds.
    pub history: u64,
    /// Work in progress.
    pub temporary: u64,
    /// Number of layers.
    pub layer_count: usize,
    /// Number of named images.
    pub image_count: usize,
}

/// What to collect.
#[derive(Clone, Debug, Default)]
pub struct CollectOptions {
    /// Also remove everything that named images do not need.
    pub all: bool,
    /// Remove records not used for this long.
    pub older_than: Option<Duration>,
    /// Also remove cache mounts.
    pub caches: bool,
}

/// What was collected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CollectReport {
    /// Records removed.
    pub records: usize,
    /// Layers removed.
    pub layers: usize,
    /// Blobs removed.
    pub blobs: usize,
    /// Bytes freed.
    pub bytes: u64,
}

/// One damaged thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// What.
    pub what: String,
    /// How.
    pub why: String,
}

/// What a verification found. Damaged things were evicted: the next build makes them again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Blobs read.
    pub blobs: usize,
    /// Layers read.
    pub layers: usize,
    /// Records read.
    pub records: usize,
    /// What was wrong.
    pub damage: Vec<Damage>,
}

impl Store {
    /// Disk use.
    pub fn usage(&self) -> Usage {
        let size = |area: &str| tree_size(&self.area(area));
        Usage {
            blobs: size("blobs"),
            layers: size("layers"),
            records: size("records") + size("origins") + size("referrers"),
            exports: size("exports"),
            caches: size("caches"),
            downloads: size("debian"),
            contexts: size("contexts") + size("sent"),
            history: size("builds"),
            temporary: size("tmp"),
            layer_count: self.layer_ids().len(),
            image_count: self.images().len(),
        }
    }

    /// Removes what nothing refers to. Needs a store opened alone.
    pub fn collect(&self, options: &CollectOptions) -> Result<CollectReport, StoreError> {
        let before = tree_size(self.root());
        let mut report = CollectReport::default();
        for path in files_below(&self.area("records")) {
            let age = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .ok()
                .and_then(|time| SystemTime::now().duration_since(time).ok());
            let old = options
                .older_than
                .is_some_and(|limit| age.is_some_and(|age| age > limit));
            if options.all || old {
                let _ = fs::remove_file(&path);
                report.records += 1;
            }
        }
        self.forget_builds(options);
        self.sweep_sent(options.older_than, options.all);
        self.sweep(options.all, &mut report);
        if options.caches {
            for entry in fs::read_dir(self.area("caches")).into_iter().flatten().flatten() {
                let _ = fs::remove_dir_all(entry.path());
            }
            for path in files_below(&self.area("debian")) {
                let _ = fs::remove_file(path);
            }
        }
        report.bytes = before.saturating_sub(tree_size(self.root()));
        Ok(report)
    }

    /// Digests of all blobs that named images need.
    pub(crate) fn needed_by_images(&self) -> BTreeSet<Digest> {
        let mut needed = BTreeSet::new();
        for image in self.images() {
            self.need_manifest(&image.descriptor.digest, image.descriptor.size, &mut needed, 0);
        }
        self.need_referrers(&mut needed);
        needed
    }

    /// Removes layers and blobs that neither a record nor a named image needs, and kept archives. Layers that named
    /// images are made of stay, unless `all` is wanted; their blobs stay in any case.
    pub(crate) fn sweep(&self, all: bool, report: &mut CollectReport) {
        let mut needed = self.needed_by_images();
        for path in files_below(&self.area("records")) {
            if let Some(value) = fs::read(&path)
                .ok()
                .as_deref()
                .and_then(unseal)
                .and_then(|body| serde_json::from_slice::<Value>(body).ok())
            {
                digests_in(&value, &mut needed);
            }
        }
        self.sweep_layers(&mut needed, all, report);
        for path in files_below(&self.area("blobs")) {
            if !name_digest(&path).is_some_and(|digest| needed.contains(&digest)) {
                let _ = fs::remove_file(&path);
                report.blobs += 1;
            }
        }
        self.sweep_origins();
        self.sweep_referrers();
        for path in files_below(&self.area("exports")) {
            let _ = fs::remove_file(path);
        }
    }

    fn forget_builds(&self, options: &CollectOptions) {
        let now = SystemTime::now();
        for id in self.build_ids() {
            let age = now.duration_since(id.time()).unwrap_or_default();
            if options.all || options.older_than.is_some_and(|limit| age > limit) {
                self.remove_build(&id);
            }
        }
    }

    fn sweep_layers(&self, needed: &mut BTreeSet<Digest>, all: bool, report: &mut CollectReport) {
        let mut bases = Vec::new();
        for id in self.layer_ids() {
            let mut next = needed.contains(&id).then_some(id);
            while let Some(base) = next.and_then(|id| self.snapshot_base(&id)) {
                bases.push(base);
                next = Some(base).filter(|_| bases.len() < 100_000);
            }
        }
        needed.extend(bases);
        for id in self.layer_ids() {
            let blobs: Vec<LayerBlob> = ["gzip", "zstd", "tar"]
                .iter()
                .filter_map(|form| self.layer_blob(&id, form))
                .collect();
            let of_image = blobs.iter().any(|blob| needed.contains(&blob.descriptor.digest));
            if needed.contains(&id) || (of_image && !all) {
                needed.extend(blobs.iter().map(|blob| blob.descriptor.digest));
            } else {
                self.evict_layer(&id);
                report.layers += 1;
            }
        }
    }

    pub(crate) fn need_manifest(
        &self,
        digest: &Digest,
        size: u64,
        needed: &mut BTreeSet<Digest>,
        depth: usize,
    ) {
        if depth > 4 || !needed.insert(*digest) {
            return;
        }
        let Ok(bytes) = self.read_blob(digest, size) else {
            return;
        };
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            return;
        };
        digests_in(&value, needed);
        for child in value["manifests"].as_array().into_iter().flatten() {
            if let (Some(digest), Some(size)) = (
                child["digest"].as_str().and_then(|text| text.parse().ok()),
                child["size"].as_u64(),
            ) {
                needed.remove(&digest);
                self.need_manifest(&digest, size, needed, depth + 1);
            }
        }
        if let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) {
            needed.insert(manifest.config.digest);
            needed.extend(manifest.layers.iter().map(|layer| layer.digest));
        }
    }

    /// Reads everything and evicts what is damaged.
    pub fn verify(&self) -> VerifyReport {
        let mut report = VerifyReport::default();
        let named = ["blobs", "sent"].map(|area| self.area(area));
        for path in named.iter().flat_map(|area| files_below(area)) {
            report.blobs += 1;
            let whole = name_digest(&path).is_some_and(|expected| file_digest(&path) == Some(expected));
            if !whole {
                report.damage.push(Damage {
                    what: path.display().to_string(),
                    why: "its content has another digest".into(),
                });
                let _ = fs::remove_file(&path);
            }
        }
        for id in self.layer_ids() {
            // Without a listing it is what a builder that was killed or found the disk full left, or one that is
            // just beginning: no build takes it for a layer.
            if !self.has_layer(&id) {
                continue;
            }
            report.layers += 1;
            let Some(listing) = self.listing(&id) else {
                report.damage.push(Damage {
                    what: format!("layer {id}"),
                    why: "its listing is damaged".into(),
                });
                continue;
            };
            if let Some(chain) = self.snapshot_chain(&id)
                && let Some(why) = snapshot_damage(&listing, &chain)
            {
                report.damage.push(Damage {
                    what: format!("snapshot of layer {id}"),
                    why,
                });
                self.evict_snapshot(&id);
            }
        }
        let sealed = ["records", "builds", "origins", "referrers"].map(|area| self.area(area));
        for path in sealed.iter().flat_map(|area| files_below(area)) {
            report.records += 1;
            if fs::read(&path).ok().as_deref().and_then(unseal).is_none() {
                report.damage.push(Damage {
                    what: path.display().to_string(),
                    why: "its content has another digest".into(),
                });
                let _ = fs::remove_file(&path);
            }
        }
        report
    }
}

/// Every digest that stands as a string somewhere in `value`.
pub(crate) fn digests_in(value: &Value, found: &mut BTreeSet<Digest>) {
    match value {
        Value::String(text) => found.extend(text.parse::<Digest>().ok()),
        Value::Array(items) => items.iter().for_each(|item| digests_in(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| digests_in(field, found)),
        _ => {}
    }
}

fn name_digest(path: &Path) -> Option<Digest> {
    format!("sha256:{}", path.file_name()?.to_str()?).parse().ok()
}

fn file_digest(path: &Path) -> Option<Digest> {
    let mut hasher = Hasher::new();
    std::io::copy(&mut fs::File::open(path).ok()?, &mut hasher).ok()?;
    Some(hasher.finish())
}

pub(crate) fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}

/// Allocated bytes of all files below `directory`, each inode once.
pub(crate) fn tree_size(directory: &Path) -> u64 {
    fn add(directory: &Path, seen: &mut BTreeSet<(u64, u64)>) -> u64 {
        let mut total = 0;
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(metadata) = fs::symlink_metadata(entry.path()) else {
                continue;
            };
            if metadata.nlink() == 1 || metadata.is_dir() || seen.insert((metadata.dev(), metadata.ino())) {
                total += metadata.blocks() * 512;
            }
            if metadata.is_dir() {
                total += add(&entry.path(), seen);
            }
        }
        total
    }
    add(directory, &mut BTreeSet::new())
}
