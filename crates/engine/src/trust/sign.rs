//! An image and the manifests in it, signed.

use praxis_oci::{Descriptor, Digest};
use praxis_registry::Settings;
use praxis_sign::{
    Artifact, Bundle, PublicKey, SIGNATURE, Signer, Stamp, Statement, Trust, legacy_signature, legacy_tag,
};
use serde::Serialize;

use super::kept::bundles;
use crate::registry::Held;
use crate::{Engine, EngineError, Place};

/// Annotations of BuildKit's attestation manifests in an index.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// What `praxis sign` asks for.
pub struct SignRequest<'a> {
    /// The image.
    pub image: Place,
    /// The key.
    pub signer: &'a dyn Signer,
    /// Who says when it was signed, if somebody is to say so.
    pub stamp: Option<&'a dyn Stamp>,
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
    /// to it. Signatures by the same key that are there stay, and none is made twice.
    ///
    /// # Errors
    /// If the image is not there, the key cannot sign or the place takes no referrers.
    pub fn sign(&self, request: &SignRequest, settings: &Settings) -> Result<SignOutcome, EngineError> {
        self.held(&request.image, settings, |image| {
            let documents = image.documents()?;
            let mut signed = Vec::new();
            for (descriptor, _) in &documents {
                signed.push(sign_one(image, descriptor, request)?);
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

fn sign_one(
    image: &Held,
    descriptor: &Descriptor,
    request: &SignRequest,
) -> Result<SignedManifest, EngineError> {
    let outcome = |signature, kept| SignedManifest {
        digest: descriptor.digest,
        what: what_is(descriptor),
        signature,
        kept,
    };
    let key = request.signer.public_key();
    if let Some(there) = already(image, &descriptor.digest, SIGNATURE, key, request.stamp.is_some())? {
        return Ok(outcome(there, true));
    }
    let statement = Statement::signature(&descriptor.digest).to_bytes();
    let added = add_bundle(
        image,
        descriptor,
        &statement,
        request.signer,
        request.stamp,
        &request.created,
    )?;
    Ok(outcome(added, false))
}

/// The artifact with a bundle of `predicate_type` about `subject` that this key signed before, with a timestamp if
/// there is to be one.
pub(super) fn already(
    image: &Held,
    subject: &Digest,
    predicate_type: &str,
    key: &PublicKey,
    stamped: bool,
) -> Result<Option<Digest>, EngineError> {
    let trust = Trust {
        keys: &[*key],
        ..Trust::default()
    };
    let believed = bundles(image, subject)?
        .into_iter()
        .filter_map(|kept| kept.believed(subject, &trust).ok());
    let mut fitting = believed.filter(|one| {
        let timed = one.bundle.timestamps().is_ok_and(|times| !times.is_empty());
        one.judged.statement.predicate_type == predicate_type && (timed || !stamped)
    });
    Ok(fitting.next().map(|one| one.artifact))
}

/// Signs a statement about a manifest and adds it; gives the artifact's digest.
pub(super) fn add_bundle(
    image: &Held,
    subject: &Descriptor,
    statement: &[u8],
    signer: &dyn Signer,
    stamp: Option<&dyn Stamp>,
    created: &str,
) -> Result<Digest, EngineError> {
    let mut bundle = Bundle::sign(statement, signer)?;
    if let Some(stamp) = stamp {
        bundle.add_timestamp(&stamp.stamp(&bundle.dsse_envelope.signature()?)?);
    }
    let artifact = Artifact::of_bundle(&bundle, subject, created)?;
    image.add(&artifact)?;
    Ok(artifact.descriptor.digest)
}

/// The simple signing that verifiers before bundles look for.
fn sign_as_before(image: &Held, descriptor: &Descriptor, request: &SignRequest) -> Result<(), EngineError> {
    let name = image.name.as_ref().map(|name| name.name()).unwrap_or_default();
    let layer = legacy_signature(&descriptor.digest, &name, request.signer, request.stamp)?;
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
