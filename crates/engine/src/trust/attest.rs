//! Statements about an image, signed.

use praxis_oci::{Descriptor, Digest, Platform};
use praxis_registry::Settings;
use praxis_sbom::{cyclonedx, spdx};
use praxis_sign::{Statement, legacy_attestation, legacy_tag};
use serde::Serialize;
use serde_json::Value;

use super::kept::bundles;
use super::seal::Seal;
use super::sign::{Made, already, what_is};
use crate::registry::Held;
use crate::{CYCLONEDX, Engine, EngineError, PROVENANCE, Place, SPDX};

/// What is said of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// What it was made from: SLSA provenance, of an image that was built in this store.
    Provenance {
        /// Also values of build arguments, the Dockerfile and the steps.
        all: bool,
        /// Who built it.
        builder: Option<String>,
    },
    /// What it is made of, as SPDX.
    Spdx,
    /// What it is made of, as CycloneDX.
    Cyclonedx,
    /// Something else.
    Other {
        /// Its predicate type.
        predicate_type: String,
        /// What is said.
        predicate: Value,
    },
}

impl Predicate {
    /// The type of the predicate.
    pub fn predicate_type(&self) -> &str {
        match self {
            Predicate::Provenance { .. } => PROVENANCE,
            Predicate::Spdx => SPDX,
            Predicate::Cyclonedx => CYCLONEDX,
            Predicate::Other { predicate_type, .. } => predicate_type,
        }
    }
}

/// What `praxis attest` asks for.
pub struct AttestRequest<'a> {
    /// The image.
    pub image: Place,
    /// Where the image can be looked into: as written for [`Engine::inspect`]; of an image with several platforms each
    /// manifest is looked up there.
    pub content: String,
    /// What is said.
    pub predicates: Vec<Predicate>,
    /// The key, and who else hears of it.
    pub seal: Seal<'a>,
    /// The time that is noted, RFC 3339.
    pub created: String,
    /// Also in the old form, under a tag.
    pub legacy: bool,
}

/// What was said.
#[derive(Clone, Debug, Serialize)]
pub struct AttestOutcome {
    /// The digest of the image.
    pub digest: Digest,
    /// Each statement.
    pub attested: Vec<Attested>,
}

/// A statement about a manifest.
#[derive(Clone, Debug, Serialize)]
pub struct Attested {
    /// The manifest.
    pub subject: Digest,
    /// What it is: `image` or a platform.
    pub what: String,
    /// The type of the predicate.
    pub predicate_type: String,
    /// The artifact with the statement.
    pub artifact: Digest,
    /// Whether it was there before.
    pub kept: bool,
}

impl Engine {
    /// Signs statements about every platform's manifest of an image, each a bundle that refers to its manifest. A statement
    /// of the same type by the same key that is there stays.
    ///
    /// # Errors
    /// If what is to be said is not known, the key cannot sign or the place takes no referrers.
    pub fn attest(&self, request: &AttestRequest, settings: &Settings) -> Result<AttestOutcome, EngineError> {
        self.held(&request.image, settings, |image| {
            let about: Vec<(Descriptor, String)> = image
                .documents()?
                .into_iter()
                .map(|(descriptor, _)| (descriptor.clone(), what_is(&descriptor)))
                .filter(|(_, what)| what != "index" && what != "attestation")
                .collect();
            // All of them are signed before one is added: a log or an authority that fails leaves nothing behind.
            let mut made = Vec::new();
            for (subject, what) in &about {
                for predicate in &request.predicates {
                    let one = self.attestation(image, subject, predicate, request)?;
                    let attested = Attested {
                        subject: subject.digest,
                        what: what.clone(),
                        predicate_type: predicate.predicate_type().into(),
                        artifact: one.digest,
                        kept: one.is_there(),
                    };
                    made.push((one, attested));
                }
            }
            let mut attested = Vec::new();
            for (one, said) in made {
                one.add(image)?;
                attested.push(said);
            }
            for (subject, _) in about.iter().filter(|_| request.legacy) {
                attest_as_before(image, subject, request)?;
            }
            Ok(AttestOutcome {
                digest: image.root.descriptor.digest,
                attested,
            })
        })
    }

    /// The artifact with what `predicate` asks for about a manifest.
    fn attestation(
        &self,
        image: &Held,
        subject: &Descriptor,
        predicate: &Predicate,
        request: &AttestRequest,
    ) -> Result<Made, EngineError> {
        match already(image, &subject.digest, predicate.predicate_type(), &request.seal)? {
            Some(there) => Ok(Made::there(there)),
            None => {
                let statement = self.statement(subject, predicate, &request.content)?;
                Made::new(subject, &statement, &request.seal, &request.created)
            }
        }
    }

    /// The statement that `predicate` asks for, about a manifest of the image that `content` names.
    pub(crate) fn statement(
        &self,
        subject: &Descriptor,
        predicate: &Predicate,
        content: &str,
    ) -> Result<Vec<u8>, EngineError> {
        let platform = subject.platform.as_ref();
        let about = |value| Statement::about(&subject.digest, predicate.predicate_type(), value);
        let statement = match predicate {
            Predicate::Provenance { all, builder } => {
                let value = self.provenance(content, platform, *all, builder.as_deref())?;
                let bytes = value.to_string().into_bytes();
                if !Statement::parse(&bytes)?.is_about(&subject.digest) {
                    return Err(another(content, &value["subject"].to_string(), subject));
                }
                return Ok(bytes);
            }
            Predicate::Spdx => about(spdx(&self.inventory_of(subject, content, platform)?)),
            Predicate::Cyclonedx => about(cyclonedx(&self.inventory_of(subject, content, platform)?)),
            Predicate::Other { predicate, .. } => about(predicate.clone()),
        };
        Ok(statement.to_bytes())
    }

    fn inventory_of(
        &self,
        subject: &Descriptor,
        content: &str,
        platform: Option<&Platform>,
    ) -> Result<praxis_sbom::Inventory, EngineError> {
        let looked_into = self.inspect(content, platform)?.digest;
        if looked_into != subject.digest.to_string() {
            return Err(another(content, &looked_into, subject));
        }
        self.components(content, None, platform)
    }
}

fn another(content: &str, is: &str, subject: &Descriptor) -> EngineError {
    let subject = subject.digest;
    EngineError::user(format!(
        "{content}: it is {is}, which is not what is attested, {subject}"
    ))
}

fn attest_as_before(image: &Held, subject: &Descriptor, request: &AttestRequest) -> Result<(), EngineError> {
    let keys = [*request.seal.signer.public_key()];
    let trust = request.seal.trust(&keys);
    let believed = bundles(image, &subject.digest)?
        .into_iter()
        .filter_map(|kept| kept.believed(&subject.digest, &trust).ok())
        .filter(|one| one.judged.statement.predicate_type != praxis_sign::SIGNATURE);
    let layers = believed.map(|one| legacy_attestation(&one.bundle));
    let layers = layers.collect::<Result<Vec<_>, _>>()?;
    image.add_legacy(&legacy_tag(&subject.digest, "att"), layers)
}
