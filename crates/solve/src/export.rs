//! Images and root file systems as files: OCI and Docker archives, tar, directories.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use praxis_layer::{Compression, ContentSource, Entry, Kind, Listing, Ownership, Timestamp, Tree, TreePath};
use praxis_oci::{Descriptor, Digest, Hasher, Index, media_type};
use praxis_store::Store;
use serde_json::json;

use crate::event::{Event, Events};
use crate::layers::Workshop;
use crate::source::{Content, SourceTree};
use crate::state::State;
use crate::{BuiltImage, Solution, SolveError};

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// An OCI layout.
    Oci,
    /// What `docker load` reads: an OCI layout with Docker's `manifest.json`.
    Docker,
    /// The root file system as a tar.
    Tar,
    /// The root file system as files.
    Local,
}

/// Where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// An archive file.
    File(PathBuf),
    /// A directory.
    Directory(PathBuf),
    /// Standard output; the caller makes sure that it is no terminal.
    StandardOutput,
}

/// What an archive or layout of images holds.
#[derive(Clone, Debug)]
pub struct ImageSet {
    /// The manifest or index that the names stand for.
    pub top: Descriptor,
    /// The images below it.
    pub images: Vec<BuiltImage>,
    /// Names.
    pub tags: Vec<String>,
}

/// Writes images to `destination`. Archives appear complete or not at all. An archive that is there already, unchanged
/// since praxis wrote it, is left alone.
///
/// # Errors
/// If the destination cannot be written, or Docker's format cannot hold the images.
pub fn export_images(
    store: &Store,
    set: &ImageSet,
    kind: ExportKind,
    destination: &Destination,
    events: &dyn Events,
) -> Result<(), SolveError> {
    let layout = Layout::new(set, kind)?;
    let bytes = match destination {
        Destination::File(path) => write_archive(store, path, Some(&layout.key(kind)), |out| {
            layout.write_tar(store, out)
        })?,
        Destination::StandardOutput => layout.write_tar(store, &mut io::stdout().lock())?,
        Destination::Directory(path) => layout.write_directory(store, path)?,
    };
    tell(kind, destination, bytes, events);
    Ok(())
}

/// A root file system, and the directory that it is to be in: several are told apart by their platforms.
pub struct RootFileSystem<'a> {
    /// Whose root file system it is.
    pub solution: &'a Solution,
    /// One name, or none for the top.
    pub directory: Option<String>,
}

/// Writes root file systems as files or as a tar. A tar appears complete or not at all.
///
/// # Errors
/// If the destination cannot be written.
pub fn export_files(
    store: &Store,
    roots: &[RootFileSystem<'_>],
    kind: ExportKind,
    destination: &Destination,
    events: &dyn Events,
) -> Result<(), SolveError> {
    let bytes = match destination {
        Destination::File(path) => write_archive(store, path, None, |out| write_root_tar(roots, out))?,
        Destination::StandardOutput => write_root_tar(roots, &mut io::stdout().lock())?,
        Destination::Directory(path) => {
            let mut bytes = 0;
            for root in roots {
                let path = root
                    .directory
                    .as_ref()
                    .map_or_else(|| path.clone(), |name| path.join(name));
                bytes += write_root_directory(root.solution, &path)?;
            }
            bytes
        }
    };
    tell(kind, destination, bytes, events);
    Ok(())
}

fn tell(kind: ExportKind, destination: &Destination, bytes: u64, events: &dyn Events) {
    let shown = match destination {
        Destination::File(path) | Destination::Directory(path) => path.display().to_string(),
        Destination::StandardOutput => "-".into(),
    };
    events.event(Event::Exported {
        kind: format!("{kind:?}").to_lowercase(),
        destination: shown,
        bytes,
    });
}

/// Writes an archive beside `path` and moves it there; with a `key` through the store's kept exports.
fn write_archive(
    store: &Store,
    path: &Path,
    key: Option<&Digest>,
    write: impl FnOnce(&mut dyn Write) -> Result<u64, SolveError>,
) -> Result<u64, SolveError> {
    if let Some(key) = key {
        if store.is_exported(key, path) {
            return Ok(0);
        }
        if store.link_export(key, path) {
            return Ok(fs::metadata(path).map_or(0, |metadata| metadata.len()));
        }
    }
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if path.is_dir() {
        return Err(SolveError::user(format!("{} is a directory", path.display()))
            .with_hint("give a file, or tar=false"));
    }
    let temporary = path.with_file_name(format!(".{name}.praxis-{}", std::process::id()));
    let (file, keeper) = create_new(&temporary)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let bytes = write(&mut out)?;
    out.flush().map_err(SolveError::io("write", &temporary))?;
    fs::rename(&temporary, path).map_err(SolveError::io("rename to", path))?;
    drop(keeper);
    if let Some(key) = key {
        store.keep_export(key, path)?;
    }
    Ok(bytes)
}

/// Creates a file that was not there. What a killed build left under this name is removed first; a link that
/// somebody put there is never written through.
fn create_new(path: &Path) -> Result<(File, RemoveOnDrop), SolveError> {
    let _ = fs::remove_file(path);
    let file = File::options()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(SolveError::io("create", path))?;
    Ok((file, RemoveOnDrop(path.to_path_buf())))
}

struct RemoveOnDrop(PathBuf);

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The files of an OCI layout.
struct Layout {
    small: Vec<(String, Vec<u8>)>,
    blobs: Vec<Descriptor>,
}

impl Layout {
    fn new(set: &ImageSet, kind: ExportKind) -> Result<Layout, SolveError> {
        let tags = &set.tags;
        let entry = |tag: Option<&String>| {
            let mut descriptor = set.top.clone();
            if let Some(tag) = tag {
                let short = tag.rsplit_once(':').map_or("latest", |(_, short)| short);
                descriptor
                    .annotations
                    .insert("io.containerd.image.name".into(), tag.clone());
                descriptor
                    .annotations
                    .insert("org.opencontainers.image.ref.name".into(), short.into());
            }
            descriptor
        };
        let manifests = if tags.is_empty() {
            vec![entry(None)]
        } else {
            tags.iter().map(|tag| entry(Some(tag))).collect()
        };
        let index = Index {
            schema_version: 2,
            media_type: Some(media_type::INDEX.into()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
            other: BTreeMap::new(),
        };
        let encode = |value: &serde_json::Value| serde_json::to_vec(value).unwrap_or_default();
        let index = serde_json::to_vec(&index).map_err(|error| SolveError::internal(error.to_string()))?;
        let mut small = vec![
            (
                "oci-layout".to_string(),
                encode(&json!({"imageLayoutVersion": "1.0.0"})),
            ),
            ("index.json".to_string(), index),
        ];
        if kind == ExportKind::Docker {
            small.push(("manifest.json".to_string(), encode(&docker_manifest(set)?)));
        }
        let mut blobs: Vec<Descriptor> = Vec::new();
        let mut add = |blob: &Descriptor| {
            if !blobs.iter().any(|known| known.digest == blob.digest) {
                blobs.push(blob.clone());
            }
        };
        add(&set.top);
        for image in &set.images {
            add(&image.manifest);
            add(&image.config);
            image.layers.iter().for_each(|layer| add(&layer.descriptor));
        }
        Ok(Layout { small, blobs })
    }

    /// What tells this archive from every other.
    fn key(&self, kind: ExportKind) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(format!("archive 1 {kind:?}").as_bytes());
        for (name, bytes) in &self.small {
            hasher.field(name.as_bytes());
            hasher.field(bytes);
        }
        for blob in &self.blobs {
            hasher.update(blob.digest.as_bytes());
        }
        hasher.finish()
    }

    fn write_tar(&self, store: &Store, out: &mut dyn Write) -> Result<u64, SolveError> {
        let broken = |error: io::Error| SolveError::io("write", Path::new("the archive"))(error);
        let mut total = 0;
        for (name, bytes) in &self.small {
            total += write_member(out, name, bytes.len() as u64, &mut bytes.as_slice()).map_err(broken)?;
        }
        for directory in ["blobs/", "blobs/sha256/"] {
            out.write_all(&header(directory, 0, b'5')).map_err(broken)?;
            total += 512;
        }
        for blob in &self.blobs {
            let mut file = store.open_blob(&blob.digest, blob.size)?;
            total += write_member(out, &blob_name(&blob.digest), blob.size, &mut file).map_err(broken)?;
        }
        out.write_all(&[0; 1024]).map_err(broken)?;
        Ok(total + 1024)
    }

    fn write_directory(&self, store: &Store, path: &Path) -> Result<u64, SolveError> {
        let blobs = path.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(SolveError::io("create", &blobs))?;
        let mut total = 0;
        let mut put = |target: PathBuf, reader: &mut dyn Read| -> Result<(), SolveError> {
            let temporary = target.with_extension("praxis-partial");
            let (mut file, _keeper) = create_new(&temporary)?;
            total += io::copy(reader, &mut file).map_err(SolveError::io("write", &temporary))?;
            fs::rename(&temporary, &target).map_err(SolveError::io("rename to", &target))
        };
        for blob in &self.blobs {
            put(
                blobs.join(blob.digest.hex()),
                &mut store.open_blob(&blob.digest, blob.size)?,
            )?;
        }
        // The index comes last: until then nobody looks for the blobs.
        for (name, bytes) in &self.small {
            put(path.join(name), &mut bytes.as_slice())?;
        }
        Ok(total)
    }
}

/// Writes `files` below `directory`, which have these names, as a tar whose bytes depend on names and content only.
///
/// # Errors
/// If a file cannot be read, or `out` not be written to.
pub fn archive_files(directory: &Path, files: &[String], out: &mut dyn Write) -> io::Result<()> {
    let mut folders: Vec<String> = Vec::new();
    for name in files {
        for (at, _) in name.match_indices('/') {
            let folder = format!("{}/", &name[..at]);
            if !folders.contains(&folder) {
                out.write_all(&header(&folder, 0, b'5'))?;
                folders.push(folder);
            }
        }
        let mut file = File::open(directory.join(name))?;
        let size = file.metadata()?.len();
        write_member(out, name, size, &mut file)?;
    }
    out.write_all(&[0; 1024])
}

/// Docker's own list, which can hold one image under each name.
fn docker_manifest(set: &ImageSet) -> Result<serde_json::Value, SolveError> {
    let [image] = set.images.as_slice() else {
        return Err(SolveError::user(
            "a docker archive cannot hold images of several platforms under one name",
        )
        .with_hint("use type=oci, or one --output type=docker build for each platform"));
    };
    let layers: Vec<String> = image
        .layers
        .iter()
        .map(|layer| blob_name(&layer.descriptor.digest))
        .collect();
    let names = set.tags.iter();
    let names: Vec<&str> = names
        .map(|tag| tag.strip_prefix("docker.io/library/").unwrap_or(tag))
        .collect();
    Ok(json!([{"Config": blob_name(&image.config.digest), "RepoTags": names, "Layers": layers}]))
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn write_member(out: &mut dyn Write, name: &str, size: u64, content: &mut dyn Read) -> io::Result<u64> {
    out.write_all(&header(name, size, b'0'))?;
    let mut buffer = vec![0; 1 << 20];
    let mut left = size;
    while left > 0 {
        let wanted = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = content.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{name} is shorter than it was"),
            ));
        }
        out.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    let padding = (512 - size % 512) % 512;
    out.write_all(&[0; 512][..padding as usize])?;
    Ok(512 + size + padding)
}

/// A ustar header of root's, without a time.
fn header(name: &str, size: u64, kind: u8) -> [u8; 512] {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    let mut octal = |at: usize, width: usize, value: u64| {
        let text = format!("{value:0width$o}", width = width - 1);
        block[at..at + width - 1].copy_from_slice(text.as_bytes());
    };
    octal(100, 8, if kind == b'5' { 0o755 } else { 0o644 });
    octal(108, 8, 0);
    octal(116, 8, 0);
    if size < 1 << 33 {
        octal(124, 12, size);
    }
    octal(136, 12, 0);
    if size >= 1 << 33 {
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|&b| u32::from(b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

/// The merged root file system as one listing.
fn merged(solution: &Solution) -> Result<(Listing, Merged), SolveError> {
    let (listing, contents) = merged_layers(&solution.state)?;
    Ok((listing, Merged(contents)))
}

/// All layers of a state as one listing, and where its contents are.
pub(crate) fn merged_layers(state: &State) -> Result<(Listing, HashMap<TreePath, Content>), SolveError> {
    let mut state = state.clone();
    let tree = state.tree()?;
    let source = state.source("the image".into())?;
    let mut gathered = Gathered {
        entries: Vec::new(),
        contents: HashMap::new(),
        first: HashMap::new(),
    };
    gathered.add(&tree, &source, &TreePath::root())?;
    Ok((Listing::new(gathered.entries), gathered.contents))
}

struct Gathered {
    entries: Vec<Entry>,
    contents: HashMap<TreePath, Content>,
    first: HashMap<(usize, TreePath), TreePath>,
}

impl Gathered {
    fn add(&mut self, tree: &Tree, source: &dyn SourceTree, directory: &TreePath) -> Result<(), SolveError> {
        for (name, node) in tree.children(directory) {
            let path = directory.join(name);
            let mut entry = node.entry(path.clone());
            match &entry.kind {
                Kind::File { .. } => {
                    let inode = (
                        node.layer,
                        node.first_name.clone().unwrap_or_else(|| path.clone()),
                    );
                    match self.first.get(&inode) {
                        Some(target) => {
                            entry.kind = Kind::Hardlink {
                                target: target.clone(),
                            }
                        }
                        None => {
                            self.contents.insert(path.clone(), source.content(&path)?);
                            self.first.insert(inode, path.clone());
                        }
                    }
                }
                Kind::Directory { .. } => entry.kind = Kind::Directory { opaque: false },
                _ => {}
            }
            let is_directory = entry.is_directory();
            self.entries.push(entry);
            if is_directory {
                self.add(tree, source, &path)?;
            }
        }
        Ok(())
    }
}

struct Merged(HashMap<TreePath, Content>);

impl ContentSource for Merged {
    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send + '_>> {
        match self.0.get(&entry.path) {
            Some(content) => content.open().map(|reader| reader as Box<dyn Read + Send>),
            None => Err(io::Error::other("no content")),
        }
    }
}

fn write_root_tar(roots: &[RootFileSystem<'_>], out: &mut dyn Write) -> Result<u64, SolveError> {
    let (mut entries, mut contents) = (Vec::new(), HashMap::new());
    for root in roots {
        let (listing, Merged(files)) = merged(root.solution)?;
        let Some(name) = &root.directory else {
            entries.extend(listing.entries().iter().cloned());
            contents.extend(files);
            continue;
        };
        let top = TreePath::root().join(name.as_bytes());
        let kind = Kind::Directory { opaque: false };
        entries.push(Entry::new(top.clone(), kind, 0o755, Timestamp::default()));
        entries.extend(listing.entries().iter().map(|entry| below(&top, entry)));
        let moved = files.into_iter();
        contents.extend(moved.map(|(path, content)| (top.join_path(&path), content)));
    }
    let (listing, source) = (Listing::new(entries), Merged(contents));
    let written = praxis_layer::write_layer(&listing, &source, Compression::None, 1, None, out)?;
    Ok(written.size)
}

/// The entry as it is in the directory `top`.
fn below(top: &TreePath, entry: &Entry) -> Entry {
    let mut entry = entry.clone();
    entry.path = top.join_path(&entry.path);
    if let Kind::Hardlink { target } = &entry.kind {
        entry.kind = Kind::Hardlink {
            target: top.join_path(target),
        };
    }
    entry
}

fn write_root_directory(solution: &Solution, path: &Path) -> Result<u64, SolveError> {
    let (listing, source) = merged(solution)?;
    fs::create_dir_all(path).map_err(SolveError::io("create", path))?;
    let temporary = path.join(format!(".praxis-{}", std::process::id()));
    fs::create_dir(&temporary).map_err(SolveError::io("create", &temporary))?;
    let keeper = RemoveTreeOnDrop(temporary.clone());
    let directory = Workshop::open_directory(&temporary)?;
    // Device nodes and the like are of no use in a directory of files.
    let plain = |entry: &&Entry| !matches!(entry.kind, Kind::Character { .. } | Kind::Block { .. });
    let listing = Listing::new(listing.entries().iter().filter(plain).cloned().collect());
    praxis_layer::materialize(&listing, &source, &directory, Ownership::Ignored)?;
    merge_into(&temporary, path)?;
    drop(keeper);
    Ok(listing.entries().iter().map(crate::layers::content_size).sum())
}

struct RemoveTreeOnDrop(PathBuf);

impl Drop for RemoveTreeOnDrop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Moves what is in `from` to `to`, over what is there; directories are merged.
fn merge_into(from: &Path, to: &Path) -> Result<(), SolveError> {
    for entry in fs::read_dir(from).map_err(SolveError::io("read", from))? {
        let entry = entry.map_err(SolveError::io("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let there = fs::symlink_metadata(&target).ok();
        match there {
            Some(there) if is_directory && there.is_dir() => {
                merge_into(&source, &target)?;
                continue;
            }
            Some(there) if there.is_dir() => {
                fs::remove_dir_all(&target).map_err(SolveError::io("replace", &target))?;
            }
            Some(_) => fs::remove_file(&target).map_err(SolveError::io("replace", &target))?,
            None => {}
        }
        fs::rename(&source, &target).map_err(SolveError::io("rename to", &target))?;
    }
    Ok(())
}
