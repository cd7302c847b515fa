//! Manifests, indexes and configurations: from a descriptor to the image for a platform.

use std::io::Read;
use std::sync::Arc;

use praxis_oci::{
    Descriptor, Digest, History, ImageConfig, Index, Manifest, Platform, Reference, media_type,
};
use praxis_plan::{Base, ImageBase};
use serde::Deserialize;

use super::layout::open_blob;
use super::{Images, LoadedImage, Origin, fits};
use crate::SolveError;

/// Manifests and indexes larger than this are refused.
pub(super) const MANIFEST_LIMIT: u64 = 4 << 20;
/// Images of more layers are refused: the kernel mounts no more.
const LAYER_LIMIT: usize = 500;
/// Indexes in indexes deeper than this are refused.
const DEPTH_LIMIT: usize = 3;

impl Images {
    /// Follows `descriptor` through indexes to the image for `platform`.
    pub(super) fn choose(
        &self,
        name: &str,
        origin: &Origin,
        descriptor: &Descriptor,
        platform: &Platform,
        depth: usize,
    ) -> Result<Base, SolveError> {
        let bytes = self.small_blob(name, origin, descriptor)?;
        let value: serde_json::Value = parse(&bytes, name)?;
        let (is_index, is_manifest) = (value.get("manifests").is_some(), value.get("layers").is_some());
        if is_index && is_manifest {
            return Err(SolveError::user(format!(
                "{name}: {} is both a manifest and an index",
                descriptor.digest
            )));
        }
        let declared = value.get("mediaType").and_then(serde_json::Value::as_str);
        if is_index != descriptor.is_index()
            || declared.is_some_and(|declared| declared != descriptor.media_type)
        {
            let digest = &descriptor.digest;
            return Err(SolveError::user(format!(
                "{name}: {digest} is not the {} it is said to be",
                descriptor.media_type
            )));
        }
        if is_index {
            let index: Index = parse(&bytes, name)?;
            let fitting = index.manifests.iter().find(|child| {
                child.platform.as_ref().is_some_and(|has| fits(has, platform)) && depth < DEPTH_LIMIT
            });
            let child =
                fitting.ok_or_else(|| SolveError::user(format!("{name}: no image for {platform}")))?;
            return self.choose(name, origin, child, platform, depth + 1);
        }
        let manifest: Manifest = parse(&bytes, name)?;
        if manifest.layers.len() > LAYER_LIMIT {
            return Err(SolveError::user(format!(
                "{name}: {} layers are more than {LAYER_LIMIT}",
                manifest.layers.len()
            )));
        }
        let config = self.small_blob(name, origin, &manifest.config)?;
        let mut config: ImageConfig = parse(&config, name)?;
        complete_history(&mut config, manifest.layers.len());
        let config = Arc::new(config);
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(SolveError::user(format!(
                "{name}: the manifest and the configuration differ in layers"
            )));
        }
        let loaded = LoadedImage {
            manifest,
            config: config.clone(),
            origin: origin.clone(),
        };
        self.loaded
            .lock()
            .expect("no panic while held")
            .insert(descriptor.digest, Arc::new(loaded));
        let reference = name
            .parse::<Reference>()
            .map_or_else(|_| name.to_string(), |reference| reference.to_string());
        Ok(Base::Image(ImageBase {
            reference,
            manifest: descriptor.digest,
            config,
        }))
    }

    fn small_blob(
        &self,
        name: &str,
        origin: &Origin,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, SolveError> {
        let wrong = |why: String| SolveError::user(format!("{name}: {}: {why}", descriptor.digest));
        if descriptor.size > MANIFEST_LIMIT {
            return Err(wrong(format!(
                "{} bytes are too many for a manifest",
                descriptor.size
            )));
        }
        if let Ok(bytes) = self.workshop.store.read_blob(&descriptor.digest, descriptor.size) {
            return Ok(bytes);
        }
        let bytes = self.small_from(name, origin, descriptor)?;
        if bytes.len() as u64 != descriptor.size {
            return Err(wrong(format!(
                "it is not {} bytes long, as its descriptor says",
                descriptor.size
            )));
        }
        if Digest::of(&bytes) != descriptor.digest {
            return Err(wrong("the content has another digest".into()));
        }
        self.workshop.store.put_blob(&descriptor.media_type, &bytes)?;
        Ok(bytes)
    }

    fn small_from(
        &self,
        name: &str,
        origin: &Origin,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, SolveError> {
        let wrong = |why: String| SolveError::user(format!("{name}: {}: {why}", descriptor.digest));
        let mut bytes = Vec::new();
        match (origin, &self.remote) {
            (Origin::Layout(layout), _) => {
                let file = open_blob(layout, &descriptor.digest).map_err(|error| wrong(error.to_string()))?;
                file.take(descriptor.size + 1)
                    .read_to_end(&mut bytes)
                    .map_err(|error| wrong(error.to_string()))?;
            }
            (Origin::Registry(reference), Some(remote)) if is_document(&descriptor.media_type) => {
                bytes = remote.document(reference, descriptor)?;
            }
            (Origin::Registry(reference), Some(remote)) => {
                while !remote.blob(reference, descriptor, &mut bytes)? {
                    bytes.clear();
                }
            }
            _ => return Err(wrong("is not in the store".into())),
        }
        Ok(bytes)
    }
}

/// History is optional: layers it does not tell of get an entry, entries too many count as without a layer.
fn complete_history(config: &mut ImageConfig, layers: usize) {
    let mut told = 0;
    for entry in config.history.iter_mut().filter(|entry| !entry.empty_layer) {
        entry.empty_layer = told == layers;
        told += usize::from(!entry.empty_layer);
    }
    let untold = History {
        comment: Some("not in the history of the base".into()),
        ..History::default()
    };
    config.history.extend(std::iter::repeat_n(untold, layers - told));
}

/// Whether registries serve it as a manifest.
fn is_document(media_type: &str) -> bool {
    matches!(
        media_type,
        media_type::INDEX | media_type::MANIFEST | media_type::DOCKER_INDEX | media_type::DOCKER_MANIFEST
    )
}

pub(super) fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8], name: &str) -> Result<T, SolveError> {
    serde_json::from_slice(bytes)
        .map_err(|error| SolveError::user(format!("{name}: not a valid image: {error}")))
}
