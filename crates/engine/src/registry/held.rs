//! An image where it is, to be read there and to be referred to.

use std::collections::BTreeMap;
use std::io::Write;

use praxis_oci::{Descriptor, Digest, Reference};
use praxis_registry::{
    BlobSource, Client, ContentSource, ContentTarget, Document, ErrorKind, FetchedManifest, RegistryError,
    Repository, Settings, Transfer, copy, fetch_whole, referrer_entry,
};
use praxis_sign::{Artifact, LegacyLayer, legacy_image, same_legacy};

use super::layout::Layout;
use super::operations::{InRegistry, stored_image};
use super::stored::Stored;
use super::{ArchiveFormat, Place, archive};
use crate::{Engine, EngineError};

/// No document that refers to an image is larger.
const LARGEST: u64 = 64 << 20;

/// An image in a place that takes referrers.
pub(crate) struct Held<'a> {
    /// What is there.
    pub source: &'a dyn ContentSource,
    /// Where more can be put.
    target: &'a dyn ContentTarget,
    /// The image.
    pub root: FetchedManifest,
    /// Its name, where the place has names.
    pub name: Option<Reference>,
    /// The tags beside the image's, where the place has such.
    tags: Option<&'a Repository<'a>>,
}

impl Engine {
    /// Opens the image in `place` and hands it to `work`. An archive is written anew when `work` adds to it.
    ///
    /// # Errors
    /// If it is not there, or `work` fails; then an archive stays as it was.
    pub(crate) fn held<R>(
        &self,
        place: &Place,
        settings: &Settings,
        work: impl FnOnce(&Held) -> Result<R, EngineError>,
    ) -> Result<R, EngineError> {
        let store = self.store()?;
        let client = Client::new(settings.clone());
        let scratch = store.scratch()?;
        match place {
            Place::Registry(reference) => {
                let repository = client.repository(reference)?;
                let target = InRegistry {
                    repository: &repository,
                    scratch: scratch.path(),
                    mount: None,
                };
                let root = repository.manifest(&reference.clone().with_default_tag())?;
                work(&Held {
                    source: &repository,
                    target: &target,
                    root,
                    name: Some(reference.clone()),
                    tags: Some(&repository),
                })
            }
            Place::Archive { path, name, format } => {
                let directory = scratch.path().join("opened");
                let (layout, root) = archive::open(path, name.as_deref(), *format, &directory)?;
                let root = layout.document(&root)?;
                let before = layout.listed()?;
                let done = work(&Held::in_layout(&layout, root.clone()))?;
                if layout.listed()? != before {
                    if *format == ArchiveFormat::Docker {
                        return Err(EngineError::user(
                            "a docker archive has no place for what refers to an image",
                        )
                        .with_hint("praxis copy docker-archive:FILE oci-archive:FILE2 makes one that has"));
                    }
                    archive::write(&directory, path, name.as_deref(), *format, &root)?;
                }
                Ok(done)
            }
            Place::Layout { directory, tag } => {
                let layout = Layout::open(directory);
                let root = layout.document(&layout.root(tag.as_deref())?)?;
                work(&Held::in_layout(&layout, root))
            }
            Place::Store(reference) => {
                let stored = Stored(&store);
                let root = stored.document(&stored_image(&store, reference)?)?;
                work(&Held {
                    source: &stored,
                    target: &stored,
                    root,
                    name: Some(reference.clone()),
                    tags: None,
                })
            }
        }
    }
}

impl<'a> Held<'a> {
    fn in_layout(layout: &'a Layout, root: FetchedManifest) -> Held<'a> {
        Held {
            source: layout,
            target: layout,
            root,
            name: None,
            tags: None,
        }
    }

    /// The image itself and, of an index, the manifests in it.
    pub fn documents(&self) -> Result<Vec<(Descriptor, FetchedManifest)>, EngineError> {
        let mut all = vec![(self.root.descriptor.clone(), self.root.clone())];
        if let Document::Index(index) = &self.root.document {
            for descriptor in &index.manifests {
                let plain = Descriptor::new(&descriptor.media_type, descriptor.digest, descriptor.size);
                all.push((descriptor.clone(), self.source.document(&plain)?));
            }
        }
        Ok(all)
    }

    /// What refers to `subject`, with its manifest.
    pub fn referrers(&self, subject: &Digest) -> Result<Vec<FetchedManifest>, EngineError> {
        let mut found = Vec::new();
        for one in self.source.referrers(subject)? {
            let document = self
                .source
                .document(&Descriptor::new(&one.media_type, one.digest, one.size))?;
            let refers = document.document.subject();
            if refers.is_some_and(|refers| refers.digest == *subject) {
                found.push(document);
            }
        }
        Ok(found)
    }

    /// Entries of the list of referrers under the tag of `subject` that do not say what their manifests say.
    pub fn wrong_entries(&self, subject: &Digest) -> Result<Vec<String>, EngineError> {
        let list = self
            .tags
            .map(|repository| repository.list(subject))
            .transpose()?
            .flatten();
        let mut wrong = Vec::new();
        for one in list.map(|list| list.manifests).unwrap_or_default() {
            let plain = Descriptor::new(&one.media_type, one.digest, one.size);
            let what = match self.source.document(&plain) {
                Err(error) if error.kind == ErrorKind::Missing => Some("which is not there"),
                Err(error) => return Err(error.into()),
                Ok(document) => {
                    let right = referrer_entry(&document);
                    match (
                        one.artifact_type == right.artifact_type,
                        one.annotations == right.annotations,
                    ) {
                        (true, true) => None,
                        (false, _) => Some("with another artifact type than its manifest has"),
                        (true, false) => Some("with other annotations than its manifest has"),
                    }
                }
            };
            let digest = one.digest;
            wrong.extend(
                what.map(|what| format!("the list of what refers to {subject} names {digest} {what}")),
            );
        }
        Ok(wrong)
    }

    /// A small blob.
    pub fn bytes(&self, descriptor: &Descriptor) -> Result<Vec<u8>, EngineError> {
        if descriptor.size > LARGEST {
            let (digest, size) = (descriptor.digest, descriptor.size);
            return Err(EngineError::user(format!(
                "{digest}: {size} bytes are too many for an attestation"
            )));
        }
        Ok(fetch_whole(self.source, descriptor, || Ok(Vec::new()))?)
    }

    /// Adds layers to the image of the old form under `tag`; those that are there stay.
    pub fn add_legacy(&self, tag: &str, layers: Vec<LegacyLayer>) -> Result<(), EngineError> {
        let repository = self.tags.ok_or_else(|| {
            EngineError::user(format!("{tag}: only a registry has tags beside the image's"))
                .with_hint("sign docker://NAME, or leave the old form out")
        })?;
        let mut all = self.legacy_layers(repository, tag)?;
        for layer in layers {
            if all.iter().all(|(there, _)| !same_legacy(there, &layer.0)) {
                all.push(layer);
            }
        }
        let artifact = legacy_image(all);
        self.add(&artifact)?;
        repository.push_manifest(&artifact.descriptor, &artifact.manifest, Some(tag))?;
        Ok(())
    }

    fn legacy_layers(&self, repository: &Repository, tag: &str) -> Result<Vec<LegacyLayer>, EngineError> {
        let named = self
            .name
            .as_ref()
            .map(|name| format!("{}:{tag}", name.name()).parse());
        let found = named
            .and_then(Result::ok)
            .map(|name| repository.manifest(&name))
            .transpose();
        match found {
            Ok(Some(FetchedManifest {
                document: Document::Manifest(manifest),
                ..
            })) => {
                let layers = manifest.layers.iter();
                layers
                    .map(|layer| Ok((layer.clone(), self.bytes(layer)?)))
                    .collect()
            }
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.kind == ErrorKind::Missing => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Adds an artifact that refers to the image or a manifest of it.
    pub fn add(&self, artifact: &Artifact) -> Result<(), EngineError> {
        let document = FetchedManifest::verified(&artifact.descriptor, artifact.manifest.clone())?;
        let transfer = Transfer {
            source: &InMemory::of(artifact),
            target: self.target,
            parallel: 1,
            referrers: false,
        };
        copy(&transfer, &document)?;
        Ok(())
    }
}

/// An artifact as a place to copy from.
struct InMemory<'a>(BTreeMap<Digest, &'a [u8]>);

impl<'a> InMemory<'a> {
    fn of(artifact: &'a Artifact) -> InMemory<'a> {
        let blobs = artifact
            .blobs
            .iter()
            .map(|(descriptor, bytes)| (descriptor.digest, bytes.as_slice()));
        InMemory(blobs.collect())
    }

    fn get(&self, digest: &Digest) -> Result<&'a [u8], RegistryError> {
        let found = self.0.get(digest).copied();
        found.ok_or_else(|| RegistryError::of_machine(format!("{digest}: not part of the artifact")))
    }
}

impl ContentSource for InMemory<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<FetchedManifest, RegistryError> {
        FetchedManifest::verified(descriptor, self.get(&descriptor.digest)?.to_vec())
    }

    fn blob(&self, descriptor: &Descriptor, out: &mut dyn Write) -> Result<(), RegistryError> {
        out.write_all(self.get(&descriptor.digest)?)
            .map_err(|error| RegistryError::of_machine(error.to_string()))
    }

    fn at_hand(&self, descriptor: &Descriptor) -> Option<Box<dyn BlobSource + '_>> {
        Some(Box::new(self.get(&descriptor.digest).ok()?))
    }

    fn referrers(&self, _subject: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        Ok(Vec::new())
    }
}
