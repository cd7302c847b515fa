//! An image and the manifests in it, signed.

use praxis_oci::{Descriptor, Digest};
use praxis_registry::Settings;
use praxis_sign::{Artifact, SIGNATURE, Statement, legacy_signature, legacy_tag};
use serde::Serialize;

use super::kept::bundles;
use super::seal::Seal;
use crate::registry::Held;
use crate::{Engine, EngineError, Place};

/// Annotations of BuildKit's attestation manifests in an index.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// What `praxis sign` asks for.
pub struct SignRequest<'a> {
    /// The image.
    pub image: Place,
    /// The key, and who else hears of it.
    pub seal: Seal<'a>,
    /// The time that is noted, RFC 3339; nobody believes it.
    pub created: String,
    /// Sign in the old form too, under a tag.
    pub legacy: bool,
}

/// What was signed.
#[derive(Clone, Debug, Serialize)]
pub struct SignOutcome {
    /// The digest of the image.
    pub digest: Digest,
    /// The image and each manifest in it.
    pub signed: Vec<SignedManifest>,
}

/// A manifest that is signed.
#[derive(Clone, Debug, Serialize)]
pub struct SignedManifest {
    /// Its digest.
    pub digest: Digest,
    /// What it is: `index`, `image`, a platform, or `attestation`.
    pub what: String,
    /// The artifact with the signature.
    pub signature: Digest,
    /// Whether the signature was there before.
    pub kept: bool,
}

impl Engine {
    /// Signs an image: its index, every manifest in it, attestations that the index lists. Each gets a bundle that refers
    /// to it. Signatures by the same key that are there stay, and none is made twice. None is added before all are made.
    ///
    /// # Errors
    /// If the image is not there, the key cannot sign, an authority or log does not answer as it must, or the place takes no
    /// referrers.
    pub fn sign(&self, request: &SignRequest, settings: &Settings) -> Result<SignOutcome, EngineError> {
        self.held(&request.image, settings, |image| {
            let documents = image.documents()?;
            // All of them are signed before one is added: a log or an authority that fails leaves nothing behind.
            let made = documents
                .iter()
                .map(|(descriptor, _)| made(image, descriptor, request));
            let made = made.collect::<Result<Vec<_>, _>>()?;
            let mut signed = Vec::new();
            for ((descriptor, _), made) in documents.iter().zip(made) {
                signed.push(SignedManifest {
                    digest: descriptor.digest,
                    what: what_is(descriptor),
                    signature: made.digest,
                    kept: made.is_there(),
                });
                made.add(image)?;
                if request.legacy {
                    sign_as_before(image, descriptor, request)?;
                }
            }
            Ok(SignOutcome {
                digest: image.root.descriptor.digest,
                signed,
            })
        })
    }
}

/// The artifact with the signature of a manifest.
fn made(image: &Held, descriptor: &Descriptor, request: &SignRequest) -> Result<Made, EngineError> {
    match already(image, &descriptor.digest, SIGNATURE, &request.seal)? {
        Some(there) => Ok(Made::there(there)),
        None => {
            let statement = Statement::signature(&descriptor.digest).to_bytes();
            Made::new(descriptor, &statement, &request.seal, &request.created)
        }
    }
}

/// An artifact with a bundle.
pub(super) struct Made {
    pub digest: Digest,
    /// What is to be added, if it is not there.
    new: Option<Artifact>,
}

impl Made {
    /// One that was added before.
    pub(super) fn there(digest: Digest) -> Made {
        Made { digest, new: None }
    }

    /// Signs a statement about a manifest.
    pub(super) fn new(
        subject: &Descriptor,
        statement: &[u8],
        seal: &Seal,
        created: &str,
    ) -> Result<Made, EngineError> {
        let artifact = Artifact::of_bundle(&seal.bundle(statement)?, subject, created)?;
        Ok(Made {
            digest: artifact.descriptor.digest,
            new: Some(artifact),
        })
    }

    pub(super) fn is_there(&self) -> bool {
        self.new.is_none()
    }

    /// Adds it, if it is not there.
    pub(super) fn add(&self, image: &Held) -> Result<(), EngineError> {
        match &self.new {
            Some(artifact) => image.add(artifact),
            None => Ok(()),
        }
    }
}

/// The artifact with a bundle of `predicate_type` about `subject` that this key signed before, with all that the seal gives.
pub(super) fn already(
    image: &Held,
    subject: &Digest,
    predicate_type: &str,
    seal: &Seal,
) -> Result<Option<Digest>, EngineError> {
    let keys = [*seal.signer.public_key()];
    let trust = seal.trust(&keys);
    let believed = bundles(image, subject)?
        .into_iter()
        .filter_map(|kept| kept.believed(subject, &trust).ok());
    let mut fitting = believed.filter(|one| {
        let timed = one.bundle.timestamps().is_ok_and(|times| !times.is_empty());
        one.judged.statement.predicate_type == predicate_type && (timed || seal.stamp.is_none())
    });
    Ok(fitting.next().map(|one| one.artifact))
}

/// The simple signing that verifiers before bundles look for.
fn sign_as_before(image: &Held, descriptor: &Descriptor, request: &SignRequest) -> Result<(), EngineError> {
    let name = image.name.as_ref().map(|name| name.name()).unwrap_or_default();
    let layer = legacy_signature(&descriptor.digest, &name, request.seal.signer, request.seal.stamp)?;
    image.add_legacy(&legacy_tag(&descriptor.digest, "sig"), vec![layer])
}

/// What a manifest is, for people.
pub(super) fn what_is(descriptor: &Descriptor) -> String {
    if descriptor.is_index() {
        return "index".into();
    }
    if descriptor.annotations.contains_key(REFERENCE_TYPE) {
        return "attestation".into();
    }
    match &descriptor.platform {
        Some(platform) => platform.to_string(),
        None => "image".into(),
    }
}
