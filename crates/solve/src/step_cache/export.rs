//! Writing a cache.

use std::collections::BTreeMap;
use std::io::Read;

use praxis_layer::Compression;
use praxis_oci::{Descriptor, Digest};

use super::CacheSink;
use super::format::{CONFIG, CacheConfig, CachedContent, CachedStep, LISTING};
use crate::event::{Event, Events};
use crate::layers::{LayerHandle, form_of};
use crate::solve::SolvedStep;
use crate::{Solution, SolveError};

/// How much goes into a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// The content of the image's own layers; all other steps are only described. A build of the same thing runs
    /// nothing; one that needs a file of another stage runs that stage.
    #[default]
    Min,
    /// The content of every step of every stage.
    Max,
}

/// Writes the steps of `solutions` to `sink`.
///
/// # Errors
/// If a layer cannot be read or the sink cannot be written to; the sink then holds the cache it held before.
pub fn export_cache(
    solutions: &[&Solution],
    mode: CacheMode,
    compression: Compression,
    sink: &dyn CacheSink,
    events: &dyn Events,
) -> Result<Digest, SolveError> {
    let mut export = Export {
        mode,
        compression,
        sink,
        steps: BTreeMap::new(),
        written: 0,
    };
    for solution in solutions {
        solution.solved.iter().try_for_each(|step| export.add(step))?;
    }
    let config = CacheConfig::new(std::mem::take(&mut export.steps));
    let bytes = json(&config)?;
    let described = Descriptor::of(CONFIG, &bytes);
    export.put(&described, || Ok(Box::new(std::io::Cursor::new(bytes.clone()))))?;
    let manifest = json(&config.manifest(described))?;
    let digest = sink.commit(&manifest)?;
    events.event(Event::Exported {
        kind: "cache".into(),
        destination: sink.describe(),
        bytes: export.written,
    });
    Ok(digest)
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, SolveError> {
    serde_json::to_vec(value).map_err(|error| SolveError::internal(error.to_string()))
}

struct Export<'a> {
    mode: CacheMode,
    compression: Compression,
    sink: &'a dyn CacheSink,
    steps: BTreeMap<Digest, CachedStep>,
    written: u64,
}

impl Export<'_> {
    fn add(&mut self, step: &SolvedStep) -> Result<(), SolveError> {
        let wanted = self.mode == CacheMode::Max || step.of_image;
        let known = self.steps.get(&step.key);
        if known.is_some_and(|known| known.content.is_some() || !wanted) {
            return Ok(());
        }
        let bytes = step.layer.listing()?.encode();
        let listing = Descriptor::of(LISTING, &bytes);
        self.put(&listing, || Ok(Box::new(std::io::Cursor::new(bytes.clone()))))?;
        let content = if wanted { self.content(&step.layer)? } else { None };
        let made = CachedStep {
            key: step.key,
            listing,
            content,
        };
        self.steps.insert(step.key, made);
        Ok(())
    }

    /// The layer's blob; none for a layer that came from a cache which only describes it.
    fn content(&mut self, layer: &LayerHandle) -> Result<Option<CachedContent>, SolveError> {
        let form = form_of(self.compression);
        if layer.is_only_described() {
            return Ok(None);
        }
        // What came from this very cache and was not used need not come and go.
        let there = layer.carried_blob(form);
        if let Some(blob) = there.filter(|blob| self.sink.has(&blob.descriptor)) {
            return Ok(Some(CachedContent {
                blob: blob.descriptor,
                diff_id: blob.diff_id,
            }));
        }
        let blob = layer.blob(self.compression)?;
        self.put(&blob.descriptor, || layer.open_blob(&blob))?;
        Ok(Some(CachedContent {
            blob: blob.descriptor,
            diff_id: blob.diff_id,
        }))
    }

    fn put<'r>(
        &mut self,
        blob: &Descriptor,
        open: impl FnOnce() -> Result<Box<dyn Read + 'r>, SolveError>,
    ) -> Result<(), SolveError> {
        if self.sink.has(blob) {
            return Ok(());
        }
        self.sink.put(blob, &mut open()?)?;
        self.written += blob.size;
        Ok(())
    }
}
