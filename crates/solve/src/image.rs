//! The image of a solution: configuration and manifest over its layers.

use std::collections::BTreeMap;

use praxis_layer::{Compression, Timestamp};
use praxis_oci::{Descriptor, ImageConfig, Manifest, RootFs, media_type};
use praxis_store::LayerBlob;

use crate::event::{Event, Events, LayerInfo};
use crate::step_cache::{INLINE_CACHE, InlineStep, inline_steps};
use crate::{Solution, SolveError};

/// What an image gets besides its plan's configuration.
pub struct ImageSettings {
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Annotations of the manifest's descriptor.
    pub descriptor_annotations: BTreeMap<String, String>,
    /// Compression of new layers.
    pub compression: Compression,
    /// Its level; the usual one if there is none.
    pub compression_level: Option<u8>,
    /// Whether layers of bases get it too.
    pub force_compression: bool,
    /// Whether media types are Docker's.
    pub docker_media_types: bool,
    /// The time of the image.
    pub created: Timestamp,
    /// Whether the configuration tells which steps the image's layers are the results of.
    pub inline_cache: bool,
}

/// An image, complete in the store.
#[derive(Clone, Debug)]
pub struct BuiltImage {
    /// The manifest, with the platform.
    pub manifest: Descriptor,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<LayerBlob>,
}

impl Solution {
    /// Makes configuration and manifest. `config` is the target stage's, with its history.
    ///
    /// # Errors
    /// If a layer cannot be written, or history and layers do not fit.
    pub fn image(
        &self,
        config: &ImageConfig,
        settings: &ImageSettings,
        events: &dyn Events,
    ) -> Result<BuiltImage, SolveError> {
        let layers: Vec<LayerBlob> = self
            .layers
            .iter()
            .map(|layer| match settings.force_compression {
                true => layer.forced_blob(settings.compression, settings.compression_level),
                false => layer.blob_at(settings.compression, settings.compression_level),
            })
            .collect::<Result<_, _>>()?;
        let (manifest_type, config_type) = match settings.docker_media_types {
            true => (media_type::DOCKER_MANIFEST, media_type::DOCKER_CONFIG),
            false => (media_type::MANIFEST, media_type::CONFIG),
        };
        let mut config = config.clone();
        config.created = Some(rfc3339(settings.created));
        config.rootfs = RootFs {
            diff_ids: layers.iter().map(|layer| layer.diff_id).collect(),
            ..RootFs::default()
        };
        let written = config.history.iter().filter(|entry| !entry.empty_layer);
        let names: Vec<String> = written
            .map(|entry| entry.created_by.clone().unwrap_or_default())
            .collect();
        if !config.history.is_empty() && names.len() != layers.len() {
            return Err(SolveError::internal(format!(
                "{} layers, but {} in the history",
                layers.len(),
                names.len()
            )));
        }
        // That of the base is about its layers, as its own image has them.
        config.other.remove(INLINE_CACHE);
        if settings.inline_cache {
            config.other.insert(INLINE_CACHE.into(), self.inline_cache()?);
        }
        let store = &self.workshop.store;
        let json = |value: Result<Vec<u8>, serde_json::Error>| {
            value.map_err(|error| SolveError::internal(error.to_string()))
        };
        let platform = config.platform();
        let config = store.put_blob(config_type, &json(serde_json::to_vec(&config))?)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(manifest_type.into()),
            artifact_type: None,
            config: config.clone(),
            layers: layers.iter().map(|layer| described(layer, settings)).collect(),
            subject: None,
            annotations: settings.annotations.clone(),
            other: BTreeMap::new(),
        };
        let mut manifest = store.put_blob(manifest_type, &json(serde_json::to_vec(&manifest))?)?;
        manifest.platform = Some(platform);
        manifest.annotations.clone_from(&settings.descriptor_annotations);
        let infos = layers.iter().enumerate().map(|(index, layer)| LayerInfo {
            digest: layer.descriptor.digest,
            size: layer.descriptor.size,
            created_by: names.get(index).cloned().unwrap_or_default(),
        });
        events.event(Event::Image {
            digest: manifest.digest,
            layers: infos.collect(),
        });
        Ok(BuiltImage {
            manifest,
            config,
            layers,
        })
    }
}

impl Solution {
    /// Which steps have which of the image's layers as their results.
    fn inline_cache(&self) -> Result<serde_json::Value, SolveError> {
        let mut steps = Vec::new();
        for step in self.solved.iter().filter(|step| step.of_image) {
            let id = step.layer.id();
            if let Some(position) = self.layers.iter().position(|layer| layer.id() == id) {
                let size = step.layer.listing()?.encode().len() as u64;
                steps.push(InlineStep::new(step.key, position, id, size));
            }
        }
        Ok(inline_steps(steps))
    }
}

/// What the manifest says of a layer. Docker has no type for zstd: such a layer keeps OCI's.
fn described(layer: &LayerBlob, settings: &ImageSettings) -> Descriptor {
    let mut descriptor = layer.descriptor.clone();
    if settings.docker_media_types {
        descriptor.media_type = match descriptor.media_type.as_str() {
            media_type::LAYER_GZIP => media_type::DOCKER_LAYER_GZIP.into(),
            media_type::LAYER => "application/vnd.docker.image.rootfs.diff.tar".into(),
            _ => descriptor.media_type,
        };
    }
    descriptor
}

/// `1980-01-01T00:00:00Z`.
pub fn rfc3339(time: Timestamp) -> String {
    Timestamp::seconds(time.seconds).rfc3339()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(rfc3339(Timestamp::seconds(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Timestamp::seconds(1_600_000_000)), "2020-09-13T12:26:40Z");
        assert_eq!(rfc3339(Timestamp::seconds(951_782_400)), "2000-02-29T00:00:00Z");
    }
}
