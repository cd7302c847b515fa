//! Images looked at: described, taken apart, compared, explained.

use std::collections::BTreeMap;
use std::sync::Arc;

use praxis_image::{
    Difference, FieldChange, ImageReport, OpenedImage, configuration_changes, differences, open, report,
};
use praxis_oci::{Digest, Platform};
use praxis_solve::LayerInfo;
use praxis_store::Store;
use serde::Serialize;
use serde_json::Value;

use crate::{Engine, EngineError};

/// What an image is.
#[derive(Clone, Debug, Serialize)]
pub struct ImageDescription {
    /// Digest of the manifest; of a docker archive, which has none, that of the configuration.
    pub digest: String,
    /// The configuration as it stands in the image.
    pub config: Value,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Platform, such as `linux/amd64`.
    pub platform: String,
    /// Layers, the lowest first.
    pub layers: Vec<LayerInfo>,
}

/// Two images compared.
#[derive(Clone, Debug, Serialize)]
pub struct ImageDifference {
    /// Whether both are one image: the same manifest, or the same configuration where one has no manifest.
    pub identical: bool,
    /// Whether files and configuration are the same, however the layers are.
    pub same: bool,
    /// Digests of the images, of configurations where there is no manifest.
    pub digests: [Digest; 2],
    /// Files that differ.
    pub files: Vec<Difference>,
    /// Fields of the configuration that differ.
    pub configuration: Vec<FieldChange>,
    /// The layers of both side by side, the lowest first.
    pub layers: Vec<LayerPair>,
}

/// Layers of one height.
#[derive(Clone, Debug, Serialize)]
pub struct LayerPair {
    /// Their number, from 1.
    pub number: usize,
    /// Whether their content is the same.
    pub same_content: bool,
    /// Whether their blobs are the same.
    pub same_blob: bool,
    /// DiffIDs.
    pub diff_ids: [Option<Digest>; 2],
    /// The instructions.
    pub created_by: [Option<String>; 2],
}

impl Engine {
    /// Opens an image: a name or digest in the store, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`,
    /// `oci-layout:DIR[:TAG]` or the path of one of these.
    pub(crate) fn image(
        &self,
        image: &str,
        platform: Option<&Platform>,
        store: &Arc<Store>,
    ) -> Result<OpenedImage, EngineError> {
        Ok(open(image, platform, store)?)
    }

    /// The digest that a name of the store stands for: of a manifest, or of an index for several platforms.
    pub fn named_digest(&self, reference: &praxis_oci::Reference) -> Result<Option<Digest>, EngineError> {
        let name = reference.clone().with_default_tag().to_string();
        Ok(self.store()?.image(&name).map(|image| image.descriptor.digest))
    }

    /// Describes an image.
    pub fn inspect(&self, image: &str, platform: Option<&Platform>) -> Result<ImageDescription, EngineError> {
        let store = self.store()?;
        let opened = self.image(image, platform, &store)?;
        let config = serde_json::from_slice(&opened.config_bytes)
            .map_err(|error| EngineError::user(format!("{image}: not a valid image: {error}")))?;
        let layers = opened.layers.iter().enumerate().map(|(index, layer)| {
            let named = layer.descriptor.as_ref();
            Ok(LayerInfo {
                digest: named.map_or(layer.diff_id, |descriptor| descriptor.digest),
                size: opened.stored_size(index)?,
                created_by: layer.created_by.clone().unwrap_or_default(),
            })
        });
        Ok(ImageDescription {
            digest: identity(&opened).to_string(),
            config,
            annotations: opened
                .manifest
                .as_ref()
                .map(|manifest| manifest.annotations.clone())
                .unwrap_or_default(),
            platform: opened.config.platform().to_string(),
            layers: layers.collect::<Result<_, EngineError>>()?,
        })
    }

    /// Takes an image apart, layer by layer.
    pub fn image_report(&self, image: &str, platform: Option<&Platform>) -> Result<ImageReport, EngineError> {
        let store = self.store()?;
        Ok(report(&self.image(image, platform, &store)?)?)
    }

    /// Compares two images.
    pub fn image_difference(
        &self,
        images: [&str; 2],
        platform: Option<&Platform>,
    ) -> Result<ImageDifference, EngineError> {
        let store = self.store()?;
        let before = self.image(images[0], platform, &store)?;
        let after = self.image(images[1], platform, &store)?;
        difference(&before, &after)
    }
}

impl Engine {
    /// Describes an image of a registry without its layers.
    pub fn inspect_remote(
        &self,
        reference: &praxis_oci::Reference,
        settings: &praxis_registry::Settings,
        platform: Option<&Platform>,
    ) -> Result<ImageDescription, EngineError> {
        let platform = platform.cloned().unwrap_or_else(Platform::host);
        let (digest, image, bytes) = crate::registry::described(reference, settings, &platform)?;
        let not_valid =
            |error| EngineError::user(format!("{}: not a valid image: {error}", reference.familiar()));
        let config: praxis_oci::ImageConfig = serde_json::from_slice(&bytes).map_err(not_valid)?;
        let manifest: praxis_oci::Manifest = serde_json::from_slice(&image.bytes).map_err(not_valid)?;
        let told = config.history.iter().filter(|entry| !entry.empty_layer);
        let mut told = told.map(|entry| entry.created_by.clone().unwrap_or_default());
        let layers = manifest.layers.iter().map(|layer| LayerInfo {
            digest: layer.digest,
            size: layer.size,
            created_by: told.next().unwrap_or_default(),
        });
        Ok(ImageDescription {
            digest: digest.to_string(),
            layers: layers.collect(),
            annotations: manifest.annotations.clone(),
            platform: config.platform().to_string(),
            config: serde_json::from_slice(&bytes).map_err(not_valid)?,
        })
    }
}

/// Compares two opened images.
pub(crate) fn difference(before: &OpenedImage, after: &OpenedImage) -> Result<ImageDifference, EngineError> {
    let identical = match (before.digest, after.digest) {
        (Some(before), Some(after)) => before == after,
        _ => before.config_digest == after.config_digest,
    };
    let same_layers = before.config.rootfs.diff_ids == after.config.rootfs.diff_ids;
    let files = if same_layers {
        Vec::new()
    } else {
        differences(&before.tree()?, &after.tree()?)
    };
    let value = |image: &OpenedImage| {
        serde_json::from_slice::<Value>(&image.config_bytes)
            .map_err(|error| EngineError::user(format!("{}: not a valid image: {error}", image.name)))
    };
    let configuration = configuration_changes(&value(before)?, &value(after)?);
    Ok(ImageDifference {
        identical,
        same: files.is_empty() && configuration.is_empty(),
        digests: [identity(before), identity(after)],
        files,
        configuration,
        layers: pairs(before, after),
    })
}

fn pairs(before: &OpenedImage, after: &OpenedImage) -> Vec<LayerPair> {
    let count = before.layers.len().max(after.layers.len());
    (0..count)
        .map(|index| {
            let sides = [before.layers.get(index), after.layers.get(index)];
            let diff_ids = sides.map(|side| side.map(|layer| layer.diff_id));
            let blobs = sides.map(|side| Some(side?.descriptor.as_ref()?.digest));
            let same_content = diff_ids[0] == diff_ids[1];
            LayerPair {
                number: index + 1,
                same_content,
                same_blob: same_content && (blobs[0] == blobs[1] || blobs.contains(&None)),
                diff_ids,
                created_by: sides.map(|side| side?.created_by.clone()),
            }
        })
        .collect()
}

/// The digest people know an image by.
pub(crate) fn identity(image: &OpenedImage) -> Digest {
    image.digest.unwrap_or(image.config_digest)
}
