//! What `praxis check --online` asks registries.

use std::collections::BTreeMap;

use praxis_check::{RegistryAnswer, Repository as Checked};
use praxis_oci::{Descriptor, Digest, ImageConfig, Reference};
use praxis_registry::{Client, Document, ErrorKind, FetchedManifest, RegistryError, Repository};

/// A larger configuration is not read.
const LARGEST: u64 = 4 << 20;

/// Asks for every pinned image. An image without a registry, such as `localhost/name`, is passed over.
///
/// # Errors
/// If a registry cannot be asked: that is not the answer that it has no such image.
pub fn ask(client: &Client, checked: &Checked) -> Result<BTreeMap<String, RegistryAnswer>, RegistryError> {
    let pinned = checked.pinned().into_iter();
    pinned
        .filter(|reference| reference.domain() != "localhost")
        .map(|reference| Ok((reference.to_string(), about(client, &reference)?)))
        .collect()
}

fn about(client: &Client, reference: &Reference) -> Result<RegistryAnswer, RegistryError> {
    let repository = client.repository(reference)?;
    let mut answer = RegistryAnswer::default();
    if let Some(fetched) = present(repository.manifest(reference))? {
        answer.platforms = Some(platforms(&repository, &fetched)?);
    }
    let Some(tag) = tag_alone(reference) else {
        return Ok(answer);
    };
    let now: Option<Digest> = present(repository.resolve(&tag))?;
    answer.tag = now.as_ref().map(ToString::to_string);
    if now.as_ref() != reference.digest()
        && let Some(fetched) = present(repository.manifest(&tag))?
        && let Some(config) = first_configuration(&repository, &fetched)?
    {
        answer.tag_created = config.created;
    }
    Ok(answer)
}

/// What there is, or nothing where the registry says that it has no such thing.
fn present<T>(asked: Result<T, RegistryError>) -> Result<Option<T>, RegistryError> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::Missing => Ok(None),
        Err(error) => Err(error),
    }
}

/// `NAME:TAG` of `NAME:TAG@DIGEST`.
fn tag_alone(reference: &Reference) -> Option<Reference> {
    format!("{}:{}", reference.name(), reference.tag()?).parse().ok()
}

fn platforms(repository: &Repository, fetched: &FetchedManifest) -> Result<Vec<String>, RegistryError> {
    Ok(match &fetched.document {
        Document::Index(index) => {
            let platforms = index.manifests.iter().filter_map(|one| one.platform.as_ref());
            platforms.map(ToString::to_string).collect()
        }
        Document::Manifest(manifest) => {
            let config = configuration(repository, &manifest.config)?;
            config
                .map(|config| config.platform().to_string())
                .into_iter()
                .collect()
        }
    })
}

/// The configuration of an image, or of the first in an index.
fn first_configuration(
    repository: &Repository,
    fetched: &FetchedManifest,
) -> Result<Option<ImageConfig>, RegistryError> {
    match &fetched.document {
        Document::Manifest(manifest) => configuration(repository, &manifest.config),
        Document::Index(index) => {
            let Some(first) = index.manifests.iter().find(|one| one.platform.is_some()) else {
                return Ok(None);
            };
            match repository.manifest_of(first)?.document {
                Document::Manifest(manifest) => configuration(repository, &manifest.config),
                Document::Index(_) => Ok(None),
            }
        }
    }
}

fn configuration(
    repository: &Repository,
    descriptor: &Descriptor,
) -> Result<Option<ImageConfig>, RegistryError> {
    if descriptor.size > LARGEST {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    repository.fetch_blob(descriptor, &mut bytes)?;
    Ok(serde_json::from_slice(&bytes).ok())
}
