//! Whether an image is signed and attested as it has to be.

use std::collections::BTreeMap;

use praxis_oci::{Descriptor, Digest};
use praxis_registry::{Settings, Transfer, copy};
use praxis_sign::{
    IdentityVerifier, LogPlace, LogVerifier, PublicKey, SIGNATURE, StampVerifier, Transparency, Trust,
};
use serde::Serialize;

use super::kept::bundles;
use super::sign::what_is;
use crate::registry::{Held, Layout};
use crate::{CYCLONEDX, Engine, EngineError, PROVENANCE, Place, SPDX, missing_materials};

/// What `praxis verify` asks for.
#[derive(Clone)]
pub struct VerificationRequest<'a> {
    /// The image.
    pub image: Place,
    /// Keys that are believed.
    pub keys: Vec<PublicKey>,
    /// Types of predicates that every platform's manifest has to have.
    pub predicates: Vec<String>,
    /// Who may have built it; anybody if there is none.
    pub builders: Vec<String>,
    /// The Dockerfile whose bases the provenance has to name.
    pub dockerfile: Option<String>,
    /// Compare SBOMs with the files of the image.
    pub sbom: bool,
    /// Who is believed about times; then only signatures with a time count.
    pub stamps: Option<&'a dyn StampVerifier>,
    /// Who is believed to have signed with a certificate.
    pub identities: Option<&'a dyn IdentityVerifier>,
    /// Logs that are believed; then what a bundle says about them must hold.
    pub logs: Option<&'a dyn LogVerifier>,
    /// Only signatures that such a log has count.
    pub require_log: bool,
    /// Only those signatures of these keys that such a log has count.
    pub logged_keys: Vec<PublicKey>,
}

impl VerificationRequest<'_> {
    /// A request that believes nobody and asks for nothing yet.
    pub fn of(image: Place) -> VerificationRequest<'static> {
        VerificationRequest {
            image,
            keys: Vec::new(),
            predicates: Vec::new(),
            builders: Vec::new(),
            dockerfile: None,
            sbom: false,
            stamps: None,
            identities: None,
            logs: None,
            require_log: false,
            logged_keys: Vec::new(),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct ImageVerification {
    /// The digest of the image.
    pub digest: Digest,
    /// Whether every check holds.
    pub passed: bool,
    /// What was looked at.
    pub checks: Vec<VerificationCheck>,
    /// The image and the manifests in it.
    pub parts: Vec<SignedPart>,
}

/// One thing that has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerificationCheck {
    /// The manifest.
    pub digest: Digest,
    /// What has to hold.
    pub what: String,
    /// Whether it does.
    pub holds: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A manifest with what is believed about it.
#[derive(Clone, Debug, Serialize)]
pub struct SignedPart {
    /// Its digest.
    pub digest: Digest,
    /// What it is: `index`, `image`, a platform, or `attestation`.
    pub what: String,
    /// Signatures that are believed.
    pub signatures: Vec<KeptSignature>,
    /// Statements that are believed.
    pub attestations: Vec<KeptAttestation>,
    /// Bundles that are not believed, and why. Anybody can attach one: they count for nothing, also not against the image.
    pub rejected: Vec<(Digest, String)>,
    /// The type of predicate that those among them claim to hold which can be read.
    #[serde(skip)]
    pub claimed: BTreeMap<Digest, String>,
}

/// A signature that is believed.
#[derive(Clone, Debug, Serialize)]
pub struct KeptSignature {
    /// The artifact.
    pub artifact: Digest,
    /// The hint of the key.
    pub key: String,
    /// Whom the certificate names, if it was signed with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// When it was made, by those who are believed about times.
    pub times: Vec<String>,
    /// Where logs that are believed have it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogPlace>,
}

/// A statement that is believed.
#[derive(Clone, Debug, Serialize)]
pub struct KeptAttestation {
    /// The signature.
    #[serde(flatten)]
    pub signature: KeptSignature,
    /// The type of the predicate.
    pub predicate_type: String,
    /// The statement.
    #[serde(skip)]
    pub statement: Vec<u8>,
}

impl Engine {
    /// Verifies an image where it is: index, every manifest and every attestation manifest have to be signed by a key that
    /// is believed, and every platform's manifest has to have the statements that are asked for. Nothing else than the
    /// place of the image is asked.
    ///
    /// # Errors
    /// If the image cannot be read; what does not hold is no error but a check that fails.
    pub fn verify_image(
        &self,
        request: &VerificationRequest,
        settings: &Settings,
    ) -> Result<ImageVerification, EngineError> {
        self.held(&request.image, settings, |image| {
            let mut verification = ImageVerification {
                digest: image.root.descriptor.digest,
                passed: true,
                checks: Vec::new(),
                parts: Vec::new(),
            };
            for (descriptor, _) in image.documents()? {
                let part = part(image, &descriptor, request)?;
                verification.checks.push(signed(&part));
                if part.what != "index" && part.what != "attestation" {
                    verification.checks.extend(statements(&part, request));
                }
                verification.parts.push(part);
            }
            if request.sbom {
                verification
                    .checks
                    .extend(self.contents(image, &verification.parts)?);
            }
            verification.passed = verification.checks.iter().all(|check| check.holds);
            Ok(verification)
        })
    }

    /// Whether the SBOMs say what the files of the image say.
    fn contents(&self, image: &Held, parts: &[SignedPart]) -> Result<Vec<VerificationCheck>, EngineError> {
        let mut checks = Vec::new();
        let store = self.store()?;
        let scratch = store.scratch()?;
        let mut layout = None;
        for (descriptor, document) in image.documents()? {
            let Some(part) = parts.iter().find(|part| part.digest == descriptor.digest) else {
                continue;
            };
            for attestation in &part.attestations {
                if attestation.predicate_type != SPDX && attestation.predicate_type != CYCLONEDX {
                    continue;
                }
                let directory = scratch.path().join("verified");
                let target = match &layout {
                    Some(target) => target,
                    None => layout.insert(Layout::create(&directory)?),
                };
                let transfer = Transfer {
                    source: image.source,
                    target,
                    parallel: 2,
                    referrers: false,
                };
                copy(&transfer, &document)?;
                let tag = descriptor.digest.hex();
                target.name(&document.descriptor, Some(&tag))?;
                let content = format!("oci-layout:{}:{tag}", directory.display());
                let found = self.sbom_differences(&content, &attestation.statement, None)?;
                let what = format!(
                    "{} says what the files say",
                    predicate_name(&attestation.predicate_type)
                );
                let first = found.first().map(|one| match found.len() {
                    1 => format!("PX803: {one}"),
                    more => format!("PX803: {one}, and {} more", more - 1),
                });
                checks.push(check(part.digest, what, first));
            }
        }
        Ok(checks)
    }
}

fn check(digest: Digest, what: impl Into<String>, why: Option<String>) -> VerificationCheck {
    VerificationCheck {
        digest,
        what: what.into(),
        holds: why.is_none(),
        why,
    }
}

fn part(
    image: &Held,
    descriptor: &Descriptor,
    request: &VerificationRequest,
) -> Result<SignedPart, EngineError> {
    let mut part = SignedPart {
        digest: descriptor.digest,
        what: what_is(descriptor),
        signatures: Vec::new(),
        attestations: Vec::new(),
        rejected: Vec::new(),
        claimed: BTreeMap::new(),
    };
    let trust = Trust {
        keys: &request.keys,
        stamps: request.stamps,
        identities: request.identities,
        transparency: request.logs.map(|logs| Transparency {
            logs,
            required: request.require_log,
            keys: &request.logged_keys,
        }),
    };
    for kept in bundles(image, &descriptor.digest)? {
        let claimed = kept.claimed();
        let one = match kept.believed(&descriptor.digest, &trust) {
            Ok(believed) => believed,
            Err((artifact, why)) => {
                part.claimed
                    .extend(claimed.map(|predicate_type| (artifact, predicate_type)));
                part.rejected.push((artifact, why.message));
                continue;
            }
        };
        let signature = KeptSignature {
            artifact: one.artifact,
            key: one.judged.key.hint(),
            identity: one.judged.identity,
            times: one.judged.times,
            logs: one.judged.places,
        };
        match one.judged.statement.predicate_type.as_str() {
            SIGNATURE => part.signatures.push(signature),
            kind => part.attestations.push(KeptAttestation {
                signature,
                predicate_type: kind.into(),
                statement: one.bundle.dsse_envelope.payload()?,
            }),
        }
    }
    Ok(part)
}

fn signed(part: &SignedPart) -> VerificationCheck {
    let why = part
        .signatures
        .is_empty()
        .then(|| match part.rejected.as_slice() {
            [] => "PX801: no signature refers to it".to_string(),
            [(artifact, why)] => format!("PX801: {artifact} is not believed: {why}"),
            [(artifact, why), more @ ..] => {
                format!(
                    "PX801: {artifact} is not believed: {why}; nor are {} more",
                    more.len()
                )
            }
        });
    check(part.digest, format!("the {} is signed", named(&part.what)), why)
}

pub(super) fn named(what: &str) -> String {
    match what {
        "index" | "image" | "attestation" => what.into(),
        platform => format!("image for {platform}"),
    }
}

/// What the statements about a platform's manifest have to say.
fn statements(part: &SignedPart, request: &VerificationRequest) -> Vec<VerificationCheck> {
    let mut checks = Vec::new();
    for wanted in &request.predicates {
        let there = part.attestations.iter().any(|one| one.predicate_type == *wanted);
        let missing = (!there).then(|| "PX801: no statement of that type is believed".to_string());
        checks.push(check(
            part.digest,
            format!("it has {}", predicate_name(wanted)),
            missing,
        ));
    }
    let provenances: Vec<&KeptAttestation> = part
        .attestations
        .iter()
        .filter(|one| one.predicate_type == PROVENANCE)
        .collect();
    if !request.builders.is_empty() {
        let builders: Vec<String> = provenances.iter().map(|one| builder(&one.statement)).collect();
        let known = builders.iter().any(|one| request.builders.contains(one));
        let why = (!known).then(|| match builders.first() {
            Some(other) => format!("it was built by {other:?}"),
            None => "no provenance is believed".into(),
        });
        checks.push(check(part.digest, "it was built by who may build it", why));
    }
    if let Some(dockerfile) = &request.dockerfile {
        let missing = provenances
            .iter()
            .map(|one| missing_materials(&one.statement, dockerfile));
        let why = match missing.min_by_key(|missing| missing.as_ref().map_or(usize::MAX, Vec::len)) {
            None => Some("no provenance is believed".to_string()),
            Some(Err(error)) => Some(error.message),
            Some(Ok(missing)) => missing
                .first()
                .map(|digest| format!("PX802: {digest} is not among them")),
        };
        checks.push(check(
            part.digest,
            "the provenance names the bases of the Dockerfile",
            why,
        ));
    }
    checks
}

fn builder(statement: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(statement).unwrap_or_default();
    let id = &value["predicate"]["runDetails"]["builder"]["id"];
    id.as_str().unwrap_or_default().to_string()
}

/// A type of predicate for people.
pub fn predicate_name(predicate_type: &str) -> &str {
    match predicate_type {
        SIGNATURE => "a signature",
        PROVENANCE => "SLSA provenance",
        SPDX => "an SPDX SBOM",
        CYCLONEDX => "a CycloneDX SBOM",
        other => other,
    }
}
