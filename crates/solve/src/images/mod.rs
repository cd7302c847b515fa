//! Base images: which image a name stands for, here and in registries; its documents, and its layers, verified blob by
//! blob.

mod documents;
mod layers;
mod layout;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use praxis_oci::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform, Reference};
use praxis_plan::{Base, Bases, ImageBase};
use praxis_store::{Store, StoredImage};

use crate::SolveError;
use crate::layers::Workshop;
use crate::promise::Promise;
use documents::parse;
use layout::read_limited;

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

/// Where images of a build come from.
pub(crate) struct Images {
    workshop: Arc<Workshop>,
    named: BTreeMap<String, NamedContext>,
    promised: BTreeMap<String, Vec<Arc<Promise>>>,
    remote: Option<Arc<dyn RemoteImages>>,
    pull: Pull,
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

/// Which images registries are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pull {
    /// Those that the store does not have under their names.
    #[default]
    Missing,
    /// Also those that are named without a digest.
    Names,
    /// All: that somebody was given an image is no proof that its registry gives it to who asks now.
    All,
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
            pull: Pull::Missing,
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

    /// The same with registries.
    pub fn with_remote(mut self, remote: Option<Arc<dyn RemoteImages>>, pull: Pull) -> Images {
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
        let asked = match self.pull {
            Pull::Missing => false,
            Pull::Names => reference.digest().is_none(),
            Pull::All => true,
        };
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

/// The image of the store that has `digest` and the name of this repository.
fn stored_in(store: &Store, repository: &str, digest: &Digest) -> Option<StoredImage> {
    store.images().into_iter().find(|image| {
        let name = image.name.parse::<Reference>();
        image.descriptor.digest == *digest && name.is_ok_and(|name| name.name() == repository)
    })
}

fn fits(has: &Platform, wanted: &Platform) -> bool {
    has.os == wanted.os
        && has.architecture == wanted.architecture
        && (has.variant == wanted.variant || has.variant.is_none() || wanted.variant.is_none())
}

#[cfg(test)]
mod tests;
