use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use praxis_layer::{ArchiveKind, LayerError, Limits};
use praxis_oci::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Reference};
use praxis_solve::LayerInfo;
use serde::Serialize;
use serde_json::Value;

use crate::{Engine, EngineError};

/// Manifests, indexes and configurations are read up to this size.
const SMALL: u64 = 4 << 20;

/// What an image is.
#[derive(Clone, Debug, Serialize)]
pub struct ImageDescription {
    /// Digest of the manifest.
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

impl Engine {
    /// Describes an image: a name or digest in the store, `oci-archive:FILE` or `oci-layout:DIR`.
    pub fn inspect(&self, image: &str) -> Result<ImageDescription, EngineError> {
        if let Some(path) = image.strip_prefix("oci-archive:") {
            return archive(Path::new(path), image);
        }
        if let Some(path) = image.strip_prefix("oci-layout:") {
            let directory = Path::new(path.trim_start_matches("//"));
            let index = read_small(&directory.join("index.json"), image)?;
            let blob =
                |digest: &Digest| read_small(&directory.join("blobs/sha256").join(digest.hex()), image);
            return describe(&index, image, &blob);
        }
        let store = self.store()?;
        let missing = || {
            EngineError::user(format!("{image}: no such image in the store"))
                .with_hint("name an image that was built with -t, or oci-archive:FILE or oci-layout:DIR")
        };
        let found = match image.parse::<Digest>() {
            Ok(digest) => store.image_by_digest(&digest),
            Err(_) => {
                let reference: Reference = image
                    .parse()
                    .map_err(|error| EngineError::user(format!("{image}: {error}")))?;
                match reference.digest() {
                    Some(digest) => store.image_by_digest(digest),
                    None => store.image(&reference.with_default_tag().to_string()),
                }
            }
        };
        let descriptor = found.ok_or_else(missing)?.descriptor;
        let sized = |descriptor: &Descriptor| {
            Ok::<_, EngineError>(store.read_blob(&descriptor.digest, descriptor.size)?)
        };
        let bytes = sized(&descriptor)?;
        let manifest: Manifest = parse(&bytes, image)?;
        let config = sized(&manifest.config)?;
        description(&descriptor.digest, &manifest, &config, image)
    }
}

/// Reads the small members of an archive in one pass, then follows them from the index.
fn archive(path: &Path, image: &str) -> Result<ImageDescription, EngineError> {
    let file = File::open(path).map_err(|error| EngineError::user(format!("{image}: {error}")))?;
    let mut members: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    praxis_layer::read_archive(BufReader::new(file), &Limits::default(), &mut |entry, body| {
        if matches!(entry.kind, ArchiveKind::File { size } if size <= SMALL) {
            let mut bytes = Vec::new();
            let _ = body.read_to_end(&mut bytes);
            members.insert(entry.path.as_bytes().to_vec(), bytes);
        }
        Ok::<(), LayerError>(())
    })
    .map_err(|error| EngineError::user(format!("{image}: {error}")))?;
    let missing = |name: &str| EngineError::user(format!("{image}: no {name} in the archive"));
    let index = members
        .get(b"index.json".as_slice())
        .ok_or_else(|| missing("index.json"))?;
    let blob = |digest: &Digest| {
        let name = format!("blobs/sha256/{}", digest.hex());
        members
            .get(name.as_bytes())
            .cloned()
            .ok_or_else(|| missing(&name))
    };
    describe(index, image, &blob)
}

fn describe(
    index: &[u8],
    image: &str,
    blob: &dyn Fn(&Digest) -> Result<Vec<u8>, EngineError>,
) -> Result<ImageDescription, EngineError> {
    let index: Index = parse(index, image)?;
    let host = Platform::host();
    let fitting = index
        .manifests
        .iter()
        .find(|one| one.platform.as_ref() == Some(&host));
    let chosen = fitting
        .or(index.manifests.first())
        .ok_or_else(|| EngineError::user(format!("{image}: it holds no image")))?;
    let bytes = checked(blob(&chosen.digest)?, &chosen.digest, image)?;
    let manifest: Manifest = parse(&bytes, image)?;
    let config = checked(blob(&manifest.config.digest)?, &manifest.config.digest, image)?;
    description(&chosen.digest, &manifest, &config, image)
}

fn checked(bytes: Vec<u8>, digest: &Digest, image: &str) -> Result<Vec<u8>, EngineError> {
    if Digest::of(&bytes) != *digest {
        return Err(EngineError::user(format!(
            "{image}: {digest}: the content has another digest"
        )));
    }
    Ok(bytes)
}

fn description(
    digest: &Digest,
    manifest: &Manifest,
    config: &[u8],
    image: &str,
) -> Result<ImageDescription, EngineError> {
    let parsed: ImageConfig = parse(config, image)?;
    let names: Vec<String> = parsed
        .history
        .iter()
        .filter(|entry| !entry.empty_layer)
        .map(|entry| entry.created_by.clone().unwrap_or_default())
        .collect();
    let layers = manifest
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| LayerInfo {
            digest: layer.digest,
            size: layer.size,
            created_by: names.get(index).cloned().unwrap_or_default(),
        });
    Ok(ImageDescription {
        digest: digest.to_string(),
        config: parse(config, image)?,
        annotations: manifest.annotations.clone(),
        platform: parsed.platform().to_string(),
        layers: layers.collect(),
    })
}

fn parse<T: for<'de> serde::Deserialize<'de>>(bytes: &[u8], image: &str) -> Result<T, EngineError> {
    serde_json::from_slice(bytes)
        .map_err(|error| EngineError::user(format!("{image}: not a valid image: {error}")))
}

fn read_small(path: &Path, image: &str) -> Result<Vec<u8>, EngineError> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)
        .map_err(|error| EngineError::user(format!("{image}: {}: {error}", path.display())))?;
    file.take(SMALL)
        .read_to_end(&mut bytes)
        .map_err(|error| EngineError::user(format!("{image}: {}: {error}", path.display())))?;
    Ok(bytes)
}
