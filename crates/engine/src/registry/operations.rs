use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use praxis_oci::{Descriptor, Digest, Index, Platform, Reference};
use praxis_registry::{
    BlobSource, Client, ContentSource, ContentTarget, Document, FetchedManifest, RegistryError, Repository,
    Settings, Transfer, copy, fetch_whole,
};
use praxis_sign::Artifact;
use praxis_store::{Store, StoredImage};

use super::archive;
use super::held::Held;
use super::layout::Layout;
use super::stored::{InFile, Stored};
use super::{CopyOutcome, CopyRequest, Place, PullRequest, Referrer};
use crate::{Engine, EngineError};

impl Engine {
    /// Brings an image of a registry into the store, under its name.
    ///
    /// # Errors
    /// Nothing is named unless all of it is there, verified.
    pub fn pull(&self, request: &PullRequest, settings: &Settings) -> Result<CopyOutcome, EngineError> {
        let store = self.store()?;
        let client = Client::new(settings.clone());
        let reference = request.reference.clone().with_default_tag();
        let repository = client.repository(&reference)?;
        let mut root = repository.manifest(&reference)?;
        if let Some(platform) = &request.platform {
            root = for_platform(&repository, root, platform, &reference)?;
        }
        let transfer = Transfer {
            source: &repository,
            target: &Stored(&store),
            parallel: settings.parallel,
            referrers: false,
        };
        let report = copy(&transfer, &root)?;
        store.put_image(&StoredImage {
            name: reference.to_string(),
            descriptor: root.descriptor.clone(),
        })?;
        Ok(CopyOutcome {
            warnings: client.take_warnings(),
            ..CopyOutcome::new(&root.descriptor, report)
        })
    }

    /// Copies an image with all its platforms.
    ///
    /// # Errors
    /// The target's name stands for what it did before unless everything else was copied.
    pub fn copy(&self, request: &CopyRequest, settings: &Settings) -> Result<CopyOutcome, EngineError> {
        let store = self.store()?;
        let client = Client::new(settings.clone());
        let scratch = store.scratch()?;
        self.held(&request.source, settings, |image| {
            self.deliver(request, &client, &store, scratch.path(), image)
        })
    }

    fn deliver(
        &self,
        request: &CopyRequest,
        client: &Client,
        store: &Store,
        scratch: &Path,
        image: &Held,
    ) -> Result<CopyOutcome, EngineError> {
        let (source, root) = (image.source, &image.root);
        let from = match &request.source {
            Place::Registry(reference) => Some(reference),
            _ => None,
        };
        let run = |target: &dyn ContentTarget| {
            let parallel = client.settings().parallel;
            let referrers = request.referrers;
            copy(
                &Transfer {
                    source,
                    target,
                    parallel,
                    referrers,
                },
                root,
            )
        };
        let report = match &request.target {
            Place::Registry(reference) => {
                let reference = reference.clone().with_default_tag();
                if reference
                    .digest()
                    .is_some_and(|digest| *digest != root.descriptor.digest)
                {
                    let (wanted, is) = (reference.familiar(), root.descriptor.digest);
                    return Err(EngineError::user(format!(
                        "{wanted}: the image to be copied is {is}"
                    )));
                }
                let repository = client.repository(&reference)?;
                let mount = from
                    .filter(|from| from.domain() == reference.domain())
                    .map(|from| from.path().to_string());
                let report = run(&InRegistry {
                    repository: &repository,
                    scratch,
                    mount,
                })?;
                if let Some(tag) = reference.tag() {
                    repository.push_manifest(&root.descriptor, &root.bytes, Some(tag))?;
                }
                report
            }
            Place::Layout { directory, tag } => {
                let layout = Layout::create(directory)?;
                let report = run(&layout)?;
                layout.name(&root.descriptor, tag.as_deref())?;
                report
            }
            Place::Archive { path, name, format } => {
                let directory = scratch.join("archive");
                let layout = Layout::create(&directory)?;
                let report = run(&layout)?;
                archive::name(&layout, root, name.as_deref(), *format)?;
                archive::write(&directory, path, name.as_deref(), *format, root)?;
                report
            }
            Place::Store(reference) => {
                let report = run(&Stored(store))?;
                store.put_image(&StoredImage {
                    name: reference.clone().with_default_tag().to_string(),
                    descriptor: root.descriptor.clone(),
                })?;
                report
            }
        };
        Ok(CopyOutcome {
            warnings: client.take_warnings(),
            ..CopyOutcome::new(&root.descriptor, report)
        })
    }

    /// The tags of a repository.
    pub fn tags(&self, reference: &Reference, settings: &Settings) -> Result<Vec<String>, EngineError> {
        Ok(Client::new(settings.clone()).repository(reference)?.tags()?)
    }

    /// What refers to an image of a registry.
    pub fn referrers(
        &self,
        reference: &Reference,
        artifact_type: Option<&str>,
        settings: &Settings,
    ) -> Result<Vec<Referrer>, EngineError> {
        let client = Client::new(settings.clone());
        let repository = client.repository(reference)?;
        let subject = subject(&repository, reference)?;
        let found = repository.referrers(&subject.digest, artifact_type)?;
        Ok(found
            .into_iter()
            .map(|one| Referrer {
                digest: one.digest.to_string(),
                artifact_type: one.artifact_type.unwrap_or_default(),
                size: one.size,
            })
            .collect())
    }

    /// Attaches a file to an image of a registry; gives the digest of the manifest that refers to the image.
    pub fn attach(
        &self,
        reference: &Reference,
        file: &Path,
        artifact_type: &str,
        settings: &Settings,
    ) -> Result<String, EngineError> {
        let unreadable = |error: io::Error| EngineError::user(format!("{}: {error}", file.display()));
        let bytes = std::fs::read(file).map_err(unreadable)?;
        let name = file.file_name().and_then(|name| name.to_str());
        self.held(&Place::Registry(reference.clone()), settings, |image| {
            let artifact = Artifact::of_file(artifact_type, name, &bytes, &image.root.descriptor);
            image.add(&artifact)?;
            Ok(artifact.descriptor.digest.to_string())
        })
    }
}

fn subject(repository: &Repository, reference: &Reference) -> Result<Descriptor, EngineError> {
    Ok(repository
        .manifest(&reference.clone().with_default_tag())?
        .descriptor)
}

/// The image of an index for `platform`.
fn for_platform(
    repository: &Repository,
    root: FetchedManifest,
    platform: &Platform,
    reference: &Reference,
) -> Result<FetchedManifest, EngineError> {
    let Document::Index(index) = &root.document else {
        return Ok(root);
    };
    let chosen = fitting(index, platform).ok_or_else(|| {
        EngineError::user(format!("{}: no image for {platform}", reference.familiar()))
            .with_hint("--platform OS/ARCH, or --all-platforms")
    })?;
    Ok(repository.manifest_of(&chosen)?)
}

/// The image of `index` for `platform`.
pub(super) fn fitting(index: &Index, platform: &Platform) -> Option<Descriptor> {
    let fits = |has: &Platform| {
        has.os == platform.os
            && has.architecture == platform.architecture
            && (has.variant == platform.variant || has.variant.is_none() || platform.variant.is_none())
    };
    let mut images = index.manifests.iter();
    let chosen = images.find(|one| one.platform.as_ref().is_some_and(fits))?;
    Some(Descriptor::new(&chosen.media_type, chosen.digest, chosen.size))
}

pub(crate) fn stored_image(store: &Store, reference: &Reference) -> Result<Descriptor, EngineError> {
    // A digest alone reads as a name too.
    let alone = reference.familiar().parse().ok();
    let found = match reference.digest().copied().or(alone) {
        Some(digest) => store.image_by_digest(&digest),
        None => store.image(&reference.clone().with_default_tag().to_string()),
    };
    found.map(|image| image.descriptor).ok_or_else(|| {
        EngineError::user(format!("{}: no such image in the store", reference.familiar()))
            .with_hint("for an image of a registry, write docker://NAME")
    })
}

/// A repository as a place to copy to.
pub(super) struct InRegistry<'a> {
    pub repository: &'a Repository<'a>,
    pub scratch: &'a Path,
    pub mount: Option<String>,
}

impl ContentTarget for InRegistry<'_> {
    fn has_blob(&self, _descriptor: &Descriptor) -> Result<bool, RegistryError> {
        // Asked when it is pushed, with the rights to push.
        Ok(false)
    }

    fn take_blob(&self, descriptor: &Descriptor, source: &dyn ContentSource) -> Result<bool, RegistryError> {
        let mount = self.mount.as_deref();
        let pushed = match source.at_hand(descriptor) {
            Some(at_hand) => self.repository.push_blob(descriptor, at_hand.as_ref(), mount)?,
            None => {
                let spooled = Spooled::new(source, descriptor, self.scratch);
                self.repository.push_blob(descriptor, &spooled, mount)?
            }
        };
        Ok(pushed == praxis_registry::Pushed::Sent)
    }

    fn take_document(&self, document: &FetchedManifest) -> Result<(), RegistryError> {
        match document.document.subject() {
            Some(_) => self.repository.attach(document),
            None => self
                .repository
                .push_manifest(&document.descriptor, &document.bytes, None)
                .map(drop),
        }
    }
}

/// A blob that is fetched into a file when somebody reads it.
struct Spooled<'a> {
    source: &'a dyn ContentSource,
    descriptor: &'a Descriptor,
    path: PathBuf,
    fetched: OnceLock<InFile>,
    one: Mutex<()>,
}

impl<'a> Spooled<'a> {
    fn new(source: &'a dyn ContentSource, descriptor: &'a Descriptor, scratch: &Path) -> Spooled<'a> {
        let path = scratch.join(descriptor.digest.hex());
        Spooled {
            source,
            descriptor,
            path,
            fetched: OnceLock::new(),
            one: Mutex::default(),
        }
    }
}

impl BlobSource for Spooled<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let _one = self.one.lock().expect("no panic while held");
        if self.fetched.get().is_none() {
            let open = || {
                std::fs::File::create(&self.path)
                    .map_err(|error| RegistryError::of_machine(format!("{}: {error}", self.path.display())))
            };
            fetch_whole(self.source, self.descriptor, open).map_err(io::Error::other)?;
            let _ = self.fetched.set(InFile(self.path.clone()));
        }
        BlobSource::open(self.path.as_path(), offset)
    }
}

impl Drop for Spooled<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The configuration and manifest of an image of a registry, for its description.
pub(crate) fn described(
    reference: &Reference,
    settings: &Settings,
    platform: &Platform,
) -> Result<(Digest, FetchedManifest, Vec<u8>), EngineError> {
    let client = Client::new(settings.clone());
    let repository = client.repository(reference)?;
    let root = repository.manifest(&reference.clone().with_default_tag())?;
    let image = for_platform(&repository, root, platform, reference)?;
    let Document::Manifest(manifest) = &image.document else {
        return Err(EngineError::user(format!(
            "{}: an index in an index",
            reference.familiar()
        )));
    };
    if manifest.config.size > 4 << 20 {
        return Err(EngineError::user(format!(
            "{}: its configuration is too large",
            reference.familiar()
        )));
    }
    let config = fetch_whole(&repository, &manifest.config, || Ok(Vec::new()))?;
    Ok((image.descriptor.digest, image, config))
}
