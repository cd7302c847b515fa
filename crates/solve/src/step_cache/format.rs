//! The manifest and the configuration of a cache.

use std::collections::{BTreeMap, BTreeSet};

use praxis_oci::{Descriptor, Digest, Manifest, media_type};
use serde::{Deserialize, Serialize};

use super::CacheSource;
use super::inline::read_inline;
use super::place::read_small;
use crate::SolveError;

/// Type of the artifact.
pub(super) const ARTIFACT: &str = "application/vnd.praxis.cache.v1";
/// Type of the configuration.
pub(super) const CONFIG: &str = "application/vnd.praxis.cache.config.v1+json";
/// Type of a listing.
pub(super) const LISTING: &str = "application/vnd.praxis.layer.listing.v1";

/// Longest manifest and longest configuration that are read.
pub(super) const MANIFEST_LIMIT: u64 = 4 << 20;
pub(super) const CONFIG_LIMIT: u64 = 16 << 20;
/// Longest listing: one of the four million entries that a layer may have is about a hundred bytes long.
pub(super) const LISTING_LIMIT: u64 = 512 << 20;

const VERSION: u32 = 1;

/// What steps' keys stand for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct CacheConfig {
    version: u32,
    pub steps: Vec<CachedStep>,
    /// Whether it was part of an image's configuration: listings are made of the layers then.
    #[serde(skip)]
    pub inline: bool,
}

/// The result of one step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CachedStep {
    /// The key of the step.
    pub key: Digest,
    /// The listing of its layer; its digest is the layer's id.
    pub listing: Descriptor,
    /// The layer's content; none where only the content's description was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<CachedContent>,
}

/// The content of a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CachedContent {
    /// The compressed tar.
    pub blob: Descriptor,
    /// Digest of the tar.
    pub diff_id: Digest,
}

impl CachedContent {
    /// The store's name for the compression; `None` for a blob that is no layer.
    pub fn form(&self) -> Option<&'static str> {
        match self.blob.media_type.as_str() {
            media_type::LAYER => Some("tar"),
            media_type::LAYER_GZIP => Some("gzip"),
            media_type::LAYER_ZSTD => Some("zstd"),
            _ => None,
        }
    }
}

impl CacheConfig {
    /// A configuration of these steps; the same steps give the same bytes.
    pub fn new(steps: BTreeMap<Digest, CachedStep>) -> CacheConfig {
        CacheConfig {
            version: VERSION,
            steps: steps.into_values().collect(),
            inline: false,
        }
    }

    /// All blobs it names, each once.
    pub fn blobs(&self) -> Vec<Descriptor> {
        let mut seen = BTreeSet::new();
        let named = self.steps.iter().flat_map(|step| {
            std::iter::once(&step.listing).chain(step.content.as_ref().map(|content| &content.blob))
        });
        named.filter(|blob| seen.insert(blob.digest)).cloned().collect()
    }

    /// The manifest of a cache whose configuration is `config`.
    pub fn manifest(&self, config: Descriptor) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.into()),
            artifact_type: Some(ARTIFACT.into()),
            config,
            layers: self.blobs(),
            subject: None,
            annotations: BTreeMap::new(),
            other: BTreeMap::new(),
        }
    }

    /// Reads manifest and configuration of the cache in `source`.
    ///
    /// # Errors
    /// If it is none, or one that this version does not read.
    pub fn read(source: &dyn CacheSource) -> Result<CacheConfig, SolveError> {
        let wrong = |why: String| SolveError::user(format!("cache {}: {why}", source.describe()));
        let bytes = source.manifest()?;
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(wrong(format!(
                "its manifest is longer than {MANIFEST_LIMIT} bytes"
            )));
        }
        let manifest = manifest_of(&bytes).map_err(&wrong)?;
        let config = read_small(source, &manifest.config, CONFIG_LIMIT).map_err(&wrong)?;
        if manifest.config.media_type != CONFIG {
            return Ok(CacheConfig {
                version: VERSION,
                steps: read_inline(&manifest, &config).map_err(&wrong)?,
                inline: true,
            });
        }
        let config: CacheConfig =
            serde_json::from_slice(&config).map_err(|error| wrong(format!("its configuration: {error}")))?;
        if config.version != VERSION {
            return Err(wrong(format!(
                "its format is {}, this version reads {VERSION}",
                config.version
            )));
        }
        let named: BTreeSet<&Digest> = manifest.layers.iter().map(|layer| &layer.digest).collect();
        if config.blobs().iter().any(|blob| !named.contains(&blob.digest)) {
            return Err(wrong(
                "its configuration names blobs that its manifest does not".into(),
            ));
        }
        Ok(config)
    }
}

/// The manifest of a cache, told from all else that is written in JSON.
fn manifest_of(bytes: &[u8]) -> Result<Manifest, String> {
    let value: serde_json::Value =
        serde_json::from_slice(bytes).map_err(|error| format!("its manifest: {error}"))?;
    if value.get("manifests").is_some() {
        return Err("an index, not the manifest of a cache".into());
    }
    let manifest: Manifest =
        serde_json::from_value(value).map_err(|error| format!("its manifest: {error}"))?;
    let known = [CONFIG, media_type::CONFIG, media_type::DOCKER_CONFIG];
    if !known.contains(&manifest.config.media_type.as_str()) {
        return Err(format!(
            "no cache of praxis: its configuration is {}, not {CONFIG}",
            manifest.config.media_type
        ));
    }
    Ok(manifest)
}
