//! What refers to a manifest: the referrers API, and where a registry has none, a list under a tag.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use praxis_oci::{Descriptor, Digest, Index, media_type};

use crate::address::encoded;
use crate::client::random_part;
use crate::document::{LARGEST, parse_document};
use crate::pull::content_type;
use crate::repository::next_link;
use crate::transport::Ask;
use crate::{Document, ErrorKind, FetchedManifest, RegistryError, Repository};

/// Pages of referrers that are read.
const MOST_PAGES: usize = 100;
/// How often a list is written until it stays.
const MOST_WRITES: u32 = 20;
/// How often an entry must be seen in the list before it is believed to stay.
const LOOKS: u32 = 3;

impl Repository<'_> {
    /// The manifests that refer to `subject`; only those of `artifact_type` if it is given.
    pub fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let found = match self.referrers_by_api(subject, artifact_type)? {
            Some(found) => found,
            None => self
                .list(subject)?
                .map(|index| index.manifests)
                .unwrap_or_default(),
        };
        let mut seen = BTreeSet::new();
        // Registries may leave the choice to us.
        Ok(found
            .into_iter()
            .filter(|one| artifact_type.is_none_or(|wanted| one.artifact_type.as_deref() == Some(wanted)))
            .filter(|one| seen.insert(one.digest))
            .collect())
    }

    /// `None` if the registry has no such API.
    fn referrers_by_api(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let what = format!("referrers of {}@{subject}", self.name);
        let scopes = self.pull_scope(&self.origin);
        let query =
            artifact_type.map_or_else(String::new, |wanted| format!("?artifactType={}", encoded(wanted)));
        let mut address = self.origin.address(&format!("referrers/{subject}{query}"));
        let mut found = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut ask = Ask::get(address.clone(), &scopes, what.clone());
            ask.headers.push(("accept", media_type::INDEX.into()));
            let answer = self.client.send(&self.origin, &ask)?;
            // Registries without the API answer 404, old ones also 400 or 405; some serve a web page.
            if matches!(answer.status, 400 | 404 | 405) {
                return Ok(None);
            }
            let mut answer = answer.success(self.client)?;
            if content_type(&answer) != media_type::INDEX {
                return Ok(None);
            }
            let bytes = answer.small(LARGEST, &what)?;
            let Document::Index(index) =
                parse_document(&bytes, media_type::INDEX).map_err(|error| RegistryError {
                    message: format!("{what}: {error}"),
                    ..error
                })?
            else {
                return Ok(None);
            };
            found.extend(index.manifests);
            let Some(next) = answer.header("link").and_then(next_link) else {
                return Ok(Some(found));
            };
            let next = address
                .join(&next)
                .map_err(|error| RegistryError::lie(format!("{what}: {error}")))?;
            if next.origin != address.origin || next == address {
                return Err(RegistryError::lie(format!(
                    "{what}: the next page is at {}, which is not asked",
                    next.without_query()
                )));
            }
            address = next;
        }
        Err(RegistryError::lie(format!("{what}: the list has no end")))
    }

    /// Puts a manifest that has a subject and sees to it that the subject's list names it.
    pub fn attach(&self, manifest: &FetchedManifest) -> Result<(), RegistryError> {
        let subject = manifest.document.subject().ok_or_else(|| {
            RegistryError::input(format!(
                "{}: it refers to nothing (no subject)",
                manifest.descriptor.digest
            ))
        })?;
        if self.push_manifest(&manifest.descriptor, &manifest.bytes, None)? {
            return Ok(());
        }
        // The registry did not say that it keeps the list; it may do so all the same.
        if let Some(found) = self.referrers_by_api(&subject.digest, None)?
            && found.iter().any(|one| one.digest == manifest.descriptor.digest)
        {
            return Ok(());
        }
        self.list_add(&subject.digest, entry(manifest))
    }

    /// Adds an entry to the list under the tag. Registries cannot compare and swap: who writes looks again after others
    /// may have written over it, and writes again until the entry stays. Entries of others that were there and are gone
    /// were written over as well, unless their manifests are gone too: they go back into the list.
    ///
    /// A writer that stands still between reading and writing for longer than the others look again can still write
    /// over an entry that nobody misses any more; pauses that grow with the time a round takes make that unlikely.
    fn list_add(&self, subject: &Digest, entry: Descriptor) -> Result<(), RegistryError> {
        let _one = self.client.lists.lock().expect("no panic while held");
        let mut known = vec![entry];
        let mut stayed = 0;
        for _ in 0..MOST_WRITES {
            let begun = Instant::now();
            let mut index = self.list(subject)?.unwrap_or_else(empty_index);
            if self.put_back(&mut index, &mut known)? {
                stayed = 0;
                let bytes = serde_json::to_vec(&index).unwrap_or_default();
                let descriptor = Descriptor::of(media_type::INDEX, &bytes);
                self.push_manifest(&descriptor, &bytes, Some(&list_tag(subject)))?;
            } else {
                stayed += 1;
                if stayed == LOOKS {
                    return Ok(());
                }
            }
            let settle = self.client.settings.backoff.max(begun.elapsed() * 4);
            self.client.wait(pause(settle))?;
        }
        Err(RegistryError::new(
            ErrorKind::Unreachable,
            format!(
                "{}: the list of referrers {} is changed by others all the time",
                self.name,
                list_tag(subject)
            ),
        ))
    }

    /// Adds to the list what was seen in it and is gone though its manifest is there, and takes note of what it names.
    /// Whether something was added. The first known entry is our own, whose manifest was just put.
    fn put_back(&self, index: &mut Index, known: &mut Vec<Descriptor>) -> Result<bool, RegistryError> {
        let named: BTreeSet<Digest> = index.manifests.iter().map(|one| one.digest).collect();
        let mut added = false;
        for (position, entry) in known.iter().enumerate() {
            if !named.contains(&entry.digest) && (position == 0 || self.has_manifest(&entry.digest)?) {
                index.manifests.push(entry.clone());
                added = true;
            }
        }
        for entry in &index.manifests {
            if known.iter().all(|one| one.digest != entry.digest) {
                known.push(entry.clone());
            }
        }
        Ok(added)
    }

    /// The list of referrers under the tag that stands in for the API, if there is one.
    ///
    /// # Errors
    /// If the registry cannot be asked, or something else has that tag.
    pub fn list(&self, subject: &Digest) -> Result<Option<Index>, RegistryError> {
        match self.manifest_at_origin(&list_tag(subject)) {
            Ok(FetchedManifest {
                document: Document::Index(index),
                ..
            }) => Ok(Some(*index)),
            Ok(_) => Err(RegistryError::lie(format!(
                "{}:{}: it is no index",
                self.name,
                list_tag(subject)
            ))),
            Err(error) if error.kind == ErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn has_manifest(&self, digest: &Digest) -> Result<bool, RegistryError> {
        match self.manifest_at_origin(&digest.to_string()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn manifest_at_origin(&self, tag: &str) -> Result<FetchedManifest, RegistryError> {
        let alone = Repository {
            client: self.client,
            name: self.name.clone(),
            origin: self.origin.clone(),
            pull: vec![self.origin.clone()],
        };
        alone.manifest_at(tag, None)
    }
}

fn pause(settle: Duration) -> Duration {
    settle.mul_f64(0.2 + 0.6 * random_part())
}

/// The tag that a subject's list has where the API is missing.
fn list_tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn empty_index() -> Index {
    Index {
        schema_version: 2,
        media_type: Some(media_type::INDEX.into()),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: Default::default(),
        other: Default::default(),
    }
}

/// How a list names a referrer: with its artifact type and its annotations.
pub fn entry(manifest: &FetchedManifest) -> Descriptor {
    let mut entry = manifest.descriptor.clone();
    match &manifest.document {
        Document::Manifest(it) => {
            let kind = it
                .artifact_type
                .clone()
                .unwrap_or_else(|| it.config.media_type.clone());
            entry.artifact_type = Some(kind);
            entry.annotations.clone_from(&it.annotations);
        }
        Document::Index(it) => {
            entry.artifact_type.clone_from(&it.artifact_type);
            entry.annotations.clone_from(&it.annotations);
        }
    }
    entry
}
