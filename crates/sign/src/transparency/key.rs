//! Keys of logs.

use der::asn1::ObjectIdentifier;
use der::{Decode as _, Document};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use sha2::{Digest as _, Sha256};
use x509_cert::spki::SubjectPublicKeyInfoRef;

use crate::SignError;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

const P256_DETAILS: &str = "PKIX_ECDSA_P256_SHA_256";
const P384_DETAILS: &str = "PKIX_ECDSA_P384_SHA_384";
const ED25519_DETAILS: &str = "PKIX_ED25519";

/// The key of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// The DER SubjectPublicKeyInfo.
    pub info: Vec<u8>,
    /// What kind of key it is, in sigstore's words. Signatures by kinds that are not known are not believed.
    pub details: String,
}

impl LogKey {
    /// Reads a PEM.
    ///
    /// # Errors
    /// If it is no public key, or one of another kind than P-256, P-384 and Ed25519.
    pub fn from_pem(text: &str) -> Result<LogKey, SignError> {
        let wrong = |why: String| SignError::new(format!("not the public key of a log in PEM form: {why}"));
        let (label, document) = Document::from_pem(text.trim()).map_err(|error| wrong(error.to_string()))?;
        if label != "PUBLIC KEY" {
            return Err(wrong(format!("it is a {label:?}")));
        }
        let info = SubjectPublicKeyInfoRef::from_der(document.as_bytes())
            .map_err(|error| wrong(error.to_string()))?;
        let curve = info.algorithm.parameters_oid().ok();
        let details = match (info.algorithm.oid, curve) {
            (EC, Some(P256)) => P256_DETAILS,
            (EC, Some(P384)) => P384_DETAILS,
            (ED25519_KEY, _) => ED25519_DETAILS,
            (other, _) => {
                return Err(wrong(format!(
                    "keys of the kind {other} are not known; P-256, P-384 and Ed25519 are"
                )));
            }
        };
        Ok(LogKey {
            info: document.as_bytes().to_vec(),
            details: details.into(),
        })
    }

    /// Whether `signature` is of `message` by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Some(algorithm) = self.algorithm() else {
            return false;
        };
        let Some(bytes) = self.bytes() else {
            return false;
        };
        UnparsedPublicKey::new(algorithm, bytes)
            .verify(message, signature)
            .is_ok()
    }

    fn algorithm(&self) -> Option<&'static dyn VerificationAlgorithm> {
        Some(match self.details.as_str() {
            P256_DETAILS => &ECDSA_P256_SHA256_ASN1,
            P384_DETAILS => &ECDSA_P384_SHA384_ASN1,
            ED25519_DETAILS => &ED25519,
            "PKIX_RSA_PKCS1V15_2048_SHA256"
            | "PKIX_RSA_PKCS1V15_3072_SHA256"
            | "PKIX_RSA_PKCS1V15_4096_SHA256" => &RSA_PKCS1_2048_8192_SHA256,
            _ => return None,
        })
    }

    /// The key without what says what kind it is.
    fn bytes(&self) -> Option<&[u8]> {
        let info = SubjectPublicKeyInfoRef::from_der(&self.info).ok()?;
        info.subject_public_key.as_bytes()
    }

    /// The digest by which RFC 6962 names a log.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.info).into()
    }

    /// The id of the key in notes that it signs as `name` (C2SP signed-note); ECDSA keys have the digest, as Rekor does it.
    pub fn note_id(&self, name: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        match self.details.as_str() {
            P256_DETAILS | P384_DETAILS => return self.digest(),
            ED25519_DETAILS => {
                hasher.update(name);
                hasher.update(b"\n\x01");
                hasher.update(self.bytes().unwrap_or_default());
            }
            _ => {
                hasher.update(name);
                hasher.update(b"\n\xffPKIX-RSA-PKCS#1v1.5");
                hasher.update(&self.info);
            }
        }
        hasher.finalize().into()
    }
}
