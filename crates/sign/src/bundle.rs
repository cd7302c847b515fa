//! Sigstore bundles, version 0.3: <https://github.com/sigstore/protobuf-specs>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::envelope::{Envelope, IN_TOTO};
use crate::{Log, LoggedBy, LoggedSignature, PublicKey, SignError, Signer, Statement};

/// The media type of a bundle, of its layer and of the artifact that carries it.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

const OTHER_CONTENT: &str = "the signature is not of what it came with";

/// A signed statement with what it takes to verify it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// The form of the bundle.
    pub media_type: String,
    /// Whose signature it is, and when it was made.
    pub verification_material: Material,
    /// The statement.
    pub dsse_envelope: Envelope,
}

/// Whose signature it is, and when it was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Material {
    /// A key, which the verifier has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<KeyHint>,
    /// A certificate, which names who signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<RawCertificate>,
    /// Entries of transparency logs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tlog_entries: Vec<Value>,
    /// Timestamps of the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_verification_data: Option<Timestamps>,
}

/// A certificate alone: those that lead to a root are the verifier's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawCertificate {
    /// DER in base64.
    pub raw_bytes: String,
}

/// The name of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHint {
    /// Its [`PublicKey::hint`].
    #[serde(default)]
    pub hint: String,
}

/// Timestamps of the signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timestamps {
    /// Those of RFC 3161.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rfc3161_timestamps: Vec<Rfc3161Timestamp>,
}

/// A whole DER `TimeStampResp` over the bytes of the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rfc3161Timestamp {
    /// In base64.
    pub signed_timestamp: String,
}

impl Bundle {
    /// Signs a statement. The same statement and signer give the same bundle.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn sign(statement: &[u8], signer: &dyn Signer) -> Result<Bundle, SignError> {
        Ok(Bundle {
            media_type: BUNDLE.into(),
            verification_material: match signer.certificate() {
                Some(certificate) => Material {
                    certificate: Some(RawCertificate {
                        raw_bytes: STANDARD.encode(certificate),
                    }),
                    ..Material::default()
                },
                None => Material {
                    public_key: Some(KeyHint {
                        hint: signer.public_key().hint(),
                    }),
                    ..Material::default()
                },
            },
            dsse_envelope: Envelope::sign(statement, IN_TOTO, signer)?,
        })
    }

    /// Adds a timestamp, a DER `TimeStampResp`.
    pub fn add_timestamp(&mut self, response: &[u8]) {
        let data = &mut self.verification_material.timestamp_verification_data;
        data.get_or_insert_default()
            .rfc3161_timestamps
            .push(Rfc3161Timestamp {
                signed_timestamp: STANDARD.encode(response),
            });
    }

    /// The timestamps, as DER.
    ///
    /// # Errors
    /// If one is no base64.
    pub fn timestamps(&self) -> Result<Vec<Vec<u8>>, SignError> {
        let data = self.verification_material.timestamp_verification_data.iter();
        data.flat_map(|data| &data.rfc3161_timestamps)
            .map(|one| STANDARD.decode(&one.signed_timestamp))
            .collect::<Result<_, _>>()
            .map_err(|_| SignError::new("a timestamp of the bundle is no base64"))
    }

    /// Writes the signature into a log and adds the entry.
    ///
    /// # Errors
    /// If the log does not take it, or what it answers does not hold.
    pub fn enter(&mut self, log: &dyn Log, signer: &dyn Signer) -> Result<(), SignError> {
        let (message, signature) = self.what_was_signed()?;
        let by = match signer.certificate() {
            Some(certificate) => LoggedBy::Certificate(certificate),
            None => LoggedBy::Key(signer.public_key()),
        };
        let entry = log.enter(&LoggedSignature {
            message: &message,
            payload: &self.dsse_envelope.payload()?,
            signature: &signature,
            by,
        })?;
        self.verification_material.tlog_entries.push(entry);
        Ok(())
    }

    /// Reads one.
    ///
    /// # Errors
    /// If it is no bundle of version 0.3 with an envelope.
    pub fn parse(bytes: &[u8]) -> Result<Bundle, SignError> {
        let bundle: Bundle = serde_json::from_slice(bytes)
            .map_err(|error| SignError::new(format!("not a sigstore bundle with an envelope: {error}")))?;
        match bundle.media_type.as_str() {
            BUNDLE | "application/vnd.dev.sigstore.bundle+json;version=0.3" => Ok(bundle),
            other => Err(SignError::new(format!(
                "a bundle of the type {other:?} is not known"
            ))),
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The statement, if one of `keys` signed it, and that key.
    ///
    /// # Errors
    /// If none did, or what was signed is no in-toto statement.
    pub fn verify<'k>(&self, keys: &'k [PublicKey]) -> Result<(Statement, &'k PublicKey), SignError> {
        if self.verification_material.public_key.is_none() {
            return Err(SignError::new(
                "the bundle is signed with a certificate, not with a key",
            ));
        }
        let (signed, signature) = self.what_was_signed()?;
        let key = keys.iter().find(|key| key.verifies(&signed, &signature));
        let key = key.ok_or_else(|| match self.names(keys) {
            true => SignError::new(OTHER_CONTENT),
            false => SignError::new("signed with another key"),
        })?;
        Ok((Statement::parse(&self.dsse_envelope.payload()?)?, key))
    }

    /// The DER certificate, if it has one instead of a key.
    ///
    /// # Errors
    /// If it is no base64, or there is a key too.
    pub fn certificate(&self) -> Result<Option<Vec<u8>>, SignError> {
        let Some(certificate) = &self.verification_material.certificate else {
            return Ok(None);
        };
        if self.verification_material.public_key.is_some() {
            return Err(SignError::new("the bundle names a key and a certificate"));
        }
        let bytes = STANDARD.decode(&certificate.raw_bytes);
        bytes
            .map(Some)
            .map_err(|_| SignError::new("the certificate of the bundle is no base64"))
    }

    /// The statement, if this key signed it.
    pub(crate) fn signed_by(&self, key: &PublicKey) -> Result<Statement, SignError> {
        let (signed, signature) = self.what_was_signed()?;
        match key.verifies(&signed, &signature) {
            true => Statement::parse(&self.dsse_envelope.payload()?),
            false => Err(SignError::new(OTHER_CONTENT)),
        }
    }

    /// The bytes that the signature is of, and the signature.
    pub(crate) fn what_was_signed(&self) -> Result<(Vec<u8>, Vec<u8>), SignError> {
        if self.dsse_envelope.payload_type != IN_TOTO {
            let kind = &self.dsse_envelope.payload_type;
            return Err(SignError::new(format!(
                "what is signed is {kind:?}, not {IN_TOTO}"
            )));
        }
        Ok((
            self.dsse_envelope.signed_bytes()?,
            self.dsse_envelope.signature()?,
        ))
    }

    fn names(&self, keys: &[PublicKey]) -> bool {
        let named = self.verification_material.public_key.as_ref();
        named.is_some_and(|named| keys.iter().any(|key| key.hint() == named.hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PrivateKey, SIGNATURE};
    use praxis_oci::Digest;

    fn signed() -> (PrivateKey, Digest, Bundle) {
        let (key, digest) = (PrivateKey::generate(), Digest::of(b"image"));
        let bundle = Bundle::sign(&Statement::signature(&digest).to_bytes(), &key).unwrap();
        (key, digest, bundle)
    }

    #[test]
    fn what_was_signed_is_believed_and_nothing_else() {
        let (key, digest, bundle) = signed();
        let keys = [*PrivateKey::generate().public_key(), *key.public_key()];
        let read = Bundle::parse(&bundle.to_bytes()).unwrap();
        let (statement, by) = read.verify(&keys).unwrap();
        assert!(statement.is_about(&digest) && !statement.is_about(&Digest::of(b"other")));
        assert_eq!((statement.predicate_type.as_str(), by), (SIGNATURE, &keys[1]));
        assert_eq!(
            read.verify(&keys[..1]).unwrap_err().message,
            "signed with another key"
        );
    }

    #[test]
    fn a_statement_that_was_swapped_is_found() {
        let (key, _, bundle) = signed();
        let keys = [*key.public_key()];
        let other = Statement::about(&Digest::of(b"other"), SIGNATURE, Value::Null);
        let mut swapped = bundle.clone();
        swapped.dsse_envelope.payload = STANDARD.encode(other.to_bytes());
        let error = swapped.verify(&keys).unwrap_err();
        assert_eq!(error.message, "the signature is not of what it came with");
        let mut retyped = bundle.clone();
        retyped.dsse_envelope.payload_type = "text/plain".into();
        assert!(retyped.verify(&keys).is_err());
        let mut twice = bundle;
        twice
            .dsse_envelope
            .signatures
            .push(twice.dsse_envelope.signatures[0].clone());
        assert!(twice.verify(&keys).unwrap_err().message.contains("2 signatures"));
    }

    #[test]
    fn the_bundle_has_the_form_that_verifiers_read() {
        let (key, _, mut bundle) = signed();
        let plain: Value = serde_json::from_slice(&bundle.to_bytes()).unwrap();
        assert_eq!(plain["mediaType"], BUNDLE);
        assert_eq!(
            plain["verificationMaterial"]["publicKey"]["hint"],
            key.public_key().hint()
        );
        assert!(plain["verificationMaterial"].get("tlogEntries").is_none());
        assert!(plain["dsseEnvelope"]["signatures"][0].get("keyid").is_none());
        bundle.add_timestamp(b"\x30\x00");
        let timed: Value = serde_json::from_slice(&bundle.to_bytes()).unwrap();
        let times = &timed["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
        assert_eq!(times[0]["signedTimestamp"], "MAA=");
        assert_eq!(bundle.timestamps().unwrap(), [b"\x30\x00"]);
    }

    #[test]
    fn other_bundles_are_refused_with_a_reason() {
        for (text, why) in [
            ("{}", "not a sigstore bundle"),
            ("", "not a sigstore bundle"),
            (
                r#"{"mediaType":"application/x","verificationMaterial":{},"dsseEnvelope":{"payload":"","payloadType":"","signatures":[]}}"#,
                "not known",
            ),
        ] {
            let error = Bundle::parse(text.as_bytes()).unwrap_err();
            assert!(error.message.contains(why), "{error}");
        }
        let (key, _, mut bundle) = signed();
        bundle.verification_material.public_key = None;
        assert!(
            bundle
                .verify(&[*key.public_key()])
                .unwrap_err()
                .message
                .contains("certificate")
        );
    }
}
