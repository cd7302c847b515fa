//! Entries as logs of Rekor's first version have them: of an envelope, of which payload and signatures are compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Document;
use praxis_oci::Digest;
use serde::Deserialize;

use crate::{LoggedBy, LoggedSignature};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    payload_hash: Hash,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Hash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
struct Signature {
    signature: String,
    /// A PEM, in base64 once more.
    verifier: String,
}

/// Whether a body is that of the entry of this signature alone.
pub fn is_of(body: &[u8], signature: &LoggedSignature) -> bool {
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return false;
    };
    let [only] = body.spec.signatures.as_slice() else {
        return false;
    };
    let hash = &body.spec.payload_hash;
    let signer = match signature.by {
        LoggedBy::Key(key) => key.to_der(),
        LoggedBy::Certificate(certificate) => certificate.to_vec(),
    };
    (body.kind.as_str(), body.api_version.as_str()) == ("dsse", "0.0.1")
        && hash.algorithm == "sha256"
        && hash.value == Digest::of(signature.payload).hex()
        && STANDARD
            .decode(&only.signature)
            .is_ok_and(|bytes| bytes == signature.signature)
        && verifier(&only.verifier).is_some_and(|bytes| bytes == signer)
}

fn verifier(text: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (_, document) = Document::from_pem(&text).ok()?;
    Some(document.as_bytes().to_vec())
}
