//! Reading a cache: its configuration at first, a layer's blob when its content is used.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use praxis_layer::{BlockIndex, Limits, Listing};
use praxis_oci::{Descriptor, Digest, HashingReader};
use praxis_store::{LayerBlob, Store};

use super::CacheSource;
use super::format::{CacheConfig, CachedContent, CachedStep, LISTING_LIMIT};
use super::place::read_small;
use crate::SolveError;
use crate::layers::{LayerHandle, Workshop};
use crate::solve::StepRecord;

/// A cache with more damaged entries than this is not asked any more.
const PATIENCE: usize = 4;

/// A cache whose configuration was read. Its entries serve for steps that the store has no result of.
///
/// A layer from it is used only if its listing has the digest that the configuration names, and its content only if
/// the blob has its digest, unpacks to its diffID, and lists exactly what the listing says. All else is a miss and a
/// warning.
pub struct ImportedCache {
    source: Box<dyn CacheSource>,
    steps: BTreeMap<Digest, CachedStep>,
    /// Whether listings are made of layers, which are fetched for it.
    inline: bool,
    /// Layers that turned out damaged.
    refused: Mutex<BTreeSet<Digest>>,
    /// Content was needed of a layer that is only described: such layers do not serve any more.
    described_is_not_enough: AtomicBool,
    warnings: Mutex<Vec<String>>,
}

impl ImportedCache {
    /// Reads which steps the cache in `source` has.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn read(source: Box<dyn CacheSource>) -> Result<ImportedCache, SolveError> {
        let config = CacheConfig::read(source.as_ref())?;
        Ok(ImportedCache {
            source,
            inline: config.inline,
            steps: config.steps.into_iter().map(|step| (step.key, step)).collect(),
            refused: Mutex::default(),
            described_is_not_enough: AtomicBool::new(false),
            warnings: Mutex::default(),
        })
    }

    /// What was found damaged since this was last asked.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().expect("no panic while held"))
    }

    /// The layer that `key` stands for, if this cache has it. Its listing is in the store then.
    pub(crate) fn find(self: &Arc<Self>, workshop: &Arc<Workshop>, key: &Digest) -> Option<LayerHandle> {
        let step = self.steps.get(key)?;
        let id = step.listing.digest;
        let there = LayerHandle::stored(workshop, id);
        if there.is_recoverable() {
            let _ = workshop.store.put_record(key, &StepRecord { layer: id });
            return Some(there);
        }
        if !self.is_usable(step) {
            return None;
        }
        if self.inline {
            let carried = Carried {
                cache: self.clone(),
                step: step.clone(),
                fetching: Mutex::default(),
            };
            carried.fetch(&workshop.store).ok()?;
            return Some(LayerHandle::stored(workshop, id));
        }
        if let Err(why) = self.bring_listing(&workshop.store, &step.listing) {
            self.refuse(&id, &why);
            return None;
        }
        let carried = Carried {
            cache: self.clone(),
            step: step.clone(),
            fetching: Mutex::default(),
        };
        Some(LayerHandle::carried(workshop, id, carried))
    }

    fn is_usable(&self, step: &CachedStep) -> bool {
        let refused = self.refused.lock().expect("no panic while held");
        if refused.len() > PATIENCE || refused.contains(&step.listing.digest) {
            return false;
        }
        drop(refused);
        match &step.content {
            None => !self.described_is_not_enough.load(Ordering::Relaxed),
            Some(content) if content.form().is_some() && self.source.has(&content.blob) => true,
            Some(content) => {
                self.refuse(
                    &step.listing.digest,
                    &format!("{}: the blob is missing", content.blob.digest),
                );
                false
            }
        }
    }

    fn refuse(&self, layer: &Digest, why: &str) {
        let mut refused = self.refused.lock().expect("no panic while held");
        if !refused.insert(*layer) {
            return;
        }
        let mut message = format!(
            "cache {}: {why}; the step counts as not cached",
            self.source.describe()
        );
        if refused.len() == PATIENCE + 1 {
            message.push_str(". Too much of this cache is damaged: it is not used any more");
        }
        self.warnings.lock().expect("no panic while held").push(message);
    }

    fn bring_listing(&self, store: &Store, listing: &Descriptor) -> Result<(), String> {
        if store.listing(&listing.digest).is_some() {
            return Ok(());
        }
        let bytes = read_small(self.source.as_ref(), listing, LISTING_LIMIT)?;
        let decoded = Listing::decode(&bytes).map_err(|error| format!("{}: {error}", listing.digest))?;
        let id = store.put_listing(&decoded).map_err(|error| error.to_string())?;
        if id != listing.digest {
            return Err(format!("{}: it is not written as listings are", listing.digest));
        }
        Ok(())
    }
}

/// A layer that a cache has and the store has not, or not yet.
pub(crate) struct Carried {
    cache: Arc<ImportedCache>,
    step: CachedStep,
    fetching: Mutex<()>,
}

/// Why a blob did not come into the store.
enum Trouble {
    /// The cache's fault.
    Damaged(String),
    /// The machine's.
    Failed(SolveError),
}

impl Carried {
    /// The blob that the cache has in `form`.
    pub fn blob(&self, form: &str) -> Option<LayerBlob> {
        let content = self.step.content.as_ref();
        let content = content.filter(|content| content.form() == Some(form))?;
        Some(LayerBlob {
            descriptor: plain(&content.blob),
            diff_id: content.diff_id,
        })
    }

    /// Whether the cache has no content for the layer.
    pub fn is_only_described(&self) -> bool {
        self.step.content.is_none()
    }

    /// Brings the blob into the store.
    ///
    /// # Errors
    /// If the cache has none or a damaged one: another attempt at the build then runs the step.
    pub fn fetch(&self, store: &Store) -> Result<(), SolveError> {
        let _one_at_a_time = self.fetching.lock().expect("no panic while held");
        let id = &self.step.listing.digest;
        let Some(content) = &self.step.content else {
            self.cache.described_is_not_enough.store(true, Ordering::Relaxed);
            store.note_eviction();
            return Err(SolveError::environment(format!(
                "the cache {} does not hold the content of layer {id}",
                self.cache.source.describe()
            )));
        };
        let Some(form) = content.form() else {
            return Err(SolveError::internal("a blob that is no layer"));
        };
        if store.layer_blob(id, form).is_some() {
            return Ok(());
        }
        match self.bring(store, content, form) {
            Ok(()) => Ok(()),
            Err(Trouble::Failed(error)) => Err(error),
            Err(Trouble::Damaged(why)) => {
                self.cache.refuse(id, &why);
                store.note_eviction();
                Err(SolveError::environment(format!(
                    "cache {}: {why}",
                    self.cache.source.describe()
                )))
            }
        }
    }

    fn bring(&self, store: &Store, content: &CachedContent, form: &str) -> Result<(), Trouble> {
        let id = &self.step.listing.digest;
        let blob = &content.blob;
        let damaged = |why: &str| Trouble::Damaged(format!("{}: {why}", blob.digest));
        if !store.has_blob(&blob.digest, blob.size) {
            self.copy_blob(store, blob)?;
        }
        let file = store.open_blob(&blob.digest, blob.size).map_err(failed)?;
        let (diff_id, listed) = unpack(file).map_err(|error| damaged(&error.to_string()))?;
        if diff_id != content.diff_id {
            return Err(damaged("it unpacks to something else than the cache says"));
        }
        if Digest::of(&listed.encode()) != *id {
            return Err(damaged("its files are not those that the cache says"));
        }
        if self.cache.inline {
            store.put_listing(&listed).map_err(failed)?;
        }
        let layer_blob = LayerBlob {
            descriptor: plain(blob),
            diff_id,
        };
        let no_blocks = BlockIndex::default().encode();
        store
            .put_layer_blob(id, form, &layer_blob, &no_blocks)
            .map_err(failed)?;
        store
            .put_record(&self.step.key, &StepRecord { layer: *id })
            .map_err(failed)
    }

    /// Copies the blob as long as it is what it should be.
    fn copy_blob(&self, store: &Store, blob: &Descriptor) -> Result<(), Trouble> {
        let damaged = |why: &dyn std::fmt::Display| Trouble::Damaged(format!("{}: {why}", blob.digest));
        let source = self
            .cache
            .source
            .open(blob)
            .map_err(|error| damaged(&error.message))?;
        let mut writer = store.blob_writer().map_err(failed)?;
        let mut source = source.take(blob.size.saturating_add(1));
        let copied = io::copy(&mut source, &mut writer).map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull => Trouble::Failed(SolveError::io("write", store.root())(error)),
            _ => damaged(&error),
        })?;
        if copied != blob.size {
            return Err(damaged(&"it is not as long as its descriptor says"));
        }
        match writer.commit_as(&blob.digest) {
            Ok(_) => Ok(()),
            Err(praxis_store::StoreError::Mismatch { .. }) => {
                Err(damaged(&"its content is not what its digest says"))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: praxis_store::StoreError) -> Trouble {
    Trouble::Failed(error.into())
}

/// The descriptor without what the cache may have added.
fn plain(blob: &Descriptor) -> Descriptor {
    Descriptor::new(&blob.media_type, blob.digest, blob.size)
}

/// The diffID and the listing of a blob.
fn unpack(file: impl Read + Send) -> Result<(Digest, Listing), praxis_layer::LayerError> {
    let limits = Limits::default();
    let reader = praxis_layer::decompress(BufReader::with_capacity(256 << 10, file), &limits)?;
    let mut tar = HashingReader::new(reader);
    let listing = praxis_layer::index_layer(&mut tar, &limits)?;
    Ok((tar.finish().0, listing))
}
