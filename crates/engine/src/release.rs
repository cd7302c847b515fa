//! A tested image, published: signed, attested, pushed by digest, verified where it is served, and only then tagged.

use praxis_ledger::{Entry, Kind, Record};
use praxis_oci::{Digest, Platform, Reference};
use praxis_registry::{Client, Document, ErrorKind, Settings};
use praxis_sign::{IdentityVerifier, LogVerifier, OwnCertificate, StampVerifier};
use serde::Serialize;
use serde_json::json;

use crate::registry::stored_image;
use crate::release_record::{
    RELEASE_RECORD, ReleaseRecord, ReleasedAttestation, ReleasedImage, ReleasedManifest,
};
use crate::{
    AttestOutcome, AttestRequest, CYCLONEDX, CopyRequest, Engine, EngineError, PROVENANCE, Place, Predicate,
    SPDX, Seal, SignRequest, VerificationRequest,
};

/// What has to be said about every manifest that is released.
const STATEMENTS: [&str; 3] = [PROVENANCE, SPDX, CYCLONEDX];

/// What `praxis release` asks for.
pub struct ReleaseRequest<'a> {
    /// The version.
    pub version: String,
    /// Where it goes: a name without tag and digest.
    pub repository: Reference,
    /// The image and its variants, by the digests that were tested; the first is the image itself.
    pub images: Vec<TestedImage>,
    /// The commit.
    pub commit: String,
    /// Where the source is.
    pub source: Option<String>,
    /// Who built it, for the provenance.
    pub builder: Option<String>,
    /// The key, and who else hears of it.
    pub seal: Seal<'a>,
    /// Who is believed about times.
    pub stamps: Option<&'a dyn StampVerifier>,
    /// Also in the old form.
    pub legacy: bool,
    /// Now, RFC 3339.
    pub created: String,
}

/// An image that passed its tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestedImage {
    /// The variant; the image itself has none.
    pub variant: Option<String>,
    /// What was tested.
    pub digest: Digest,
    /// The tag that is to stand for it, and stays.
    pub tag: String,
    /// Tags that are moved to it.
    pub moving: Vec<String>,
}

/// A step of a release that ended.
#[derive(Clone, Debug)]
pub struct ReleaseStep {
    /// The tag of the image.
    pub tag: String,
    /// What was done.
    pub what: String,
}

impl Engine {
    /// Publishes tested images of this store: signs and attests them here, pushes them by digest with all that refers to
    /// them, verifies what the registry serves, and then tags. A release that was cut short anywhere is completed by the same
    /// request; what is done stays as it is. No tag ever stands for what is not signed, attested and verified.
    ///
    /// # Errors
    /// If an image is not in the store, a tag stands for something else, or the registry serves something else.
    pub fn release(
        &self,
        request: &ReleaseRequest,
        settings: &Settings,
        told: &dyn Fn(ReleaseStep),
    ) -> Result<ReleaseRecord, EngineError> {
        for image in &request.images {
            self.refuse_other_tag(request, image, settings)?;
        }
        let mut images = Vec::new();
        for image in &request.images {
            images.push(self.publish(request, image, settings, told)?);
        }
        let record = ReleaseRecord {
            kind: RELEASE_RECORD.into(),
            version: request.version.clone(),
            repository: request.repository.name(),
            commit: request.commit.clone(),
            source: request.source.clone(),
            created: request.created.clone(),
            signer: request.seal.signer.public_key().hint(),
            images,
        };
        self.record(entry(&record))?;
        Ok(record)
    }

    fn publish(
        &self,
        request: &ReleaseRequest,
        image: &TestedImage,
        settings: &Settings,
        told: &dyn Fn(ReleaseStep),
    ) -> Result<ReleasedImage, EngineError> {
        let step = |what: &str| {
            let (tag, what) = (image.tag.clone(), what.to_string());
            told(ReleaseStep { tag, what });
        };
        let stored = request.repository.clone().with_digest(image.digest);
        let manifests = self.manifests(&stored)?;
        let here = Place::Store(stored.clone());
        let attested = self.vouch(request, &here, image, settings)?;
        step("signed and attested");
        let pushed = CopyRequest {
            source: here,
            target: Place::Registry(stored.clone()),
            referrers: true,
        };
        self.copy(&pushed, settings)?;
        step("pushed by its digest");
        self.served(request, &stored, settings)?;
        step("verified as the registry serves it");
        self.tag(request, image, settings)?;
        step("tagged");
        let attestations = attested.attested.into_iter().map(|one| ReleasedAttestation {
            subject: one.subject,
            predicate_type: one.predicate_type,
            digest: one.artifact,
        });
        Ok(ReleasedImage {
            variant: image.variant.clone(),
            digest: image.digest,
            manifests,
            tags: std::iter::once(&image.tag)
                .chain(&image.moving)
                .cloned()
                .collect(),
            attestations: attestations.collect(),
        })
    }

    /// Signs and attests the image in the store.
    fn vouch(
        &self,
        request: &ReleaseRequest,
        here: &Place,
        image: &TestedImage,
        settings: &Settings,
    ) -> Result<AttestOutcome, EngineError> {
        self.sign(
            &SignRequest {
                image: here.clone(),
                seal: request.seal,
                created: request.created.clone(),
                legacy: false,
            },
            settings,
        )?;
        let builder = request.builder.clone();
        self.attest(
            &AttestRequest {
                image: here.clone(),
                content: image.digest.to_string(),
                predicates: vec![
                    Predicate::Provenance { all: false, builder },
                    Predicate::Spdx,
                    Predicate::Cyclonedx,
                ],
                seal: request.seal,
                created: request.created.clone(),
                legacy: false,
            },
            settings,
        )
    }

    /// Verifies the image where others will get it from.
    fn served(
        &self,
        request: &ReleaseRequest,
        name: &Reference,
        settings: &Settings,
    ) -> Result<(), EngineError> {
        let own = request
            .seal
            .signer
            .certificate()
            .map(|certificate| OwnCertificate {
                certificate,
                key: *request.seal.signer.public_key(),
            });
        let found = self.verify_image(
            &VerificationRequest {
                image: Place::Registry(name.clone()),
                keys: vec![*request.seal.signer.public_key()],
                predicates: STATEMENTS.map(String::from).to_vec(),
                builders: Vec::new(),
                dockerfile: None,
                sbom: false,
                stamps: request.stamps,
                identities: own.as_ref().map(|own| own as &dyn IdentityVerifier),
                logs: request.seal.log.map(|log| log as &dyn LogVerifier),
                require_log: request.seal.log.is_some(),
                logged_keys: Vec::new(),
            },
            settings,
        )?;
        match found.checks.iter().find(|check| !check.holds) {
            None => Ok(()),
            Some(check) => {
                let why = check.why.as_deref().unwrap_or_default();
                Err(EngineError::user(format!(
                    "{}: what the registry serves is not what was released: {}: {}: {why}",
                    name.familiar(),
                    check.digest,
                    check.what
                ))
                .with_hint("nothing was tagged; run the release again when the registry is sound"))
            }
        }
    }

    fn tag(
        &self,
        request: &ReleaseRequest,
        image: &TestedImage,
        settings: &Settings,
    ) -> Result<(), EngineError> {
        self.refuse_other_tag(request, image, settings)?;
        let client = Client::new(settings.clone());
        let repository = client.repository(&request.repository)?;
        let root = repository.manifest(&request.repository.clone().with_digest(image.digest))?;
        if request.legacy {
            self.vouch_as_before(request, image, settings)?;
        }
        for tag in std::iter::once(&image.tag).chain(&image.moving) {
            repository.push_manifest(&root.descriptor, &root.bytes, Some(tag))?;
        }
        Ok(())
    }

    /// The old form of signatures and attestations, which only a registry can hold.
    fn vouch_as_before(
        &self,
        request: &ReleaseRequest,
        image: &TestedImage,
        settings: &Settings,
    ) -> Result<(), EngineError> {
        let there = Place::Registry(request.repository.clone().with_digest(image.digest));
        let sign = SignRequest {
            image: there.clone(),
            seal: request.seal,
            created: request.created.clone(),
            legacy: true,
        };
        self.sign(&sign, settings)?;
        let attest = AttestRequest {
            image: there,
            content: image.digest.to_string(),
            predicates: Vec::new(),
            seal: request.seal,
            created: request.created.clone(),
            legacy: true,
        };
        self.attest(&attest, settings).map(drop)
    }

    /// A version stands for one thing for ever.
    fn refuse_other_tag(
        &self,
        request: &ReleaseRequest,
        image: &TestedImage,
        settings: &Settings,
    ) -> Result<(), EngineError> {
        let name = format!("{}:{}", request.repository.name(), image.tag);
        let tagged: Reference = name
            .parse()
            .map_err(|error| EngineError::user(format!("{name}: {error}")))?;
        let client = Client::new(settings.clone());
        match client.repository(&tagged)?.manifest(&tagged) {
            Ok(found) if found.descriptor.digest == image.digest => Ok(()),
            Ok(found) => Err(EngineError::user(format!(
                "{name}: it stands for {} already; {} was tested",
                found.descriptor.digest, image.digest
            ))
            .with_hint("a version is released once: choose the next one")),
            Err(error) if error.kind == ErrorKind::Missing => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The manifest of each platform.
    fn manifests(&self, image: &Reference) -> Result<Vec<ReleasedManifest>, EngineError> {
        let store = self.store()?;
        let root = stored_image(&store, image).map_err(|error| {
            let wanted = image.digest().map(ToString::to_string).unwrap_or_default();
            EngineError::user(format!(
                "{wanted}: this store does not hold what was tested ({error})"
            ))
            .with_hint("bring it here with praxis copy, or run praxis ci here")
        })?;
        let bytes = store.read_blob(&root.digest, root.size)?;
        match praxis_registry::parse_document(&bytes, &root.media_type)? {
            Document::Manifest(_) => {
                let inspected = self.inspect(&root.digest.to_string(), None)?;
                let platform: Platform = inspected.platform.parse().map_err(|_| {
                    EngineError::user(format!(
                        "{}: its platform is {:?}",
                        root.digest, inspected.platform
                    ))
                })?;
                Ok(vec![ReleasedManifest {
                    platform,
                    digest: root.digest,
                }])
            }
            Document::Index(index) => Ok(index
                .manifests
                .into_iter()
                .filter_map(|one| {
                    Some(ReleasedManifest {
                        platform: one.platform?,
                        digest: one.digest,
                    })
                })
                .filter(|one| one.platform.os != "unknown")
                .collect()),
        }
    }

    /// What the newest successful `praxis ci` of this commit tested, as the ledger has it.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub fn tested(&self, commit: &str) -> Result<Option<Record>, EngineError> {
        let Some(ledger) = self.settings.books.read()? else {
            return Ok(None);
        };
        let found = ledger.latest(1, |record| {
            let entry = &record.entry;
            entry.kind == Kind::Test && entry.body["ci"] == true && entry.body["revision"] == commit
        })?;
        Ok(found.into_iter().next())
    }
}

fn entry(record: &ReleaseRecord) -> Entry {
    Entry {
        time: record.created.clone(),
        kind: Kind::Release,
        subject: record.image().map(|image| image.digest),
        success: true,
        summary: format!("released {} {}", record.repository, record.version),
        body: json!(record),
    }
}
