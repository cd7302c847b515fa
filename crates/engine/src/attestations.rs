//! Attestations that an index lists, as BuildKit lays them out.

use std::collections::BTreeMap;
use std::sync::Arc;

use praxis_image::open;
use praxis_oci::{Descriptor, Digest, Platform, media_type};
use praxis_sbom::spdx;
use praxis_sign::{IN_TOTO, Statement};
use praxis_solve::BuiltImage;
use praxis_store::{LayerBlob, Store};
use serde_json::{Value, json};

use crate::components::components;
use crate::provenance::provenance_of;
use crate::{Attestation, EngineError, PROVENANCE, SPDX};

const ARTIFACT: &str = "application/vnd.docker.attestation.manifest.v1+json";
const TYPE: &str = "vnd.docker.reference.type";
const OF: &str = "vnd.docker.reference.digest";
const PREDICATE: &str = "in-toto.io/predicate-type";

/// The manifest, for the index that lists `image`, of what is attested about it. The same build gives the same bytes.
///
/// # Errors
/// If what the image is made of or from is not known.
pub(crate) fn attestation_manifest(
    store: &Arc<Store>,
    image: &BuiltImage,
    wanted: &[Attestation],
) -> Result<BuiltImage, EngineError> {
    let subject = &image.manifest.digest;
    let mut layers = Vec::new();
    for attestation in wanted {
        let (predicate_type, statement) = statement(store, subject, attestation)?;
        let mut descriptor = store.put_blob(IN_TOTO, statement.to_string().as_bytes())?;
        let diff_id = descriptor.digest;
        descriptor
            .annotations
            .insert(PREDICATE.into(), predicate_type.into());
        layers.push(LayerBlob { descriptor, diff_id });
    }
    let config = store.put_blob(media_type::EMPTY, b"{}")?;
    let descriptors: Vec<&Descriptor> = layers.iter().map(|layer| &layer.descriptor).collect();
    let about = Descriptor::new(&image.manifest.media_type, *subject, image.manifest.size);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::MANIFEST,
        "artifactType": ARTIFACT,
        "config": config,
        "layers": descriptors,
        "subject": about,
    });
    let mut manifest = store.put_blob(media_type::MANIFEST, manifest.to_string().as_bytes())?;
    manifest.platform = Some(nowhere());
    manifest.annotations = BTreeMap::from([
        (OF.to_string(), subject.to_string()),
        (TYPE.to_string(), "attestation-manifest".to_string()),
    ]);
    Ok(BuiltImage {
        manifest,
        config,
        layers,
    })
}

fn statement(
    store: &Arc<Store>,
    subject: &Digest,
    attestation: &Attestation,
) -> Result<(&'static str, Value), EngineError> {
    Ok(match attestation {
        Attestation::Provenance { all, builder } => {
            let statement = provenance_of(store, subject, *all, builder.as_deref());
            let statement = statement.ok_or_else(|| {
                EngineError::user(format!(
                    "{subject}: it is not known what this image was built from"
                ))
            })?;
            (PROVENANCE, statement)
        }
        Attestation::Sbom => {
            let opened = open(&subject.to_string(), None, store)?;
            let statement = Statement::about(subject, SPDX, spdx(&components(store, &opened)?));
            (SPDX, json!(statement))
        }
    })
}

/// The platform of what runs nowhere.
fn nowhere() -> Platform {
    Platform {
        os: "unknown".into(),
        architecture: "unknown".into(),
        os_version: None,
        variant: None,
    }
}
