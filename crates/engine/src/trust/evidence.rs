//! What is attached to an image, held against the image: nobody's word is believed, and no key is asked for.

use praxis_oci::{Descriptor, Digest};
use praxis_registry::{Document, FetchedManifest, Settings};
use praxis_sbom::{Inventory, differences, listed};
use praxis_sign::{SIGNATURE, Statement};

use super::kept::bundles;
use super::sign::what_is;
use super::verify::named;
use crate::registry::Held;
use crate::{CYCLONEDX, Engine, EngineError, PROVENANCE, Place, SPDX, missing_materials};

/// BuildKit's annotation of an attestation manifest with what it is about.
const ABOUT: &str = "vnd.docker.reference.digest";
const IN_TOTO: &str = "application/vnd.in-toto+json";
/// Differences of one SBOM that are told.
const TOLD: usize = 20;

/// What was found.
#[derive(Default)]
pub(crate) struct Attachments {
    pub unsigned: Vec<String>,
    pub wrong_entries: Vec<String>,
    /// Statements about the manifest that was asked for, with the types of their predicates.
    pub statements: Vec<(String, Vec<u8>)>,
}

impl Engine {
    /// What is attached to the image in `place`. Signatures and lists are looked for in registries only: elsewhere nothing
    /// is published yet.
    pub(crate) fn attachments(
        &self,
        place: &Place,
        manifest: Option<Digest>,
        settings: &Settings,
    ) -> Result<Attachments, EngineError> {
        let published = matches!(place, Place::Registry(_));
        self.held(place, settings, |image| {
            let mut found = Attachments::default();
            for (descriptor, document) in image.documents()? {
                let statements = statements_about(image, &descriptor.digest)?;
                if published && !statements.iter().any(|(kind, _)| kind == SIGNATURE) {
                    let what = named(&what_is(&descriptor));
                    found.unsigned.push(format!("the {what} {}", descriptor.digest));
                }
                if published {
                    found
                        .wrong_entries
                        .extend(image.wrong_entries(&descriptor.digest)?);
                }
                if Some(descriptor.digest) == manifest {
                    found.statements.extend(statements);
                } else if about(&descriptor) == manifest && manifest.is_some() {
                    found.statements.extend(listed_statements(image, &document)?);
                }
            }
            Ok(found)
        })
    }
}

/// What the bundles about a manifest say.
fn statements_about(image: &Held, digest: &Digest) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
    let readable = bundles(image, digest)?.into_iter().filter_map(|kept| {
        let bytes = kept.bundle.ok()?.dsse_envelope.payload().ok()?;
        let statement = Statement::parse(&bytes).ok()?;
        statement
            .is_about(digest)
            .then(|| (statement.predicate_type.clone(), bytes))
    });
    Ok(readable.collect())
}

fn about(descriptor: &Descriptor) -> Option<Digest> {
    descriptor.annotations.get(ABOUT)?.parse().ok()
}

/// What an attestation manifest of BuildKit's says.
fn listed_statements(
    image: &Held,
    document: &FetchedManifest,
) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
    let Document::Manifest(manifest) = &document.document else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for layer in manifest.layers.iter().filter(|layer| layer.media_type == IN_TOTO) {
        let bytes = image.bytes(layer)?;
        if let Ok(statement) = Statement::parse(&bytes) {
            found.push((statement.predicate_type.clone(), bytes));
        }
    }
    Ok(found)
}

/// Digests that the Dockerfile pins and no provenance names, by the provenance that names most; nothing without one.
pub(crate) fn absent_materials(statements: &[(String, Vec<u8>)], dockerfile: &str) -> Vec<String> {
    let provenances = statements.iter().filter(|(kind, _)| kind == PROVENANCE);
    let missing = provenances.map(|(_, statement)| missing_materials(statement, dockerfile));
    match missing.min_by_key(|missing| missing.as_ref().map_or(usize::MAX, Vec::len)) {
        None => Vec::new(),
        Some(Err(error)) => vec![format!("the provenance cannot be read: {}", error.message)],
        Some(Ok(missing)) => missing
            .iter()
            .map(|digest| format!("the provenance does not name {digest}, which the Dockerfile pins"))
            .collect(),
    }
}

/// In what the SBOMs differ from what the files show.
pub(crate) fn sbom_differences(statements: &[(String, Vec<u8>)], inventory: &Inventory) -> Vec<String> {
    let mut told = Vec::new();
    for (kind, statement) in statements
        .iter()
        .filter(|(kind, _)| kind == SPDX || kind == CYCLONEDX)
    {
        let name = if kind == SPDX {
            "the SPDX SBOM"
        } else {
            "the CycloneDX SBOM"
        };
        match listed(statement) {
            Err(error) => told.push(format!("{name} cannot be read: {}", error.message)),
            Ok(listed) => {
                let found = differences(&listed, inventory);
                told.extend(found.iter().take(TOLD).map(|one| format!("{name}: {one}")));
                if found.len() > TOLD {
                    told.push(format!("{name} differs in {} more", found.len() - TOLD));
                }
            }
        }
    }
    told
}
