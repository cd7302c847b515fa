//! Archives as `docker save` writes them.

use praxis_oci::{Digest, Reference};
use serde::Deserialize;

use crate::ImageError;
use crate::blobs::Blobs;
use crate::select::parse;

/// Archives of more images are refused.
const IMAGES: usize = 1000;
/// Images of more layers are refused.
const LAYERS: usize = 500;

/// One image of `manifest.json`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerImage {
    /// Name of the configuration's file.
    pub config: String,
    /// Names of the image.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// Names of the layers' files, lowest first.
    #[serde(default)]
    pub layers: Vec<String>,
}

/// The image called `name`, or the only one, with the bytes of its configuration.
pub(crate) fn select(blobs: &Blobs, name: Option<&str>) -> Result<(DockerImage, Vec<u8>), ImageError> {
    let images: Vec<DockerImage> = parse(&blobs.small_member("manifest.json")?)?;
    if images.len() > IMAGES {
        return Err(ImageError::new(format!("{} images are too many", images.len())));
    }
    let names: Vec<String> = images
        .iter()
        .flat_map(|image| image.repo_tags.clone().unwrap_or_default())
        .collect();
    let mut meant = images.into_iter().filter(|image| {
        let tags = image.repo_tags.as_deref().unwrap_or_default();
        name.is_none_or(|name| tags.iter().any(|tag| same(tag, name)))
    });
    let held = || names.join(", ");
    let found = meant.next().ok_or_else(|| match name {
        Some(name) => ImageError::new(format!("no image is called {name}: it holds {}", held())),
        None => ImageError::new("it holds no image"),
    })?;
    if name.is_none() && meant.next().is_some() {
        let message = format!("it holds several images: {}", held());
        return Err(ImageError::new(message).with_hint("say which: docker-archive:FILE:NAME"));
    }
    if found.layers.len() > LAYERS {
        let message = format!("{} layers are more than {LAYERS}", found.layers.len());
        return Err(ImageError::new(message));
    }
    let config = blobs.small_member(&found.config)?;
    named_digest(&found.config, &config)?;
    Ok((found, config))
}

/// A configuration is named by its digest: `HEX.json` or `blobs/sha256/HEX`.
fn named_digest(name: &str, bytes: &[u8]) -> Result<(), ImageError> {
    let last = name.rsplit('/').next().unwrap_or_default();
    let hex = last.strip_suffix(".json").unwrap_or(last);
    match format!("sha256:{hex}").parse::<Digest>() {
        Ok(named) if named != Digest::of(bytes) => {
            Err(ImageError::new(format!("{name}: the content has another digest")))
        }
        _ => Ok(()),
    }
}

fn same(tag: &str, name: &str) -> bool {
    let normal = |text: &str| {
        let reference: Option<Reference> = text.parse().ok();
        reference.map(|reference| reference.with_default_tag().to_string())
    };
    tag == name || (normal(tag).is_some() && normal(tag) == normal(name))
}
