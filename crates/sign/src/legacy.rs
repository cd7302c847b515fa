//! What verifiers before sigstore bundles read: images under tags made from the digest of what was signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use praxis_oci::{Descriptor, Digest, media_type};
use serde_json::{Value, json};

use crate::{Artifact, Bundle, SignError, Signer, Stamp, Statement};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// The tag of the signatures (`sig`) or attestations (`att`) of `digest`.
pub fn legacy_tag(digest: &Digest, kind: &str) -> String {
    format!("sha256-{}.{kind}", digest.hex())
}

/// A layer of the old form.
pub type LegacyLayer = (Descriptor, Vec<u8>);

/// The simple signing of `digest`, known as `name`. `stamp` says when it was signed, if somebody is to say so.
///
/// # Errors
/// If the key cannot sign, or no timestamp is given.
pub fn legacy_signature(
    digest: &Digest,
    name: &str,
    signer: &dyn Signer,
    stamp: Option<&dyn Stamp>,
) -> Result<LegacyLayer, SignError> {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": name},
            "image": {"docker-manifest-digest": digest.to_string()},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = serde_json::to_vec(&payload).unwrap_or_default();
    let signature = signer.sign(&payload)?;
    let mut layer = Descriptor::of(SIMPLE_SIGNING, &payload);
    layer
        .annotations
        .insert(SIGNATURE.into(), STANDARD.encode(&signature));
    if let Some(stamp) = stamp {
        let response = stamp.stamp(&signature)?;
        let timestamp = json!({"SignedRFC3161Timestamp": STANDARD.encode(response)});
        layer.annotations.insert(TIMESTAMP.into(), timestamp.to_string());
    }
    Ok((layer, payload))
}

/// An attestation as a plain envelope.
///
/// # Errors
/// If the bundle holds no statement.
pub fn legacy_attestation(bundle: &Bundle) -> Result<LegacyLayer, SignError> {
    let statement = Statement::parse(&bundle.dsse_envelope.payload()?)?;
    let bytes = serde_json::to_vec(&bundle.dsse_envelope).unwrap_or_default();
    let mut layer = Descriptor::of(DSSE, &bytes);
    layer.annotations.insert(SIGNATURE.into(), String::new());
    layer
        .annotations
        .insert("predicateType".into(), statement.predicate_type);
    Ok((layer, bytes))
}

/// Whether two layers are the same signature or attestation, whenever each was stamped.
pub fn same_legacy(one: &Descriptor, other: &Descriptor) -> bool {
    one.digest == other.digest && one.annotations.get(SIGNATURE) == other.annotations.get(SIGNATURE)
}

/// The image that holds these layers.
pub fn legacy_image(layers: Vec<LegacyLayer>) -> Artifact {
    let descriptors: Vec<&Descriptor> = layers.iter().map(|(descriptor, _)| descriptor).collect();
    let diff_ids: Vec<Digest> = descriptors.iter().map(|layer| layer.digest).collect();
    let config: Value = json!({
        "architecture": "", "os": "", "config": {}, "created": "0001-01-01T00:00:00Z",
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = serde_json::to_vec(&config).unwrap_or_default();
    let config_descriptor = Descriptor::of(media_type::CONFIG, &config);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config_descriptor, "layers": descriptors,
    });
    let blobs = std::iter::once((config_descriptor, config))
        .chain(layers.clone())
        .collect();
    Artifact::new(&manifest, blobs)
}

#[cfg(test)]
mod tests {
    use praxis_oci::Manifest;

    use super::*;
    use crate::PrivateKey;

    #[test]
    fn the_simple_signing_names_the_digest() {
        let (key, digest) = (PrivateKey::generate(), Digest::of(b"image"));
        let artifact = legacy_image(vec![legacy_signature(&digest, "r.test/app", &key, None).unwrap()]);
        let manifest: Manifest = serde_json::from_slice(&artifact.manifest).unwrap();
        let [layer] = manifest.layers.as_slice() else {
            panic!("{manifest:?}")
        };
        let payload = &artifact.blobs[1].1;
        let signature = STANDARD.decode(&layer.annotations[SIGNATURE]).unwrap();
        assert!(key.public_key().verifies(payload, &signature));
        let read: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(
            read["critical"]["image"]["docker-manifest-digest"],
            digest.to_string()
        );
        assert_eq!(legacy_tag(&digest, "sig"), format!("sha256-{}.sig", digest.hex()));
    }
}
