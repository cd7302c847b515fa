use std::io::Read;
use std::sync::Arc;

use praxis_oci::{Descriptor, Digest, ImageConfig, Manifest, Platform, Reference, media_type};
use praxis_store::Store;

use crate::archive::ArchiveIndex;
use crate::blobs::{Blob, Blobs, SMALL};
use crate::docker::{self, DockerImage};
use crate::select::{self, Selected, fits, no_platform, parse};
use crate::{ImageError, Location};

/// An image whose manifest and configuration were read and verified; its layers are read when asked for.
pub struct OpenedImage {
    /// As the caller named it.
    pub name: String,
    /// Digest of the manifest; docker archives have none.
    pub digest: Option<Digest>,
    /// The manifest; docker archives have none.
    pub manifest: Option<Manifest>,
    /// Digest of the configuration.
    pub config_digest: Digest,
    /// The configuration.
    pub config: ImageConfig,
    /// The configuration's bytes.
    pub config_bytes: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<ImageLayer>,
    blobs: Blobs,
}

/// A layer of an image.
#[derive(Clone, Debug)]
pub struct ImageLayer {
    /// The blob; `None` for a file of a docker archive, which only its diffID verifies.
    pub descriptor: Option<Descriptor>,
    /// Name of that file.
    file: Option<String>,
    /// Digest of the uncompressed layer.
    pub diff_id: Digest,
    /// Index of its entry in the configuration's history.
    pub history: Option<usize>,
    /// The instruction that made it, from the history.
    pub created_by: Option<String>,
}

/// Opens the image that `text` names (see [`Location`]). Of an index, the image for `platform` is taken, else the one for
/// this machine, else the only one.
///
/// # Errors
/// If it is not there, damaged, not what its digests say, or beyond a limit.
pub fn open(text: &str, platform: Option<&Platform>, store: &Arc<Store>) -> Result<OpenedImage, ImageError> {
    let stored = stored(text, store);
    let location = Location::named(text, stored.is_some());
    let opened = match &location {
        Location::Stored(_) => from_store(text, stored, platform, store),
        Location::Layout(path, tag) => {
            let blobs = Blobs::layout(path)?;
            select::from_layout(&blobs, tag.as_deref(), platform).and_then(|found| assemble(blobs, found))
        }
        Location::OciArchive(path, tag) => {
            let blobs = Blobs::Archive(Arc::new(ArchiveIndex::read(path, store)?));
            select::from_layout(&blobs, tag.as_deref(), platform).and_then(|found| assemble(blobs, found))
        }
        Location::DockerArchive(path, name) => from_docker(
            Blobs::Archive(Arc::new(ArchiveIndex::read(path, store)?)),
            name.as_deref(),
        ),
        Location::Archive(path) => {
            let index = Arc::new(ArchiveIndex::read(path, store)?);
            let blobs = Blobs::Archive(index.clone());
            match (index.has("index.json"), index.has("manifest.json")) {
                (true, _) => {
                    select::from_layout(&blobs, None, platform).and_then(|found| assemble(blobs, found))
                }
                (false, true) => from_docker(blobs, None),
                (false, false) => Err(ImageError::new(
                    "neither an OCI nor a docker archive: it has no index.json and no manifest.json",
                )),
            }
        }
    };
    let mut opened = opened.map_err(|error| error.about(text))?;
    opened.name = text.into();
    if let Some(wanted) = platform
        && !fits(&opened.config.platform(), wanted)
    {
        return Err(no_platform(wanted, &[opened.config.platform().to_string()]).about(text));
    }
    Ok(opened)
}

fn stored(text: &str, store: &Store) -> Option<Descriptor> {
    let found = match text.parse::<Digest>() {
        Ok(digest) => store.image_by_digest(&digest),
        Err(_) => {
            let reference: Reference = text.parse().ok()?;
            match reference.digest() {
                Some(digest) => store.image_by_digest(digest),
                None => store.image(&reference.with_default_tag().to_string()),
            }
        }
    };
    Some(found?.descriptor)
}

fn from_store(
    text: &str,
    stored: Option<Descriptor>,
    platform: Option<&Platform>,
    store: &Arc<Store>,
) -> Result<OpenedImage, ImageError> {
    let blobs = Blobs::Store(store.clone());
    let descriptor = match (stored, text.parse::<Digest>()) {
        (Some(descriptor), _) => descriptor,
        // An image that lost its name, or is a part of an index, stays readable by its digest while it is there.
        (None, Ok(digest)) => unnamed(store, &digest).ok_or_else(|| no_such_image(text))?,
        (None, Err(_)) => {
            text.parse::<Reference>()
                .map_err(|error| ImageError::new(error.to_string()))?;
            return Err(no_such_image(text));
        }
    };
    let found = select::from_descriptor(&blobs, &descriptor, platform, 0)?;
    assemble(blobs, found)
}

fn no_such_image(_: &str) -> ImageError {
    ImageError::new("no such image in the store").with_hint(
        "name an image that was built with -t, or oci-archive:FILE, docker-archive:FILE or oci-layout:DIR",
    )
}

/// The manifest with `digest`, if the store has a blob of it.
fn unnamed(store: &Store, digest: &Digest) -> Option<Descriptor> {
    let size = store.blob_size(digest).filter(|&size| size <= SMALL)?;
    let bytes = store.read_blob(digest, size).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let media_type = value.get("mediaType")?.as_str()?;
    Some(Descriptor::new(media_type, *digest, size))
}

fn assemble(blobs: Blobs, found: Selected) -> Result<OpenedImage, ImageError> {
    let manifest = found.manifest;
    let config_bytes = blobs.small(&manifest.config)?;
    let config: ImageConfig = parse(&config_bytes)?;
    let sources = manifest
        .layers
        .iter()
        .map(|descriptor| (Some(descriptor.clone()), None))
        .collect();
    Ok(OpenedImage {
        name: String::new(),
        digest: Some(found.descriptor.digest),
        config_digest: manifest.config.digest,
        layers: layers(sources, &config)?,
        manifest: Some(manifest),
        config,
        config_bytes,
        blobs,
    })
}

fn from_docker(blobs: Blobs, name: Option<&str>) -> Result<OpenedImage, ImageError> {
    let (DockerImage { layers: files, .. }, config_bytes) = docker::select(&blobs, name)?;
    let config: ImageConfig = parse(&config_bytes)?;
    let sources = files.into_iter().map(|file| (None, Some(file))).collect();
    Ok(OpenedImage {
        name: String::new(),
        digest: None,
        manifest: None,
        config_digest: Digest::of(&config_bytes),
        layers: layers(sources, &config)?,
        config,
        config_bytes,
        blobs,
    })
}

type LayerSources = Vec<(Option<Descriptor>, Option<String>)>;

/// Layers with the entries of the history that made them.
fn layers(sources: LayerSources, config: &ImageConfig) -> Result<Vec<ImageLayer>, ImageError> {
    if sources.len() != config.rootfs.diff_ids.len() {
        return Err(ImageError::new(
            "the manifest and the configuration differ in the number of layers",
        ));
    }
    let written: Vec<usize> = (0..config.history.len())
        .filter(|&index| !config.history[index].empty_layer)
        .collect();
    // A history of another length tells of other layers: then none is believed.
    let told = written.len() == sources.len();
    let layers = sources.into_iter().zip(&config.rootfs.diff_ids).enumerate();
    Ok(layers
        .map(|(index, ((descriptor, file), diff_id))| {
            let history = told.then(|| written[index]);
            ImageLayer {
                descriptor,
                file,
                diff_id: *diff_id,
                history,
                created_by: history.and_then(|at| config.history[at].created_by.clone()),
            }
        })
        .collect())
}

impl OpenedImage {
    /// The bytes of layer `index` as they are stored, not yet verified.
    pub(crate) fn open_layer(&self, index: usize) -> Result<Blob, ImageError> {
        let layer = &self.layers[index];
        match (&layer.descriptor, &layer.file) {
            (Some(descriptor), _) => self.blobs.open(descriptor),
            (None, Some(file)) => self.blobs.member(file),
            (None, None) => Err(ImageError::new("a layer without bytes")),
        }
    }

    /// Puts the layers into `store`, verified, and gives a manifest of them: that of the image where it has one. What is
    /// there already is not read again.
    pub fn shelve(&self, store: &Store) -> Result<Manifest, ImageError> {
        let mut layers = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let descriptor = match &layer.descriptor {
                Some(descriptor) => {
                    if !store.has_blob(&descriptor.digest, descriptor.size) {
                        let mut writer = store.blob_writer()?;
                        self.copy_layer(index, &mut writer)?;
                        writer.commit_as(&descriptor.digest)?;
                    }
                    descriptor.clone()
                }
                None => {
                    let mut writer = store.blob_writer()?;
                    self.copy_layer(index, &mut writer)?;
                    let (digest, size) = writer.commit()?;
                    Descriptor::new(media_type::LAYER, digest, size)
                }
            };
            layers.push(descriptor);
        }
        if let Some(manifest) = &self.manifest {
            return Ok(manifest.clone());
        }
        let config = Descriptor::new(
            media_type::CONFIG,
            self.config_digest,
            self.config_bytes.len() as u64,
        );
        let text = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": layers});
        serde_json::from_value(text).map_err(|error| ImageError::new(error.to_string()))
    }

    fn copy_layer(&self, index: usize, out: &mut dyn std::io::Write) -> Result<(), ImageError> {
        let most = self.stored_size(index)?;
        let mut blob = self.open_layer(index)?.take(most.saturating_add(1));
        std::io::copy(&mut blob, out)
            .map(drop)
            .map_err(|error| ImageError::new(format!("layer {}: {error}", index + 1)))
    }

    /// Stored size of layer `index`.
    pub fn stored_size(&self, index: usize) -> Result<u64, ImageError> {
        match &self.layers[index].descriptor {
            Some(descriptor) => Ok(descriptor.size),
            None => Ok(self.open_layer(index)?.length()),
        }
    }
}
