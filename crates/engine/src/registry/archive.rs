//! Archives of images as places to copy from and to: a tar of an OCI layout, and what `docker save` writes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use praxis_layer::{ArchiveKind, LayerError, Limits, TreePath, decompress, read_archive};
use praxis_oci::{Descriptor, Digest, Hasher, Reference, media_type};
use praxis_registry::{Document, FetchedManifest, RegistryError};
use praxis_solve::archive_files;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ArchiveFormat;
use super::layout::Layout;
use crate::EngineError;

/// No image has more files than this in its archive.
const MEMBERS: u64 = 10_000;
/// Longest list and longest configuration.
const SMALL: u64 = 4 << 20;
/// Annotation with the whole name of an image, as Docker reads and writes it.
const FULL_NAME: &str = "io.containerd.image.name";
const BLOBS: &str = "blobs/sha256/";

/// One image of Docker's `manifest.json`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// The archive at `path`, unpacked as a layout into `directory`, and the image in it that `name` means.
///
/// # Errors
/// If it is no such archive. Nothing in it is written anywhere under the name it has there, except blobs whose name is a
/// digest.
pub(super) fn open(
    path: &Path,
    name: Option<&str>,
    format: ArchiveFormat,
    directory: &Path,
) -> Result<(Layout, Descriptor), EngineError> {
    let wrong = |why: String| EngineError::user(format!("{}: {why}", path.display()));
    let layout = Layout::create(directory)?;
    let members = unpack(path, directory).map_err(|Trouble(why)| wrong(why))?;
    let root = match directory.join("index.json").exists() {
        true => match (format, name) {
            (ArchiveFormat::Docker, Some(name)) => named(&layout, name)?,
            _ => layout.root(name)?,
        },
        false => {
            let root = docker_image(&members, name, directory).map_err(|error| EngineError {
                message: format!("{}: {}", path.display(), error.message),
                ..error
            })?;
            layout.name(&root, None)?;
            root
        }
    };
    Ok((layout, root))
}

/// The image of a layout by its full name, which Docker writes beside the tag.
fn named(layout: &Layout, name: &str) -> Result<Descriptor, EngineError> {
    match layout.root_where(|one| {
        let full = one.annotations.get(FULL_NAME);
        full.is_some_and(|full| normal(full) == normal(name))
    })? {
        Some(found) => Ok(found),
        None => Ok(layout.root(Some(name))?),
    }
}

fn normal(name: &str) -> String {
    name.parse::<Reference>()
        .map_or_else(|_| name.to_string(), |name| name.with_default_tag().to_string())
}

/// Why an archive could not be unpacked.
struct Trouble(String);

impl From<LayerError> for Trouble {
    fn from(error: LayerError) -> Trouble {
        Trouble(error.to_string())
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble(error.to_string())
    }
}

/// Unpacks what an image is made of; tells where the files are that are no blobs of a layout.
fn unpack(path: &Path, directory: &Path) -> Result<BTreeMap<TreePath, PathBuf>, Trouble> {
    let limits = Limits {
        max_entries: MEMBERS,
        ..Limits::default()
    };
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(Trouble("is not a regular file".into()));
    }
    let reader = decompress(BufReader::with_capacity(256 << 10, file), &limits)?;
    let mut members: BTreeMap<TreePath, PathBuf> = BTreeMap::new();
    read_archive(reader, &limits, &mut |entry, content| {
        let name = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        let target = match &entry.kind {
            ArchiveKind::File { .. } if name == "index.json" => directory.join(&name),
            ArchiveKind::File { .. } => match blob_of(&name) {
                Some(digest) => directory.join(BLOBS).join(digest.hex()),
                None => directory.join(format!("member-{}", members.len())),
            },
            ArchiveKind::Hardlink { target } => return link(&mut members, entry.path, target),
            ArchiveKind::Symlink { target } => {
                let parent = entry.path.parent().unwrap_or_default();
                let target = TreePath::clean(&[parent.as_bytes(), b"/", target.as_slice()].concat());
                return link(&mut members, entry.path, &target);
            }
            _ => return Ok::<(), Trouble>(()),
        };
        // The last member of a name is the one that counts, as in tar.
        io::copy(content, &mut File::create(&target)?)?;
        members.insert(entry.path, target);
        Ok(())
    })?;
    Ok(members)
}

/// A further name of an earlier member; one of a later or an absent member names nothing.
fn link(members: &mut BTreeMap<TreePath, PathBuf>, name: TreePath, target: &TreePath) -> Result<(), Trouble> {
    if let Some(file) = members.get(target).cloned() {
        members.insert(name, file);
    }
    Ok(())
}

fn blob_of(name: &str) -> Option<Digest> {
    let hex = name.strip_prefix(BLOBS)?;
    format!("sha256:{hex}").parse().ok()
}

/// An image of Docker's `manifest.json` as an OCI manifest, written into the layout. Layers keep their bytes.
fn docker_image(
    members: &BTreeMap<TreePath, PathBuf>,
    name: Option<&str>,
    directory: &Path,
) -> Result<Descriptor, EngineError> {
    let list = small(members, "manifest.json")?;
    let images: Vec<DockerImage> = serde_json::from_slice(&list)
        .map_err(|error| EngineError::user(format!("manifest.json: {error}")))?;
    let fits = |image: &&DockerImage| {
        let tags = image.repo_tags.as_deref().unwrap_or_default();
        name.is_none_or(|name| tags.iter().any(|tag| normal(tag) == normal(name)))
    };
    let found: Vec<&DockerImage> = images.iter().filter(fits).collect();
    let [image] = found.as_slice() else {
        let names: Vec<&str> = images
            .iter()
            .flat_map(|image| image.repo_tags.iter().flatten())
            .map(String::as_str)
            .collect();
        return Err(EngineError::user(format!(
            "{} images fit, it holds {}",
            found.len(),
            names.join(", ")
        ))
        .with_hint("say which: docker-archive:FILE:NAME"));
    };
    let config = small(members, &image.config)?;
    let diff_ids = diff_ids(&config)?;
    if diff_ids.len() != image.layers.len() {
        return Err(EngineError::user(
            "manifest.json and the configuration differ in layers",
        ));
    }
    let mut layers = Vec::new();
    for (layer, diff_id) in image.layers.iter().zip(&diff_ids) {
        layers.push(docker_layer(member(members, layer)?, layer, diff_id, directory)?);
    }
    let config = keep(directory, media_type::CONFIG, &config)?;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": layers,
    });
    keep(
        directory,
        media_type::MANIFEST,
        &serde_json::to_vec(&manifest).unwrap_or_default(),
    )
}

fn member<'m>(members: &'m BTreeMap<TreePath, PathBuf>, name: &str) -> Result<&'m Path, EngineError> {
    let found = members.get(&TreePath::clean(name.as_bytes()));
    found
        .map(PathBuf::as_path)
        .ok_or_else(|| EngineError::user(format!("{name}: not in the archive")))
}

fn small(members: &BTreeMap<TreePath, PathBuf>, name: &str) -> Result<Vec<u8>, EngineError> {
    let path = member(members, name)?;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SMALL + 1).read_to_end(&mut bytes));
    read.map_err(|error| EngineError::environment(format!("{}: {error}", path.display())))?;
    match bytes.len() as u64 > SMALL {
        true => Err(EngineError::user(format!("{name}: longer than {SMALL} bytes"))),
        false => Ok(bytes),
    }
}

fn diff_ids(config: &[u8]) -> Result<Vec<Digest>, EngineError> {
    let config: praxis_oci::ImageConfig = serde_json::from_slice(config)
        .map_err(|error| EngineError::user(format!("the configuration: {error}")))?;
    Ok(config.rootfs.diff_ids)
}

/// Puts a layer under its digest; one that is not compressed has to have its diffID.
fn docker_layer(
    path: &Path,
    name: &str,
    diff_id: &Digest,
    directory: &Path,
) -> Result<Descriptor, EngineError> {
    let failed = |error: io::Error| EngineError::environment(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = Hasher::new();
    let mut first = [0; 4];
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            break;
        }
        if hasher.length() == 0 {
            let known = count.min(first.len());
            first[..known].copy_from_slice(&buffer[..known]);
        }
        hasher.update(&buffer[..count]);
    }
    let media_type = match first {
        [0x1f, 0x8b, ..] => media_type::LAYER_GZIP,
        [0x28, 0xb5, 0x2f, 0xfd] => media_type::LAYER_ZSTD,
        _ => media_type::LAYER,
    };
    let (size, digest) = (hasher.length(), hasher.finish());
    if media_type == media_type::LAYER && digest != *diff_id {
        return Err(EngineError::user(format!(
            "{name}: its content is {digest}, the configuration says {diff_id}"
        )));
    }
    let target = directory.join(BLOBS).join(digest.hex());
    // One member may be several layers.
    if !target.exists() {
        fs::hard_link(path, &target).map_err(failed)?;
    }
    Ok(Descriptor::new(media_type, digest, size))
}

fn keep(directory: &Path, media_type: &str, bytes: &[u8]) -> Result<Descriptor, EngineError> {
    let descriptor = Descriptor::of(media_type, bytes);
    let path = directory.join(BLOBS).join(descriptor.digest.hex());
    fs::write(&path, bytes)
        .map_err(|error| EngineError::environment(format!("cannot write {}: {error}", path.display())))?;
    Ok(descriptor)
}

/// Names the image in the layout: Docker's names are whole references, of which an OCI index holds the tag.
pub(super) fn name(
    layout: &Layout,
    root: &FetchedManifest,
    name: Option<&str>,
    format: ArchiveFormat,
) -> Result<(), EngineError> {
    let mut descriptor = root.descriptor.clone();
    let mut tag = name.map(str::to_string);
    if let (ArchiveFormat::Docker, Some(name)) = (format, name) {
        let reference: Reference = name
            .parse()
            .map_err(|error| EngineError::user(format!("docker-archive: {name}: {error}")))?;
        let reference = reference.with_default_tag();
        tag = reference.tag().map(str::to_string);
        descriptor
            .annotations
            .insert(FULL_NAME.into(), reference.to_string());
    }
    Ok(layout.name(&descriptor, tag.as_deref())?)
}

/// Writes the layout in `directory` as an archive at `path`, which appears complete or not at all. The same image gives
/// the same bytes.
pub(super) fn write(
    directory: &Path,
    path: &Path,
    name: Option<&str>,
    format: ArchiveFormat,
    root: &FetchedManifest,
) -> Result<(), EngineError> {
    let failed =
        |error: io::Error| EngineError::environment(format!("cannot write {}: {error}", path.display()));
    let mut files = vec!["oci-layout".to_string(), "index.json".to_string()];
    if format == ArchiveFormat::Docker {
        let list = docker_list(root, name)?;
        fs::write(directory.join("manifest.json"), list).map_err(failed)?;
        files.push("manifest.json".into());
    }
    let mut blobs = Vec::new();
    for entry in fs::read_dir(directory.join(BLOBS)).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        blobs.push(format!("{BLOBS}{}", name.to_string_lossy()));
    }
    blobs.sort();
    files.extend(blobs);
    if path.is_dir() {
        return Err(EngineError::user(format!("{} is a directory", path.display())));
    }
    let file_name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let temporary = path.with_file_name(format!(".{file_name}.praxis-{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let written = File::options()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|file| {
            let mut out = io::BufWriter::with_capacity(1 << 20, file);
            archive_files(directory, &files, &mut out)?;
            out.flush()
        })
        .and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        failed(error)
    })
}

/// Docker's own list, which can hold one image under each name.
fn docker_list(root: &FetchedManifest, name: Option<&str>) -> Result<Vec<u8>, EngineError> {
    let Document::Manifest(manifest) = &root.document else {
        return Err(EngineError::user(
            "a docker archive cannot hold images of several platforms under one name",
        )
        .with_hint("use oci-archive:, or copy the digest of one platform's image"));
    };
    let file = |blob: &Descriptor| format!("{BLOBS}{}", blob.digest.hex());
    let short = |name: &str| {
        name.parse::<Reference>()
            .map_or_else(|_| name.to_string(), |name| name.with_default_tag().familiar())
    };
    let image = DockerImage {
        config: file(&manifest.config),
        repo_tags: Some(name.map(short).into_iter().collect()),
        layers: manifest.layers.iter().map(file).collect(),
    };
    serde_json::to_vec(&[image]).map_err(|error| RegistryError::of_machine(error.to_string()).into())
}
