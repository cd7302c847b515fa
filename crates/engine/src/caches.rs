//! `--cache-from` and `--cache-to`.

use std::path::{Path, PathBuf};
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
use crate::{BuildRequest, Compression, EngineError, Output};

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
    // The older way to ask for it.
    let asked = request.build_args.get("BUILDKIT_INLINE_CACHE");
    let asked = asked.is_some_and(|text| ["1", "t", "true"].contains(&text.to_lowercase().as_str()));
    asked || request.cache_to.iter().any(|to| to.place == CachePlace::Inline)
}

/// An inline cache hands out the image's own blobs as those of its steps: at another level than the usual one, builds
/// that take them would have other bytes than builds that do not.
pub(crate) fn refuse_levels(request: &BuildRequest) -> Result<(), EngineError> {
    let is_unusual = |output: &Output| {
        let usual = layer_compression(output.compression).usual_level();
        output.compression_level.is_some_and(|level| Some(level) != usual)
    };
    if is_inline(request) && request.outputs.iter().any(is_unusual) {
        let why = "compression-level does not go with --cache-to type=inline: who takes layers of another level from the \
                   image would build other bytes; use type=registry or type=local, or leave the level out";
        return Err(EngineError::user(why));
    }
    Ok(())
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

/// Whether two caches are one and the same.
fn is_same(one: &CachePlace, other: &CachePlace) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    match (one, other) {
        (CachePlace::Local(one), CachePlace::Local(other)) => absolute(one) == absolute(other),
        _ => one == other,
    }
}

/// `to` as all builds together want it that write to its place: as much as any of them asks for, of all their solutions.
/// `None` if one before `own` writes there: it did so for all.
fn shared<'a>(to: &CacheTo, own: usize, builds: &[Caching<'a>]) -> Option<(CacheTo, Vec<&'a Solution>)> {
    let (mut to, mut solutions) = (to.clone(), Vec::new());
    for (index, (request, solved)) in builds.iter().enumerate() {
        let mut same = request
            .cache_to
            .iter()
            .filter(|other| is_same(&other.place, &to.place))
            .peekable();
        if same.peek().is_none() {
            continue;
        }
        if index < own {
            return None;
        }
        for other in same.filter(|_| index > own) {
            if other.mode == CacheMode::Max {
                to.mode = CacheMode::Max;
            }
            to.ignore_error &= other.ignore_error;
        }
        solutions.extend(*solved);
    }
    Some((to, solutions))
}

/// A build of several that are made as one, with its solutions.
pub(crate) type Caching<'a> = (&'a BuildRequest, &'a [Solution]);

/// Writes the caches that the build `own` of `builds` asks for. One that several write to holds the steps of all.
pub(crate) fn export(
    own: usize,
    builds: &[Caching<'_>],
    compression: LayerCompression,
    store: &Arc<Store>,
    events: &dyn Events,
) -> Result<(), EngineError> {
    let request = builds[own].0;
    for to in &request.cache_to {
        let Some((to, solutions)) = shared(to, own, builds) else {
            continue;
        };
        let compression = to.compression.map_or(compression, layer_compression);
        let write = |sink: &dyn CacheSink| export_cache(&solutions, to.mode, compression, sink, events);
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
