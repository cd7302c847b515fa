//! From an index to the one image that is meant.

use praxis_oci::{Descriptor, Index, Manifest, Platform};
use serde::Deserialize;
use serde_json::Value;

use crate::ImageError;
use crate::blobs::Blobs;

/// Indexes in indexes deeper than this are refused.
const DEPTH: usize = 3;
/// Indexes with more entries are refused.
const WIDTH: usize = 1000;
/// Images of more layers are refused: the kernel mounts no more.
const LAYERS: usize = 500;
const TAG: &str = "org.opencontainers.image.ref.name";

/// An image's manifest and where it was found.
pub(crate) struct Selected {
    pub descriptor: Descriptor,
    pub manifest: Manifest,
}

/// The image of a layout's `index.json`.
pub(crate) fn from_layout(
    blobs: &Blobs,
    tag: Option<&str>,
    platform: Option<&Platform>,
) -> Result<Selected, ImageError> {
    let bytes = blobs.small_member("index.json")?;
    let mut index: Index = parse(&bytes)?;
    if let Some(tag) = tag {
        let is_meant = |one: &Descriptor| {
            one.digest.to_string() == tag || one.annotations.get(TAG).is_some_and(|name| name == tag)
        };
        let names: Vec<String> = index.manifests.iter().map(shown).collect();
        index.manifests.retain(is_meant);
        if index.manifests.is_empty() {
            let message = format!("no image is called {tag}: it holds {}", listed(&names));
            return Err(ImageError::new(message));
        }
    }
    from_index(blobs, &index, platform, 0)
}

/// Follows `descriptor` to an image.
pub(crate) fn from_descriptor(
    blobs: &Blobs,
    descriptor: &Descriptor,
    platform: Option<&Platform>,
    depth: usize,
) -> Result<Selected, ImageError> {
    let bytes = blobs.small(descriptor)?;
    let value: Value = parse(&bytes)?;
    let digest = &descriptor.digest;
    let (is_index, is_manifest) = (value.get("manifests").is_some(), value.get("layers").is_some());
    if is_index && is_manifest {
        let message = format!("{digest} is both a manifest and an index");
        return Err(ImageError::new(message));
    }
    let declared = value.get("mediaType").and_then(Value::as_str);
    if is_index != descriptor.is_index() || declared.is_some_and(|declared| declared != descriptor.media_type)
    {
        let message = format!("{digest} is not the {} it is said to be", descriptor.media_type);
        return Err(ImageError::new(message));
    }
    if is_index {
        if depth >= DEPTH {
            return Err(ImageError::new(format!(
                "indexes in indexes, deeper than {DEPTH}"
            )));
        }
        return from_index(blobs, &parse(&bytes)?, platform, depth + 1);
    }
    let manifest: Manifest = parse(&bytes)?;
    if manifest.layers.len() > LAYERS {
        let message = format!("{} layers are more than {LAYERS}", manifest.layers.len());
        return Err(ImageError::new(message));
    }
    Ok(Selected {
        descriptor: descriptor.clone(),
        manifest,
    })
}

fn from_index(
    blobs: &Blobs,
    index: &Index,
    platform: Option<&Platform>,
    depth: usize,
) -> Result<Selected, ImageError> {
    if index.manifests.len() > WIDTH {
        let message = format!("an index of {} entries is too wide", index.manifests.len());
        return Err(ImageError::new(message));
    }
    // Attestations stand in an index as images of an unknown platform.
    let images: Vec<&Descriptor> = index
        .manifests
        .iter()
        .filter(|one| one.platform.as_ref().is_none_or(|has| has.os != "unknown"))
        .collect();
    let host = Platform::host();
    let wanted = platform.unwrap_or(&host);
    let fitting: Vec<&Descriptor> = images
        .iter()
        .copied()
        .filter(|one| one.platform.as_ref().is_some_and(|has| fits(has, wanted)))
        .collect();
    let names = || images.iter().map(|one| shown(one)).collect::<Vec<_>>();
    match (fitting.as_slice(), images.as_slice()) {
        ([one], _) => from_descriptor(blobs, one, platform, depth),
        ([], [one]) => {
            let selected = from_descriptor(blobs, one, platform, depth)?;
            match (platform, &one.platform) {
                (Some(wanted), Some(has)) => Err(no_platform(wanted, &[has.to_string()])),
                _ => Ok(selected),
            }
        }
        (_, []) => Err(ImageError::new("it holds no image")),
        ([], _) => Err(no_platform(wanted, &names())),
        _ => {
            let message = format!("it holds several images: {}", listed(&names()));
            Err(ImageError::new(message).with_hint("say which: …:TAG, or …:sha256:DIGEST"))
        }
    }
}

pub(crate) fn no_platform(wanted: &Platform, has: &[String]) -> ImageError {
    ImageError::new(format!("no image for {wanted}: it holds {}", listed(has)))
        .with_hint("choose one with --platform")
}

fn shown(descriptor: &Descriptor) -> String {
    let name = descriptor.annotations.get(TAG).cloned();
    let platform = descriptor.platform.as_ref().map(ToString::to_string);
    match (name, platform) {
        (Some(name), Some(platform)) => format!("{name} ({platform})"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => descriptor.digest.to_string(),
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "nothing".into(),
        names if names.len() > 20 => format!("{} and {} more", names[..20].join(", "), names.len() - 20),
        names => names.join(", "),
    }
}

pub(crate) fn fits(has: &Platform, wanted: &Platform) -> bool {
    has.os == wanted.os
        && has.architecture == wanted.architecture
        && (has.variant == wanted.variant || has.variant.is_none() || wanted.variant.is_none())
}

pub(crate) fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| ImageError::new(format!("not a valid image: {error}")))
}
