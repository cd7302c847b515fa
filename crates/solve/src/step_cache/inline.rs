//! The cache that an image is: its configuration says which steps its layers are the results of.
//!
//! Other builders and runtimes ignore the field, as they ignore all that they do not know. There are no listings to fetch:
//! a layer is fetched and unpacked to be one.

use std::collections::BTreeMap;

use praxis_oci::{Descriptor, Digest, ImageConfig, Manifest, media_type};
use serde::{Deserialize, Serialize};

use super::format::{CachedContent, CachedStep, LISTING};

/// The field of the configuration.
pub(crate) const INLINE_CACHE: &str = "praxis.cache.v1";

/// A step and the layer that is its result.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InlineStep {
    key: Digest,
    /// Position of the layer; the lowest is 0.
    layer: usize,
    /// The id of the layer, and the length of its listing.
    listing: Digest,
    size: u64,
}

impl InlineStep {
    pub fn new(key: Digest, layer: usize, listing: Digest, size: u64) -> InlineStep {
        InlineStep {
            key,
            layer,
            listing,
            size,
        }
    }
}

/// The field's value; the same steps give the same bytes.
pub(crate) fn inline_steps(mut steps: Vec<InlineStep>) -> serde_json::Value {
    steps.sort_by_key(|step| step.key);
    steps.dedup();
    serde_json::to_value(steps).unwrap_or_default()
}

/// The steps of an image's configuration, with the blobs of its manifest.
pub(super) fn read_inline(manifest: &Manifest, config: &[u8]) -> Result<Vec<CachedStep>, String> {
    let config: ImageConfig =
        serde_json::from_slice(config).map_err(|error| format!("its configuration: {error}"))?;
    let Some(steps) = config.other.get(INLINE_CACHE) else {
        return Err("an image without a cache in it: --cache-to type=inline writes one".into());
    };
    let steps = Vec::<InlineStep>::deserialize(steps).map_err(|error| format!("{INLINE_CACHE}: {error}"))?;
    if config.rootfs.diff_ids.len() != manifest.layers.len() {
        return Err("its manifest and its configuration differ in layers".into());
    }
    let mut read: BTreeMap<Digest, CachedStep> = BTreeMap::new();
    for step in steps {
        let layer = manifest
            .layers
            .get(step.layer)
            .zip(config.rootfs.diff_ids.get(step.layer));
        let Some((blob, diff_id)) = layer else {
            return Err(format!("{INLINE_CACHE}: it has no layer {}", step.layer));
        };
        let content = CachedContent {
            blob: Descriptor::new(oci_type(&blob.media_type), blob.digest, blob.size),
            diff_id: *diff_id,
        };
        let made = CachedStep {
            key: step.key,
            listing: Descriptor::new(LISTING, step.listing, step.size),
            content: Some(content),
        };
        if read.insert(step.key, made).is_some() {
            return Err(format!("{INLINE_CACHE}: the step {} has two layers", step.key));
        }
    }
    Ok(read.into_values().collect())
}

/// Docker's layers are written as OCI's.
fn oci_type(media_type: &str) -> &str {
    match media_type {
        media_type::DOCKER_LAYER_GZIP => media_type::LAYER_GZIP,
        "application/vnd.docker.image.rootfs.diff.tar" => media_type::LAYER,
        other => other,
    }
}
