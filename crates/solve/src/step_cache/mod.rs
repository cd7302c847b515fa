//! Results of steps that travel between stores: what `--cache-to` writes and `--cache-from` reads.
//!
//! A cache is an OCI artifact: a manifest whose configuration maps steps' keys to layers, and whose layers are those
//! layers' listings and blobs. How it is made and read ([`export_cache`], [`ImportedCache`]) is apart from where its
//! blobs lie ([`CacheSource`], [`CacheSink`]); a directory is one such place.

mod export;
mod format;
mod import;
mod inline;
mod layout;
mod place;

pub use export::{CacheMode, export_cache};
pub(crate) use import::Carried;
pub use import::ImportedCache;
pub(crate) use inline::{INLINE_CACHE, InlineStep, inline_steps};
pub use layout::{CacheDirectory, CacheDirectoryWriter};
pub use place::{CacheSink, CacheSource};
