//! `--cache-from` and `--cache-to`.

use std::path::PathBuf;
use std::sync::Arc;

use praxis_layer::Compression as LayerCompression;
use praxis_oci::{Digest, Reference};
use praxis_solve::{
    CacheDirectory, CacheDirectoryWriter, CacheMode, CacheSink, Event, Events, ImportedCache, Solution,
    SolveError, export_cache,
};

use praxis_store::Store;

use crate::registry::RegistryCache;
use crate::target::layer_compression;
use crate::{BuildRequest, Compression, EngineError};

/// One `--cache-from`.
#[derive(Clone, Debug, PartialEq)]
pub enum CacheFrom {
    /// A directory that `--cache-to type=local` wrote.
    Local {
        /// The directory.
        directory: PathBuf,
        /// Only a cache with this digest.
        digest: Option<Digest>,
    },
    /// A name in a registry.
    Registry(Reference),
}

/// One `--cache-to`.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheTo {
    /// Where it goes.
    pub place: CachePlace,
    /// How much goes into it.
    pub mode: CacheMode,
    /// Compression of layers; the image's if there is none.
    pub compression: Option<Compression>,
    /// Whether a cache that cannot be written is only worth a warning.
    pub ignore_error: bool,
}

impl CacheTo {
    /// A cache in the image's configuration.
    pub fn inline() -> CacheTo {
        CacheTo {
            place: CachePlace::Inline,
            mode: CacheMode::Min,
            compression: None,
            ignore_error: false,
        }
    }
}

/// Where a cache is written to.
#[derive(Clone, Debug, PartialEq)]
pub enum CachePlace {
    /// A directory.
    Local(PathBuf),
    /// A name in a registry.
    Registry(Reference),
    /// The image itself: its configuration says which steps its layers are the results of.
    Inline,
}

/// Whether images get a cache in their configuration.
pub(crate) fn is_inline(request: &BuildRequest) -> bool {
    request.cache_to.iter().any(|to| to.place == CachePlace::Inline)
}

/// The caches that a build may use. One that cannot be read is a warning: the first build of all has none.
pub(crate) fn imports(
    request: &BuildRequest,
    store: &Arc<Store>,
    events: &dyn Events,
) -> Vec<Arc<ImportedCache>> {
    let read = |from: &CacheFrom| match from {
        CacheFrom::Local { directory, digest } => {
            ImportedCache::read(Box::new(CacheDirectory::new(directory, *digest)))
        }
        CacheFrom::Registry(reference) if request.registries.offline => {
            let name = reference.familiar();
            Err(SolveError::user(format!(
                "cache {name}: --offline forbids to ask its registry"
            )))
        }
        CacheFrom::Registry(reference) => ImportedCache::read(Box::new(RegistryCache::new(
            reference,
            &request.registries.settings,
            store,
            request.platforms.first(),
        ))),
    };
    let mut imports = Vec::new();
    for from in &request.cache_from {
        match read(from) {
            Ok(cache) => imports.push(Arc::new(cache)),
            Err(error) => warn(events, format!("{}; nothing is taken from it", error.message)),
        }
    }
    imports
}

/// Writes the caches that the request asks for.
pub(crate) fn export(
    request: &BuildRequest,
    solutions: &[&Solution],
    compression: LayerCompression,
    store: &Arc<Store>,
    events: &dyn Events,
) -> Result<(), EngineError> {
    for to in &request.cache_to {
        let compression = to.compression.map_or(compression, layer_compression);
        let write = |sink: &dyn CacheSink| export_cache(solutions, to.mode, compression, sink, events);
        let written = match &to.place {
            CachePlace::Local(directory) => {
                CacheDirectoryWriter::open(directory).and_then(|sink| write(&sink))
            }
            CachePlace::Registry(reference) if request.registries.offline => {
                let name = reference.familiar();
                Err(SolveError::user(format!(
                    "cache {name}: --offline forbids to write to its registry"
                )))
            }
            // An image that was made has it in it.
            CachePlace::Inline => continue,
            CachePlace::Registry(reference) => write(&RegistryCache::new(
                reference,
                &request.registries.settings,
                store,
                None,
            )),
        };
        match written {
            Ok(_) => {}
            Err(error) if to.ignore_error => {
                warn(events, format!("the cache was not written: {}", error.message))
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn warn(events: &dyn Events, message: String) {
    let code = "Cache".into();
    events.event(Event::Warning {
        code,
        message,
        line: None,
    });
}
