//! Base images: from OCI layouts and from the store, verified blob by blob.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use praxis_layer::{Entry, Kind, Limits, Listing, Timestamp, Tree, TreePath};
use praxis_oci::{
    Descriptor, Digest, Hasher, History, ImageConfig, Index, Manifest, Platform, Reference, media_type,
};
use praxis_plan::{Base, Bases, ImageBase};
use praxis_store::{LayerBlob, Store, StoredImage};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::SolveError;
use crate::layers::{LayerHandle, Workshop};
use crate::promise::Promise;

/// What `--build-context NAME=VALUE` gives a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedContext {
    /// `oci-layout://DIR[:TAG][@DIGEST]`.
    Layout {
        /// The directory.
        directory: PathBuf,
        /// Tag or digest after it.
        reference: Option<String>,
    },
    /// `docker-image://NAME`.
    Image(String),
    /// A directory.
    Directory(PathBuf),
    /// What another plan of the same build becomes, by its name in [`crate::Workplace::promised`].
    Promised(String),
}

/// Images of registries. What they give is verified again by whoever takes it.
pub trait RemoteImages: Send + Sync {
    /// What `reference` stands for. Its bytes are in the store afterwards.
    ///
    /// # Errors
    /// If the registry has no such image, or does not give it.
    fn resolve(&self, reference: &Reference) -> Result<Descriptor, SolveError>;

    /// The bytes of a manifest or index.
    ///
    /// # Errors
    /// If they are not what the descriptor says.
    fn document(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>, SolveError>;

    /// Writes a blob. `false`: what was written is something else, and another source is asked the next time.
    ///
    /// # Errors
    /// If no source has what the descriptor says.
    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        out: &mut dyn Write,
    ) -> Result<bool, SolveError>;

    /// How many blobs to fetch at once.
    fn parallel(&self) -> usize;

    /// Whether nothing may be fetched: what is missing is then gathered, so that all of it can be told at once.
    fn is_offline(&self) -> bool {
        false
    }
}

/// Manifests and indexes larger than this are refused.
const MANIFEST_LIMIT: u64 = 4 << 20;
/// Images of more layers are refused: the kernel mounts no more.
const LAYER_LIMIT: usize = 500;
/// Indexes in indexes deeper than this are refused.
const DEPTH_LIMIT: usize = 3;

/// Where images of a build come from.
pub(crate) struct Images {
    workshop: Arc<Workshop>,
    named: BTreeMap<String, NamedContext>,
    promised: BTreeMap<String, Vec<Arc<Promise>>>,
    remote: Option<Arc<dyn RemoteImages>>,
    pull: bool,
    loaded: Mutex<HashMap<Digest, Arc<LoadedImage>>>,
    resolved: Mutex<HashMap<(String, Platform), Base>>,
    /// What may not be fetched and is not in the store, by name.
    missing: Mutex<BTreeMap<String, String>>,
}

struct LoadedImage {
    manifest: Manifest,
    config: Arc<ImageConfig>,
    /// Where missing blobs can be had.
    origin: Origin,
}

/// Where the blobs of an image can be had that are not in the store.
#[derive(Clone)]
enum Origin {
    Nowhere,
    Layout(PathBuf),
    Registry(Reference),
}

#[derive(Serialize, Deserialize)]
struct IndexedLayer {
    layer: Digest,
    diff_id: Digest,
}

impl Images {
    pub fn new(
        workshop: Arc<Workshop>,
        named: BTreeMap<String, NamedContext>,
        promised: BTreeMap<String, Vec<Arc<Promise>>>,
    ) -> Images {
        Images {
            workshop,
            named,
            promised,
            remote: None,
            pull: false,
            loaded: Mutex::default(),
            resolved: Mutex::default(),
            missing: Mutex::default(),
        }
    }

    /// Images that are not whole in the store though nothing may be fetched, with the reason. A plan that met one of
    /// them is none.
    pub fn missing(&self) -> BTreeMap<String, String> {
        self.missing.lock().expect("no panic while held").clone()
    }

    /// The same with registries. `pull`: they are asked also for names that the store has.
    pub fn with_remote(mut self, remote: Option<Arc<dyn RemoteImages>>, pull: bool) -> Images {
        self.remote = remote;
        self.pull = pull;
        self
    }

    /// The named context `name` stands for. The name matches as written, or by the full name of an image without
    /// its tag `latest` or its digest.
    fn named(&self, name: &str) -> Option<&NamedContext> {
        if let Some(found) = self.named.get(name) {
            return Some(found);
        }
        let normal = |text: &str| {
            let reference: Reference = text.parse().ok()?;
            let tag = reference.tag().unwrap_or("latest").to_string();
            Some((reference.name(), tag))
        };
        let wanted = normal(name)?;
        self.named
            .iter()
            .find(|(given, _)| normal(given).as_ref() == Some(&wanted))
            .map(|(_, found)| found)
    }

    /// The digest that `name` pins, unless the context was given for exactly this name.
    fn pinned(&self, name: &str) -> Option<Digest> {
        let reference: Reference = name.parse().ok().filter(|_| !self.named.contains_key(name))?;
        reference.digest().copied()
    }

    fn load(&self, name: &str, platform: &Platform) -> Result<Base, SolveError> {
        let pinned = self.pinned(name);
        let refused = |what: String| {
            let hint = format!(
                "change the digest, or give the context for exactly this name: --build-context {name}=…"
            );
            SolveError::user(format!(
                "{name}: digest mismatch: the build context given for it {what}"
            ))
            .with_hint(hint)
        };
        match self.named(name) {
            Some(NamedContext::Directory(_)) if pinned.is_some() => Err(refused("is a directory".into())),
            Some(NamedContext::Directory(_)) => Ok(Base::Directory(name.to_string())),
            Some(NamedContext::Layout { directory, reference }) => {
                let reference = pinned.map(|digest| digest.to_string()).or(reference.clone());
                self.load_layout(name, directory, reference.as_deref(), platform)
            }
            Some(NamedContext::Image(image)) => {
                let base = self.load_stored(&image.clone(), platform)?;
                match (&base, pinned) {
                    (Base::Image(image), Some(digest)) if image.manifest != digest => {
                        Err(refused(format!("is {}", image.manifest)))
                    }
                    _ => Ok(base),
                }
            }
            Some(NamedContext::Promised(target)) => self.promised(name, target, platform),
            None if name == "scratch" => Ok(Base::Scratch),
            None => self.load_stored(name, platform),
        }
    }

    /// The result of another plan; of one for several platforms that for `platform`.
    fn promised(&self, name: &str, target: &str, platform: &Platform) -> Result<Base, SolveError> {
        let promises = self.promised.get(target).map_or(&[][..], Vec::as_slice);
        let fitting = promises.iter().find(|promise| fits(&promise.platform, platform));
        let only = promises.first().filter(|_| promises.len() == 1);
        let promise = fitting.or(only).ok_or_else(|| {
            SolveError::user(format!("{name}: the target {target} is not built for {platform}"))
        })?;
        Ok(Base::Image(ImageBase {
            reference: name.to_string(),
            manifest: promise.digest,
            config: promise.config.clone(),
        }))
    }

    fn promise_of(&self, image: &ImageBase) -> Option<&Promise> {
        let mut promises = self.promised.values().flatten();
        promises
            .find(|promise| promise.digest == image.manifest)
            .map(Arc::as_ref)
    }

    /// Waits until the image can be had, if another plan makes it.
    pub fn wait(&self, image: &ImageBase) -> Result<(), SolveError> {
        match self.promise_of(image) {
            Some(promise) => promise.wait().map(drop),
            None => Ok(()),
        }
    }

    fn load_stored(&self, name: &str, platform: &Platform) -> Result<Base, SolveError> {
        let reference: Reference = name
            .parse()
            .map_err(|error| SolveError::user(format!("{error}")))?;
        let store = &self.workshop.store;
        // `localhost` without a port is no registry: such names are for the store.
        let remote = self.remote.as_ref().filter(|_| reference.domain() != "localhost");
        let found = match (reference.digest(), &remote) {
            (Some(digest), None) => store.image_by_digest(digest),
            // What another repository gave is no proof that this one has it, or would give it.
            (Some(digest), Some(_)) => stored_in(store, &reference.name(), digest),
            (None, _) => store.image(&reference.clone().with_default_tag().to_string()),
        };
        let asked = self.pull && reference.digest().is_none();
        if let Some(remote) = remote.filter(|_| found.is_none() || asked) {
            let reference = reference.with_default_tag();
            let origin = Origin::Registry(reference.clone());
            let base = remote
                .resolve(&reference)
                .and_then(|descriptor| self.choose(name, &origin, &descriptor, platform, 0));
            if !remote.is_offline() {
                return base;
            }
            return match base.and_then(|base| self.whole(base)) {
                Err(error) => {
                    let mut missing = self.missing.lock().expect("no panic while held");
                    missing.insert(reference.familiar(), error.message);
                    // The plan goes on to find what else is missing; nobody builds it.
                    Ok(Base::Scratch)
                }
                whole => whole,
            };
        }
        let Some(image) = found else {
            return Err(SolveError::user(format!("{name}: not found: no such image in the store"))
                .with_hint(format!(
                    "build it (`praxis base build RECIPE -t {}`, `praxis build -t …`), or say where it is with \
                     --build-context {name}=oci-layout://DIR",
                    reference.name()
                )));
        };
        self.choose(name, &Origin::Nowhere, &image.descriptor, platform, 0)
    }

    /// The base, if the store has all its layers.
    fn whole(&self, base: Base) -> Result<Base, SolveError> {
        let Base::Image(image) = &base else {
            return Ok(base);
        };
        let loaded = self.loaded.lock().expect("no panic while held");
        let layers = loaded.get(&image.manifest).map(|loaded| &loaded.manifest.layers);
        let store = &self.workshop.store;
        let absent = layers
            .into_iter()
            .flatten()
            .find(|layer| !store.has_blob(&layer.digest, layer.size));
        match absent {
            None => Ok(base.clone()),
            Some(layer) => Err(SolveError::user(format!(
                "{}: layer {} is missing here, and --offline forbids to fetch it",
                image.reference, layer.digest
            ))),
        }
    }

    fn load_layout(
        &self,
        name: &str,
        directory: &Path,
        reference: Option<&str>,
        platform: &Platform,
    ) -> Result<Base, SolveError> {
        let path = directory.join("index.json");
        let bytes = read_limited(&path).map_err(|error| {
            SolveError::user(format!(
                "build context {name}: cannot read {}: {error}",
                path.display()
            ))
            .with_hint("oci-layout:// names a directory with oci-layout, index.json and blobs/")
        })?;
        let index: Index = parse(&bytes, name)?;
        let wanted = |descriptor: &&Descriptor| match reference {
            None => true,
            Some(text) if text.starts_with("sha256:") => descriptor.digest.to_string() == text,
            Some(tag) => descriptor
                .annotations
                .get("org.opencontainers.image.ref.name")
                .is_some_and(|name| name == tag),
        };
        let candidates: Vec<&Descriptor> = index.manifests.iter().filter(wanted).collect();
        let chosen = candidates
            .iter()
            .find(|descriptor| {
                descriptor
                    .platform
                    .as_ref()
                    .is_some_and(|has| fits(has, platform))
            })
            .or(candidates.first())
            .ok_or_else(|| {
                let has: Vec<String> = index.manifests.iter().map(|has| has.digest.to_string()).collect();
                let (directory, has) = (directory.display(), has.join(", "));
                SolveError::user(format!(
                    "build context {name}: no such image in {directory}, which has {has}"
                ))
            })?;
        self.choose(name, &Origin::Layout(directory.into()), chosen, platform, 0)
    }

    /// Follows `descriptor` through indexes to the image for `platform`.
    fn choose(
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

    /// Takes note of an image whose blobs are in the store.
    pub fn hold(&self, image: &ImageBase, manifest: Manifest) {
        let loaded = LoadedImage {
            manifest,
            config: image.config.clone(),
            origin: Origin::Nowhere,
        };
        self.loaded
            .lock()
            .expect("no panic while held")
            .insert(image.manifest, Arc::new(loaded));
    }

    /// The layers of an image that was resolved before, brought into the store.
    pub fn layers(&self, image: &ImageBase) -> Result<Vec<Arc<LayerHandle>>, SolveError> {
        if let Some(promise) = self.promise_of(image) {
            return Ok(promise.wait()?.layers().to_vec());
        }
        let loaded = self
            .loaded
            .lock()
            .expect("no panic while held")
            .get(&image.manifest)
            .cloned();
        let loaded =
            loaded.ok_or_else(|| SolveError::internal(format!("{} was not resolved", image.reference)))?;
        self.fetch_missing(&loaded)?;
        let mut layers = Vec::new();
        for (descriptor, diff_id) in loaded.manifest.layers.iter().zip(&loaded.config.rootfs.diff_ids) {
            // Several plans, or stages, may start from the same image: its layers are read once.
            let mut hasher = Hasher::new();
            hasher.field(b"layer of an image");
            hasher.update(descriptor.digest.as_bytes());
            let layer = self.workshop.turns.with(hasher.finish(), || {
                self.layer(image, &loaded, descriptor, diff_id, &layers)
            })?;
            layers.push(layer);
        }
        Ok(layers)
    }

    fn layer(
        &self,
        image: &ImageBase,
        loaded: &LoadedImage,
        descriptor: &Descriptor,
        diff_id: &Digest,
        below: &[Arc<LayerHandle>],
    ) -> Result<Arc<LayerHandle>, SolveError> {
        let store = &self.workshop.store;
        let name = &image.reference;
        if !store.has_blob(&descriptor.digest, descriptor.size) {
            let Origin::Layout(layout) = &loaded.origin else {
                return Err(SolveError::user(format!(
                    "{name}: layer {} is not in the store",
                    descriptor.digest
                )));
            };
            self.import(name, layout, descriptor)?;
        }
        let mut hasher = Hasher::new();
        hasher.field(b"indexed layer 2");
        below
            .iter()
            .for_each(|layer| hasher.update(layer.id().as_bytes()));
        hasher.update(descriptor.digest.as_bytes());
        let key = hasher.finish();
        let known: Option<IndexedLayer> = store.record(&key);
        let layer = match known.filter(|known| known.diff_id == *diff_id && store.has_layer(&known.layer)) {
            Some(known) => known.layer,
            None => {
                let layer = self.index(name, descriptor, diff_id, below)?;
                store.put_record(
                    &key,
                    &IndexedLayer {
                        layer,
                        diff_id: *diff_id,
                    },
                )?;
                layer
            }
        };
        let mut kept = Descriptor::new(
            oci_media_type(&descriptor.media_type),
            descriptor.digest,
            descriptor.size,
        );
        kept.annotations = descriptor.annotations.clone();
        let blob = LayerBlob {
            descriptor: kept,
            diff_id: *diff_id,
        };
        Ok(Arc::new(LayerHandle::foreign(
            &self.workshop,
            layer,
            blob,
            below.to_vec(),
        )))
    }

    /// Fetches the layers that the store does not have from their registry, several at once.
    fn fetch_missing(&self, loaded: &LoadedImage) -> Result<(), SolveError> {
        let (Origin::Registry(reference), Some(remote)) = (&loaded.origin, &self.remote) else {
            return Ok(());
        };
        let store = &self.workshop.store;
        let missing = loaded.manifest.layers.iter();
        let missing: BTreeMap<Digest, &Descriptor> = missing
            .filter(|layer| !store.has_blob(&layer.digest, layer.size))
            .map(|layer| (layer.digest, layer))
            .collect();
        let waiting = Mutex::new(missing.into_values());
        let failure: Mutex<Option<SolveError>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..remote.parallel().max(1) {
                scope.spawn(|| {
                    loop {
                        let next = waiting.lock().expect("no panic while held").next();
                        let failed = failure.lock().expect("no panic while held").is_some();
                        let Some(layer) = next.filter(|_| !failed) else {
                            return;
                        };
                        if let Err(error) = self.fetch(remote.as_ref(), reference, layer) {
                            failure.lock().expect("no panic while held").get_or_insert(error);
                        }
                    }
                });
            }
        });
        failure
            .into_inner()
            .expect("no panic while held")
            .map_or(Ok(()), Err)
    }

    fn fetch(
        &self,
        remote: &dyn RemoteImages,
        reference: &Reference,
        layer: &Descriptor,
    ) -> Result<(), SolveError> {
        // The bytes are hashed once more here: the store believes its own eyes.
        loop {
            let mut writer = self.workshop.store.blob_writer()?;
            if remote.blob(reference, layer, &mut writer)? {
                writer.commit_as(&layer.digest)?;
                return Ok(());
            }
        }
    }

    fn import(&self, name: &str, layout: &Path, descriptor: &Descriptor) -> Result<(), SolveError> {
        let path = layout.join("blobs/sha256").join(descriptor.digest.hex());
        let wrong = |error: io::Error| SolveError::user(format!("{name}: {}: {error}", path.display()));
        let mut file = open_blob(layout, &descriptor.digest).map_err(wrong)?;
        let mut writer = self.workshop.store.blob_writer()?;
        let copied = io::copy(
            &mut (&mut file).take(descriptor.size.saturating_add(1)),
            &mut writer,
        )
        .map_err(|error| {
            // What reads the layout does not run out of space.
            if error.kind() == io::ErrorKind::StorageFull {
                return SolveError::io("write", self.workshop.store.root())(error);
            }
            wrong(error)
        })?;
        if copied != descriptor.size {
            return Err(wrong(io::Error::other(format!(
                "it is not {} bytes long, as its descriptor says",
                descriptor.size
            ))));
        }
        writer.commit_as(&descriptor.digest).map_err(|error| {
            SolveError::user(format!(
                "{name}: layer {} of the layout is damaged: {error}",
                descriptor.digest
            ))
        })?;
        Ok(())
    }

    /// Reads a layer once: its listing goes to the store, its diffID is checked.
    fn index(
        &self,
        name: &str,
        descriptor: &Descriptor,
        diff_id: &Digest,
        below: &[Arc<LayerHandle>],
    ) -> Result<Digest, SolveError> {
        let mut lower = Tree::new();
        for (index, layer) in below.iter().enumerate() {
            let listing = layer.listing()?;
            lower.apply(index, &listing);
        }
        let wrong = |why: String| SolveError::user(format!("{name}: layer {}: {why}", descriptor.digest));
        let store = &self.workshop.store;
        let file = store.open_blob(&descriptor.digest, descriptor.size)?;
        let limits = Limits::default();
        let reader = praxis_layer::decompress(BufReader::with_capacity(256 << 10, file), &limits)
            .map_err(|error| wrong(error.to_string()))?;
        let mut tee = Tee {
            reader,
            hasher: Hasher::new(),
        };
        let listing = praxis_layer::index_layer_over(&mut tee, &limits, Some(&lower))
            .map_err(|error| wrong(error.to_string()))?;
        io::copy(&mut tee, &mut io::sink()).map_err(|error| wrong(error.to_string()))?;
        let actual = tee.hasher.finish();
        if actual != *diff_id {
            return Err(wrong(format!(
                "its content has diffID {actual}, the configuration says {diff_id}"
            )));
        }
        Ok(store.put_listing(&with_parents(&listing, &lower))?)
    }
}

impl Bases for Images {
    fn resolve(&self, name: &str, platform: &Platform) -> Result<Base, String> {
        let key = (name.to_string(), platform.clone());
        if let Some(known) = self.resolved.lock().expect("no panic while held").get(&key) {
            return Ok(known.clone());
        }
        let base = self.load(name, platform).map_err(|error| match error.hint {
            Some(hint) => format!("{}\n  hint: {hint}", error.message),
            None => error.message,
        })?;
        self.resolved
            .lock()
            .expect("no panic while held")
            .insert(key, base.clone());
        Ok(base)
    }

    fn stage_replacement(&self, name: &str, platform: &Platform) -> Option<Result<Base, String>> {
        self.named
            .contains_key(name)
            .then(|| self.resolve(name, platform))
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

/// The listing with all directories its entries are in: as they are in `lower`, else root's and 0755.
fn with_parents(listing: &Listing, lower: &Tree) -> Listing {
    let mut missing: BTreeMap<TreePath, Entry> = BTreeMap::new();
    for entry in listing.entries() {
        let mut parent = entry.path.parent();
        while let Some(path) = parent.filter(|path| !path.is_root()) {
            if listing.get(&path).is_some() || missing.contains_key(&path) {
                break;
            }
            let kind = Kind::Directory { opaque: false };
            let mut made = Entry::new(path.clone(), kind.clone(), 0o755, Timestamp::default());
            if let Some(node) = lower.get(&path).filter(|node| node.is_directory()) {
                made = Entry {
                    kind,
                    ..node.entry(path.clone())
                };
            }
            parent = path.parent();
            missing.insert(path, made);
        }
    }
    Listing::new(
        listing
            .entries()
            .iter()
            .cloned()
            .chain(missing.into_values())
            .collect(),
    )
}

/// Whether registries serve it as a manifest.
fn is_document(media_type: &str) -> bool {
    matches!(
        media_type,
        media_type::INDEX | media_type::MANIFEST | media_type::DOCKER_INDEX | media_type::DOCKER_MANIFEST
    )
}

/// The image of the store that has `digest` and the name of this repository.
fn stored_in(store: &Store, repository: &str, digest: &Digest) -> Option<StoredImage> {
    store.images().into_iter().find(|image| {
        let name = image.name.parse::<Reference>();
        image.descriptor.digest == *digest && name.is_ok_and(|name| name.name() == repository)
    })
}

struct Tee<R> {
    reader: R,
    hasher: Hasher,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.hasher.write_all(&buffer[..count])?;
        Ok(count)
    }
}

fn fits(has: &Platform, wanted: &Platform) -> bool {
    has.os == wanted.os
        && has.architecture == wanted.architecture
        && (has.variant == wanted.variant || has.variant.is_none() || wanted.variant.is_none())
}

fn oci_media_type(text: &str) -> &str {
    match text {
        media_type::DOCKER_LAYER_GZIP => media_type::LAYER_GZIP,
        "application/vnd.docker.image.rootfs.diff.tar" => media_type::LAYER,
        other => other,
    }
}

fn parse<T: for<'de> Deserialize<'de>>(bytes: &[u8], name: &str) -> Result<T, SolveError> {
    serde_json::from_slice(bytes)
        .map_err(|error| SolveError::user(format!("{name}: not a valid image: {error}")))
}

/// Opens a blob of a layout; a link there is refused.
fn open_blob(layout: &Path, digest: &Digest) -> io::Result<File> {
    let path = layout.join("blobs/sha256").join(digest.hex());
    open_regular(&path)
}

/// Opens a regular file; anything else, also a link to one, is refused and never waited for.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    Ok(file)
}

fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(MANIFEST_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
