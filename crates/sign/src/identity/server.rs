//! Asking for a certificate.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use der::{DecodePem as _, Encode as _};
use serde::Deserialize;
use serde_json::{Value, json};
use x509_cert::Certificate;
use zeroize::Zeroizing;

use super::certificate::{Holder, wrong};
use crate::{JsonTransport, PrivateKey, PublicKey, SignError, Signer};

/// An authority of Fulcio's kind.
pub struct CertificateServer<'a> {
    /// Its address.
    pub address: String,
    /// How it is asked.
    pub transport: &'a dyn JsonTransport,
}

/// A key that lives as long as this value, and the certificate that names whose it is.
pub struct CertifiedKey {
    key: PrivateKey,
    certificate: Vec<u8>,
}

impl Signer for CertifiedKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.key.sign(message)
    }

    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn certificate(&self) -> Option<&[u8]> {
        Some(&self.certificate)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(alias = "signedCertificateDetachedSct")]
    signed_certificate_embedded_sct: Given,
}

#[derive(Deserialize)]
struct Given {
    chain: Chain,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

impl CertificateServer<'_> {
    /// A new key with a certificate for whom the token names. Whether it is believed is the verifier's question; here it has
    /// to be of this key and to name somebody.
    ///
    /// # Errors
    /// If the token is none, or the authority cannot be reached, refuses or gives a certificate of another key.
    pub fn certified(&self, token: &Zeroizing<String>) -> Result<CertifiedKey, SignError> {
        let key = PrivateKey::generate();
        let proof = key.sign(subject(token)?.as_bytes())?;
        let question = Zeroizing::new(
            json!({
                "credentials": { "oidcIdentityToken": token.as_str() },
                "publicKeyRequest": {
                    "publicKey": { "algorithm": "ECDSA", "content": key.public_key().to_pem() },
                    "proofOfPossession": STANDARD.encode(proof),
                },
            })
            .to_string(),
        );
        let address = format!("{}/api/v2/signingCert", self.address.trim_end_matches('/'));
        let answer = self.transport.ask(&address, question.as_bytes())?;
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|error| wrong(format!("the authority's answer is not understood: {error}")))?;
        let first = answer
            .signed_certificate_embedded_sct
            .chain
            .certificates
            .into_iter()
            .next();
        let first = first.ok_or_else(|| wrong("the authority gave none"))?;
        let certificate = Certificate::from_pem(first.as_bytes()).map_err(wrong)?;
        let certificate = certificate.to_der().map_err(wrong)?;
        match Holder::read(&certificate)?.key == *key.public_key() {
            true => Ok(CertifiedKey { key, certificate }),
            false => Err(wrong("the authority gave one of another key")),
        }
    }
}

/// Whom a token (RFC 7519) names: what the authority wants signed to see that the key is the asker's. The authority checks
/// the token; here it is only read.
fn subject(token: &str) -> Result<String, SignError> {
    let wrong = || {
        SignError::new("the identity token is no JSON Web Token that names somebody")
            .with_hint("the token alone, as the provider gives it")
    };
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong());
    };
    let claims = URL_SAFE_NO_PAD
        .decode(claims.trim_end_matches('='))
        .map_err(|_| wrong())?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| wrong())?;
    let claim = |name: &str| claims[name].as_str().filter(|text| !text.is_empty());
    claim("email")
        .or_else(|| claim("sub"))
        .map(str::to_string)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_an_address_of_mail_or_else_an_account() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(
            subject(&token(r#"{"sub":"s","email":"a@b.test"}"#)).unwrap(),
            "a@b.test"
        );
        assert_eq!(
            subject(&token(r#"{"sub":"repo:x/y","email":""}"#)).unwrap(),
            "repo:x/y"
        );
        for none in ["", "a.b", "a.b.c", "a.b.c.d", &token("{}"), &token("[]")] {
            let error = subject(none).unwrap_err();
            assert!(!error.message.contains(none) || none.is_empty(), "{error}");
        }
    }
}
