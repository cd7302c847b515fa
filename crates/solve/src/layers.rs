//! A layer during a build: listing, content, snapshot and blob, each made when first needed.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use praxis_layer::{
    BlobBlocks, BlockIndex, BlockReuse, Compression, ContentSource, Entry, Kind, Limits, Listing, Ownership,
    Tree, TreePath,
};
use praxis_oci::{Descriptor, Digest, Hasher, media_type};
use praxis_store::{LayerBlob, Scratch, SnapshotState, Store};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::source::Content;
use crate::step_cache::Carried;
use crate::waiting::Turns;
use crate::{SolveError, Workplace};

/// What all layers of one build share.
pub(crate) struct Workshop {
    pub store: Arc<Store>,
    pub ownership: Ownership,
    pub threads: usize,
    /// What somebody makes just now.
    pub turns: Arc<Turns>,
}

impl Workshop {
    pub fn of(workplace: &Workplace) -> Arc<Workshop> {
        Arc::new(Workshop {
            store: workplace.store.clone(),
            ownership: workplace.ownership,
            threads: workplace.threads,
            turns: workplace.turns.clone(),
        })
    }

    /// Opens a directory for work relative to it.
    pub fn open_directory(path: &Path) -> Result<OwnedFd, SolveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| SolveError::io("open", path)(error.into()))
    }
}

/// A layer that came from elsewhere.
struct Foreign {
    blob: LayerBlob,
    /// The layers below: they give directories that the tar only implies their metadata.
    below: Vec<Arc<LayerHandle>>,
}

/// One layer.
pub(crate) struct LayerHandle {
    workshop: Arc<Workshop>,
    id: Digest,
    /// The blob of a layer that came from elsewhere: it is kept as it came.
    foreign: Option<Foreign>,
    /// Where the layer comes from if the store has not its content.
    carried: Option<Carried>,
    /// A layer like this one whose compressed blocks may serve again.
    like: Option<Digest>,
    listing: OnceLock<Arc<Listing>>,
    content: Mutex<Option<Arc<HashMap<TreePath, Content>>>>,
    snapshot: Mutex<Option<Vec<PathBuf>>>,
    blob: Mutex<HashMap<&'static str, LayerBlob>>,
    /// Holds the snapshot where inodes cannot have the right owners, so that it must not enter the store.
    private: Mutex<Option<Scratch>>,
}

impl LayerHandle {
    /// A layer of the store.
    pub fn stored(workshop: &Arc<Workshop>, id: Digest) -> LayerHandle {
        LayerHandle {
            workshop: workshop.clone(),
            id,
            foreign: None,
            carried: None,
            like: None,
            listing: OnceLock::new(),
            content: Mutex::default(),
            snapshot: Mutex::default(),
            blob: Mutex::default(),
            private: Mutex::default(),
        }
    }

    /// A layer of a base image.
    pub fn foreign(
        workshop: &Arc<Workshop>,
        id: Digest,
        blob: LayerBlob,
        below: Vec<Arc<LayerHandle>>,
    ) -> LayerHandle {
        LayerHandle {
            foreign: Some(Foreign { blob, below }),
            ..LayerHandle::stored(workshop, id)
        }
    }

    /// A layer of another store's cache; its listing is stored.
    pub fn carried(workshop: &Arc<Workshop>, id: Digest, carried: Carried) -> LayerHandle {
        LayerHandle {
            carried: Some(carried),
            ..LayerHandle::stored(workshop, id)
        }
    }

    /// A layer that was just made; the listing is stored, the content stays where it is.
    pub fn made(
        workshop: &Arc<Workshop>,
        listing: Listing,
        content: HashMap<TreePath, Content>,
        like: Option<Digest>,
    ) -> Result<LayerHandle, SolveError> {
        let id = workshop.store.put_listing(&listing)?;
        let mut handle = LayerHandle::stored(workshop, id);
        let _ = handle.listing.set(Arc::new(listing));
        handle.content = Mutex::new(Some(Arc::new(content)));
        handle.like = like;
        Ok(handle)
    }

    /// The layer that the directory `made` (in a scratch of the store) is, in overlayfs format.
    pub fn adopted(
        workshop: &Arc<Workshop>,
        listing: Listing,
        made: &Path,
    ) -> Result<LayerHandle, SolveError> {
        let id = workshop.store.put_listing(&listing)?;
        let handle = LayerHandle::stored(workshop, id);
        let _ = handle.listing.set(Arc::new(listing));
        let path = workshop.store.adopt_snapshot(&id, made, None)?;
        *handle.snapshot.lock().expect("no panic while held") = Some(path);
        Ok(handle)
    }

    pub fn id(&self) -> Digest {
        self.id
    }

    /// Files whose names mean removals in image layers: they take effect when the image is unpacked.
    pub fn removals_in_disguise(&self) -> Result<Vec<TreePath>, SolveError> {
        let listing = self.listing()?;
        let named = listing.entries().iter().filter(|entry| {
            entry.path.name().starts_with(b".wh.") && matches!(entry.kind, Kind::File { .. })
        });
        Ok(named.map(|entry| entry.path.clone()).collect())
    }

    pub fn listing(&self) -> Result<Arc<Listing>, SolveError> {
        if let Some(listing) = self.listing.get() {
            return Ok(listing.clone());
        }
        let listing = self.workshop.store.listing(&self.id).ok_or_else(|| self.lost())?;
        Ok(self.listing.get_or_init(|| Arc::new(listing)).clone())
    }

    fn lost(&self) -> SolveError {
        SolveError::internal(format!("layer {} is no longer in the store", self.id)).with_hint("build again")
    }

    /// Whether the layer can be had without running anything: from its snapshot or a blob.
    pub fn is_recoverable(&self) -> bool {
        let store = &self.workshop.store;
        store.has_layer(&self.id)
            && (matches!(store.snapshot(&self.id), SnapshotState::Ready(_))
                || self.known_blob("gzip").is_some()
                || self.known_blob("zstd").is_some()
                || self.known_blob("tar").is_some())
    }

    fn known_blob(&self, form: &'static str) -> Option<LayerBlob> {
        let store = &self.workshop.store;
        match &self.foreign {
            Some(Foreign { blob, .. }) => store
                .has_blob(&blob.descriptor.digest, blob.descriptor.size)
                .then(|| blob.clone()),
            None => store.layer_blob(&self.id, form),
        }
    }

    /// The blob that the cache has which this layer is from.
    pub fn carried_blob(&self, form: &str) -> Option<LayerBlob> {
        self.carried.as_ref().and_then(|carried| carried.blob(form))
    }

    /// Whether the layer is from a cache that has not its content, and the store has it neither.
    pub fn is_only_described(&self) -> bool {
        self.carried.as_ref().is_some_and(Carried::is_only_described) && !self.is_recoverable()
    }

    /// Opens a blob of this layer.
    pub fn open_blob(&self, blob: &LayerBlob) -> Result<Box<dyn Read>, SolveError> {
        let store = &self.workshop.store;
        Ok(Box::new(
            store.open_blob(&blob.descriptor.digest, blob.descriptor.size)?,
        ))
    }

    /// Makes sure that the store has the layer's content.
    fn fetch(&self) -> Result<(), SolveError> {
        match &self.carried {
            Some(carried) if !self.is_recoverable() => carried.fetch(&self.workshop.store),
            _ => Ok(()),
        }
    }

    /// The directories that overlayfs can mount over each other, topmost first.
    pub fn snapshot(&self) -> Result<Vec<PathBuf>, SolveError> {
        let mut snapshot = self.snapshot.lock().expect("no panic while held");
        if let Some(chain) = &*snapshot {
            return Ok(chain.clone());
        }
        let chain = match self.workshop.store.snapshot(&self.id) {
            SnapshotState::Ready(chain) => chain,
            SnapshotState::Absent => self.materialize_once()?,
        };
        *snapshot = Some(chain.clone());
        Ok(chain)
    }

    /// The snapshot as one directory.
    pub fn plain_snapshot(&self) -> Result<PathBuf, SolveError> {
        let chain = self.snapshot()?;
        if let [only] = chain.as_slice() {
            return Ok(only.clone());
        }
        let mut private = self.private.lock().expect("no panic while held");
        if private.is_none() {
            let scratch = self.workshop.store.scratch()?;
            let made = scratch.directory("snapshot")?;
            let directory = Workshop::open_directory(&made)?;
            let (listing, ownership) = (self.listing()?, self.workshop.ownership);
            praxis_layer::materialize(&listing, &Own(self), &directory, ownership)?;
            *private = Some(scratch);
        }
        let scratch = private.as_ref().map(|scratch| scratch.path().join("snapshot"));
        scratch.ok_or_else(|| self.lost())
    }

    /// Of a base several builds may want the snapshot at once: one makes it. (A layer in the making may take files from
    /// another with the same content, so it must not wait.)
    fn materialize_once(&self) -> Result<Vec<PathBuf>, SolveError> {
        if self.foreign.is_none() {
            return self.materialize();
        }
        let mut hasher = Hasher::new();
        hasher.field(b"snapshot");
        hasher.update(self.id.as_bytes());
        let workshop = &self.workshop;
        workshop
            .turns
            .with(hasher.finish(), || match workshop.store.snapshot(&self.id) {
                SnapshotState::Ready(chain) => Ok(chain),
                SnapshotState::Absent => self.materialize(),
            })
    }

    fn materialize(&self) -> Result<Vec<PathBuf>, SolveError> {
        let store = &self.workshop.store;
        let scratch = store.scratch()?;
        let made = scratch.directory("snapshot")?;
        let directory = Workshop::open_directory(&made)?;
        let content = self.content.lock().expect("no panic while held").clone();
        let ownership = self.workshop.ownership;
        let mut over = None;
        if let Some(content) = content {
            let listing = self.listing()?;
            let source = Mapped(content);
            match self.little_more().filter(|_| ownership == Ownership::Real) {
                Some((base, changes)) => {
                    praxis_layer::materialize(&changes, &source, &directory, ownership)?;
                    over = Some(base);
                }
                None => praxis_layer::materialize(&listing, &source, &directory, ownership)?,
            }
        } else {
            self.fetch()?;
            let blob = ["gzip", "zstd", "tar"]
                .into_iter()
                .find_map(|form| self.known_blob(form));
            let blob = blob.ok_or_else(|| self.lost())?;
            let file = store.open_blob(&blob.descriptor.digest, blob.descriptor.size)?;
            let reader = praxis_layer::decompress(BufReader::new(file), &Limits::default())?;
            let mut lower = Tree::new();
            for (index, layer) in self.foreign.iter().flat_map(|foreign| &foreign.below).enumerate() {
                let listing = layer.listing()?;
                lower.apply(index, &listing);
            }
            let limits = Limits::default();
            praxis_layer::extract_layer_over(reader, &directory, &limits, ownership, Some(&lower))?;
        }
        if ownership == Ownership::Ignored {
            *self.private.lock().expect("no panic while held") = Some(scratch);
            return Ok(vec![made]);
        }
        Ok(store.adopt_snapshot(&self.id, &made, over.as_ref())?)
    }

    /// If this layer is another one with few additions and changes and no removals: the other, and the changes with
    /// the directories they are in. Their snapshot over the other's is this layer's. (A removal would need a
    /// whiteout, which would also hide what is below both.)
    fn little_more(&self) -> Option<(Digest, Listing)> {
        let like = self.like?;
        if !matches!(self.workshop.store.snapshot(&like), SnapshotState::Ready(chain) if chain.len() < 6) {
            return None;
        }
        let (old, new) = (self.workshop.store.listing(&like)?, self.listing().ok()?);
        additions(&old, &new).map(|changes| (like, changes))
    }

    /// Opens the content of the file at `path` of this layer's own listing.
    pub fn open(&self, path: &TreePath) -> io::Result<Box<dyn Read + Send>> {
        let content = self.content.lock().expect("no panic while held").clone();
        if let Some(content) = content.and_then(|content| content.get(path).cloned()) {
            return content.open();
        }
        let chain = self.snapshot().map_err(io::Error::other)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let confined = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let mut outcome = Err(io::Error::from(io::ErrorKind::NotFound));
        for snapshot in chain {
            let directory = Workshop::open_directory(&snapshot).map_err(io::Error::other)?;
            match openat2(&directory, path.as_path(), flags, Mode::empty(), confined) {
                Err(rustix::io::Errno::NOENT) => {}
                other => {
                    outcome = other.map(File::from).map_err(io::Error::from);
                    break;
                }
            }
        }
        Ok(Box::new(outcome?))
    }

    /// The blob, written if it is not there yet. A layer from elsewhere keeps its own.
    pub fn blob(&self, compression: Compression) -> Result<LayerBlob, SolveError> {
        let form = form_of(compression);
        let mut known = self.blob.lock().expect("no panic while held");
        if let Some(blob) = known.get(form) {
            return Ok(blob.clone());
        }
        let blob = match self.known_blob(form) {
            Some(blob) => blob,
            None if self.foreign.is_some() => return Err(self.lost()),
            None => self.write_blob_once(compression)?,
        };
        known.insert(form, blob.clone());
        Ok(blob)
    }

    /// The blob at a level that may not be the usual one. A layer from elsewhere keeps its own. It is made of the usual
    /// blob, which stays what the layer is known by: builds that ask for no level have the same bytes as ever.
    pub fn blob_at(&self, compression: Compression, level: Option<u8>) -> Result<LayerBlob, SolveError> {
        let usual = self.blob(compression)?;
        match level.filter(|level| compression.usual_level() != Some(*level)) {
            Some(level) if self.foreign.is_none() => self.repacked(&usual, compression, Some(level)),
            _ => Ok(usual),
        }
    }

    /// The blob in this compression, also of a layer from elsewhere: the same tar, compressed again.
    pub fn forced_blob(&self, compression: Compression, level: Option<u8>) -> Result<LayerBlob, SolveError> {
        let level = level.filter(|level| compression.usual_level() != Some(*level));
        match &self.foreign {
            Some(foreign) if foreign.blob.descriptor.media_type == media_type_of(compression) => {
                Ok(foreign.blob.clone())
            }
            Some(foreign) => self.repacked(&foreign.blob, compression, level),
            None => self.blob_at(compression, level),
        }
    }

    /// `own` compressed again; the store remembers it.
    fn repacked(
        &self,
        own: &LayerBlob,
        compression: Compression,
        level: Option<u8>,
    ) -> Result<LayerBlob, SolveError> {
        let mut hasher = Hasher::new();
        hasher.field(b"recompressed 1");
        hasher.field(form_of(compression).as_bytes());
        if let Some(level) = level {
            hasher.field(&[level]);
        }
        hasher.update(own.descriptor.digest.as_bytes());
        let key = hasher.finish();
        let store = &self.workshop.store;
        self.workshop.turns.with(key, || {
            let known: Option<LayerBlob> = store.record(&key);
            let there = |blob: &LayerBlob| store.has_blob(&blob.descriptor.digest, blob.descriptor.size);
            if let Some(known) = known.filter(there) {
                return Ok(known);
            }
            let blob = self.recompress(own, compression, level)?;
            store.put_record(&key, &blob)?;
            Ok(blob)
        })
    }

    fn recompress(
        &self,
        own: &LayerBlob,
        compression: Compression,
        level: Option<u8>,
    ) -> Result<LayerBlob, SolveError> {
        let store = &self.workshop.store;
        let file = store.open_blob(&own.descriptor.digest, own.descriptor.size)?;
        let mut tar = praxis_layer::decompress(BufReader::new(file), &Limits::default())?;
        let mut writer = BufWriter::with_capacity(256 << 10, store.blob_writer()?.without_hashing());
        let threads = self.workshop.threads;
        let written = praxis_layer::compress_tar(&mut tar, compression, level, threads, &mut writer)?;
        let broken = |error: io::Error| SolveError::io("write", store.root())(error);
        writer.flush().map_err(broken)?;
        let writer = writer.into_inner().map_err(|error| broken(error.into_error()))?;
        if written.diff_id != own.diff_id {
            return Err(self.lost());
        }
        writer.commit_hashed(&written.digest)?;
        Ok(LayerBlob {
            descriptor: Descriptor::new(media_type_of(compression), written.digest, written.size),
            diff_id: written.diff_id,
        })
    }

    /// Another handle of the same layer may be writing the blob: then its is taken.
    fn write_blob_once(&self, compression: Compression) -> Result<LayerBlob, SolveError> {
        let form = form_of(compression);
        let mut hasher = Hasher::new();
        hasher.field(b"blob");
        hasher.field(form.as_bytes());
        hasher.update(self.id.as_bytes());
        self.workshop
            .turns
            .with(hasher.finish(), || match self.known_blob(form) {
                Some(blob) => Ok(blob),
                None => {
                    self.fetch()?;
                    match self.known_blob(form).filter(|_| self.carried.is_some()) {
                        Some(blob) => Ok(blob),
                        None => self.write_blob(compression),
                    }
                }
            })
    }

    fn write_blob(&self, compression: Compression) -> Result<LayerBlob, SolveError> {
        let store = &self.workshop.store;
        let listing = self.listing()?;
        let small = listing.entries().iter().map(content_size).sum::<u64>() < 1 << 20;
        let threads = if small { 1 } else { self.workshop.threads };
        let reuse = self.like.and_then(|like| self.blocks_of(&like, compression));
        let reuse = reuse.as_ref().map(|blocks| blocks as &dyn BlockReuse);
        let mut writer = BufWriter::with_capacity(256 << 10, store.blob_writer()?.without_hashing());
        let source = Own(self);
        let written = praxis_layer::write_layer(&listing, &source, compression, threads, reuse, &mut writer)?;
        let broken = |error: io::Error| SolveError::io("write", store.root())(error);
        writer.flush().map_err(broken)?;
        let writer = writer.into_inner().map_err(|error| broken(error.into_error()))?;
        writer.commit_hashed(&written.digest)?;
        let blob = LayerBlob {
            descriptor: Descriptor::new(media_type_of(compression), written.digest, written.size),
            diff_id: written.diff_id,
        };
        store.put_layer_blob(&self.id, form_of(compression), &blob, &written.blocks.encode())?;
        Ok(blob)
    }

    fn blocks_of(&self, like: &Digest, compression: Compression) -> Option<BlobBlocks> {
        let form = form_of(compression);
        let blob = self.workshop.store.layer_blob(like, form)?;
        let index = BlockIndex::decode(&self.workshop.store.layer_blocks(like, form)?).ok()?;
        let file = File::open(self.workshop.store.blob_path(&blob.descriptor.digest)).ok()?;
        Some(BlobBlocks { file, index })
    }
}

/// The entries of `new` that `old` has not just so, with the directories they are in; `None` if they are many, if
/// `old` has paths that `new` has not, or if links, whiteouts or kinds make it less than simple.
fn additions(old: &Listing, new: &Listing) -> Option<Listing> {
    let plain = |entry: &Entry| {
        matches!(
            entry.kind,
            Kind::Directory { opaque: false } | Kind::File { .. } | Kind::Symlink { .. } | Kind::Fifo
        )
    };
    let mut changed: BTreeMap<TreePath, Entry> = BTreeMap::new();
    let (mut before, mut after) = (old.entries().iter().peekable(), new.entries().iter());
    for entry in &mut after {
        if !plain(entry) {
            return None;
        }
        let known = before.next_if(|old| old.path == entry.path);
        if known.is_some_and(|old| old.is_directory() != entry.is_directory() || !plain(old)) {
            return None;
        }
        if known != Some(entry) {
            changed.insert(entry.path.clone(), entry.clone());
        }
        if changed.len() > 1000.max(new.entries().len() / 8) {
            return None;
        }
    }
    if before.next().is_some() {
        return None;
    }
    let inside: Vec<TreePath> = changed.keys().cloned().collect();
    for path in inside {
        let mut parent = path.parent();
        while let Some(path) = parent.filter(|path| !path.is_root() && !changed.contains_key(path)) {
            changed.insert(path.clone(), new.get(&path)?.clone());
            parent = path.parent();
        }
    }
    Some(Listing::new(changed.into_values().collect()))
}

fn media_type_of(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => media_type::LAYER_GZIP,
        Compression::Zstd => media_type::LAYER_ZSTD,
        Compression::None => media_type::LAYER,
    }
}

/// The store's name for a compression.
pub(crate) fn form_of(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::None => "tar",
    }
}

pub(crate) fn content_size(entry: &Entry) -> u64 {
    match entry.kind {
        Kind::File { size, .. } => size,
        _ => 0,
    }
}

/// Content of a layer in the making.
struct Mapped(Arc<HashMap<TreePath, Content>>);

impl ContentSource for Mapped {
    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send + '_>> {
        match self.0.get(&entry.path) {
            Some(content) => content.open().map(|reader| reader as Box<dyn Read + Send>),
            None => Err(io::Error::other(format!(
                "the content of {} is not known",
                entry.path
            ))),
        }
    }
}

/// Content of a layer, wherever it is.
struct Own<'l>(&'l LayerHandle);

impl ContentSource for Own<'_> {
    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send + '_>> {
        self.0
            .open(&entry.path)
            .map(|reader| reader as Box<dyn Read + Send>)
    }
}

#[cfg(test)]
mod tests {
    use praxis_layer::Timestamp;

    use super::*;

    fn entry(path: &str, text: &str) -> Entry {
        let kind = match text {
            "dir" => Kind::Directory { opaque: false },
            "gone" => Kind::Whiteout,
            text => Kind::File {
                size: text.len() as u64,
                content: Digest::of(text.as_bytes()),
            },
        };
        Entry::new(path.into(), kind, 0o755, Timestamp::seconds(1))
    }

    fn listing(entries: &[(&str, &str)]) -> Listing {
        Listing::new(entries.iter().map(|(path, text)| entry(path, text)).collect())
    }

    fn shown(old: &[(&str, &str)], new: &[(&str, &str)]) -> Option<Vec<String>> {
        let changes = additions(&listing(old), &listing(new))?;
        Some(
            changes
                .entries()
                .iter()
                .map(|entry| entry.path.to_string())
                .collect(),
        )
    }

    #[test]
    fn a_changed_file_comes_with_its_directories() {
        let old = [
            ("d", "dir"),
            ("d/a", "1"),
            ("d/b", "1"),
            ("e", "dir"),
            ("e/c", "1"),
        ];
        let new = [
            ("d", "dir"),
            ("d/a", "1"),
            ("d/b", "2"),
            ("e", "dir"),
            ("e/c", "1"),
            ("e/x", "1"),
        ];
        assert_eq!(shown(&old, &new).unwrap(), ["/d", "/d/b", "/e", "/e/x"]);
        assert_eq!(shown(&old, &old).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn removals_kinds_and_whiteouts_are_not_little() {
        let old = [("d", "dir"), ("d/a", "1"), ("d/b", "1")];
        assert!(shown(&old, &[("d", "dir"), ("d/a", "1")]).is_none(), "a removal");
        assert!(
            shown(&old, &[("d", "dir"), ("d/a", "dir"), ("d/b", "1")]).is_none(),
            "another kind"
        );
        assert!(
            shown(&old, &[("d", "dir"), ("d/a", "1"), ("d/b", "1"), ("e", "gone")]).is_none(),
            "a whiteout"
        );
    }
}
