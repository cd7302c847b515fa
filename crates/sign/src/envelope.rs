//! DSSE envelopes: <https://github.com/secure-systems-lab/dsse>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::{SignError, Signer};

/// The type of an in-toto statement in an envelope.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A payload with its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The payload, in base64.
    pub payload: String,
    /// Its type.
    pub payload_type: String,
    /// Signatures over the payload and its type.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature. It has no `keyid`: verifiers that compare theirs would pass it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// The DER signature, in base64.
    pub sig: String,
    /// A name of the key, of which nothing is believed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keyid: String,
}

impl Envelope {
    /// Signs `payload`.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn sign(payload: &[u8], payload_type: &str, signer: &dyn Signer) -> Result<Envelope, SignError> {
        let signature = signer.sign(&encoding(payload_type, payload))?;
        Ok(Envelope {
            payload: STANDARD.encode(payload),
            payload_type: payload_type.into(),
            signatures: vec![EnvelopeSignature {
                sig: STANDARD.encode(signature),
                keyid: String::new(),
            }],
        })
    }

    /// The payload.
    ///
    /// # Errors
    /// If it is no base64.
    pub fn payload(&self) -> Result<Vec<u8>, SignError> {
        let decoded = STANDARD.decode(&self.payload);
        decoded.map_err(|_| SignError::new("the envelope's payload is no base64"))
    }

    /// The bytes of the only signature.
    ///
    /// # Errors
    /// If there is none, or several, which sigstore bundles forbid.
    pub fn signature(&self) -> Result<Vec<u8>, SignError> {
        let [only] = self.signatures.as_slice() else {
            let count = self.signatures.len();
            return Err(SignError::new(format!(
                "the envelope has {count} signatures, not one"
            )));
        };
        let decoded = STANDARD.decode(&only.sig);
        decoded.map_err(|_| SignError::new("the envelope's signature is no base64"))
    }

    /// What was signed.
    ///
    /// # Errors
    /// If the payload is no base64.
    pub fn signed_bytes(&self) -> Result<Vec<u8>, SignError> {
        Ok(encoding(&self.payload_type, &self.payload()?))
    }
}

/// The pre-authentication encoding.
fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (kind, size) = (payload_type.len(), payload.len());
    let mut bytes = format!("DSSEv1 {kind} {payload_type} {size} ").into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let expected = "DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        let encoded = encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(String::from_utf8(encoded).unwrap(), expected);
    }
}
