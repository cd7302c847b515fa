//! The OCI artifact that carries a bundle and refers to what was signed.

use praxis_oci::{Descriptor, Manifest, media_type};
use serde_json::json;

use crate::bundle::BUNDLE;
use crate::{Bundle, SignError, Statement};

/// The annotation with the time an artifact was made.
pub const CREATED: &str = "org.opencontainers.image.created";
const CONTENT: &str = "dev.sigstore.bundle.content";
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";
const EMPTY: &[u8] = b"{}";
/// Annotation of a layer with the file it is of.
const TITLE: &str = "org.opencontainers.image.title";

/// A manifest and what it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// The descriptor of the manifest.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Configuration and layers.
    pub blobs: Vec<(Descriptor, Vec<u8>)>,
}

impl Artifact {
    /// The referrer of `subject` that carries `bundle`, as cosign 3 writes it. `created` is its time, RFC 3339.
    ///
    /// # Errors
    /// If the bundle holds no statement.
    pub fn of_bundle(bundle: &Bundle, subject: &Descriptor, created: &str) -> Result<Artifact, SignError> {
        let statement = Statement::parse(&bundle.dsse_envelope.payload()?)?;
        let bytes = bundle.to_bytes();
        let layer = Descriptor::of(BUNDLE, &bytes);
        let config = Descriptor::of(media_type::EMPTY, EMPTY);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "artifactType": BUNDLE,
            "config": config,
            "layers": [layer],
            "subject": Descriptor::new(&subject.media_type, subject.digest, subject.size),
            "annotations": {
                CONTENT: "dsse-envelope",
                PREDICATE: statement.predicate_type,
                CREATED: created,
            },
        });
        Ok(Artifact::new(
            &manifest,
            vec![(config, EMPTY.to_vec()), (layer, bytes)],
        ))
    }

    /// The referrer of `subject` that carries a file as it is.
    pub fn of_file(artifact_type: &str, name: Option<&str>, bytes: &[u8], subject: &Descriptor) -> Artifact {
        let mut layer = Descriptor::of(artifact_type, bytes);
        if let Some(name) = name {
            layer.annotations.insert(TITLE.into(), name.into());
        }
        let config = Descriptor::of(media_type::EMPTY, EMPTY);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": artifact_type,
            "config": config, "layers": [layer], "subject": subject,
        });
        Artifact::new(&manifest, vec![(config, EMPTY.to_vec()), (layer, bytes.to_vec())])
    }

    pub(crate) fn new(manifest: &serde_json::Value, blobs: Vec<(Descriptor, Vec<u8>)>) -> Artifact {
        let manifest = serde_json::to_vec(manifest).unwrap_or_default();
        Artifact {
            descriptor: Descriptor::of(media_type::MANIFEST, &manifest),
            manifest,
            blobs,
        }
    }
}

/// The layer of a referrer that holds a bundle, if the referrer carries one.
pub fn carried_bundle(manifest: &Manifest) -> Option<&Descriptor> {
    let is_carrier = manifest.artifact_type.as_deref() == Some(BUNDLE);
    match manifest.layers.as_slice() {
        [layer] if is_carrier && layer.media_type == BUNDLE => Some(layer),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PrivateKey;

    #[test]
    fn the_artifact_is_the_one_that_cosign_writes() {
        let subject = Descriptor::of(media_type::INDEX, b"index");
        let statement = Statement::signature(&subject.digest);
        let bundle = Bundle::sign(&statement.to_bytes(), &PrivateKey::generate()).unwrap();
        let artifact = Artifact::of_bundle(&bundle, &subject, "2026-11-26T00:00:00Z").unwrap();
        let manifest: Manifest = serde_json::from_slice(&artifact.manifest).unwrap();
        assert_eq!(manifest.artifact_type.as_deref(), Some(BUNDLE));
        assert_eq!(manifest.config.media_type, media_type::EMPTY);
        assert_eq!(manifest.subject.as_ref(), Some(&subject));
        assert_eq!(manifest.annotations[PREDICATE], crate::SIGNATURE);
        assert_eq!(manifest.annotations[CONTENT], "dsse-envelope");
        let layer = carried_bundle(&manifest).unwrap();
        assert_eq!(artifact.blobs[1], (layer.clone(), bundle.to_bytes()));
        let again = Artifact::of_bundle(&bundle, &subject, "2026-11-26T00:00:00Z").unwrap();
        assert_eq!(again, artifact);
    }
}
