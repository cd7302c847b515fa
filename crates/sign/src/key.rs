//! Keys: ECDSA over P-256 with SHA-256, the kind that every verifier of container signatures knows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate as _;
use pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{SignError, sealed};

/// What signs: a key in memory, or a program that reaches one.
pub trait Signer: Sync {
    /// The DER signature of `message` (ECDSA P-256, SHA-256).
    ///
    /// # Errors
    /// If the key cannot be reached or refuses.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The key that verifies what is signed.
    fn public_key(&self) -> &PublicKey;

    /// The DER certificate that names whose key it is, if there is one.
    fn certificate(&self) -> Option<&[u8]> {
        None
    }
}

/// A private key. The same message has the same signature (RFC 6979).
pub struct PrivateKey {
    key: SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// A new key from the system's random numbers.
    pub fn generate() -> PrivateKey {
        PrivateKey::from_key(SigningKey::generate())
    }

    fn from_key(key: SigningKey) -> PrivateKey {
        let public = PublicKey(*key.verifying_key());
        PrivateKey { key, public }
    }

    /// Reads a PEM: PKCS #8, PKCS #8 encrypted, or cosign's encrypted form. `passphrase` is asked for only if the key is
    /// encrypted.
    ///
    /// # Errors
    /// If it is no such key, of another kind than P-256, or the passphrase is wrong.
    pub fn from_pem(
        text: &str,
        passphrase: &mut dyn FnMut() -> Result<Zeroizing<String>, SignError>,
    ) -> Result<PrivateKey, SignError> {
        let text = text.trim();
        let label = text
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.split_once("-----"))
            .map(|(label, _)| label)
            .ok_or_else(|| SignError::new("the key is not in PEM form"))?;
        let key = match label {
            "PRIVATE KEY" => SigningKey::from_pkcs8_pem(text).map_err(not_p256)?,
            "ENCRYPTED PRIVATE KEY" => SigningKey::from_pkcs8_encrypted_pem(text, passphrase()?.as_bytes())
                .map_err(|error| {
                SignError::new(format!("the key cannot be decrypted: {error}")).with_hint(WRONG)
            })?,
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                let der = sealed::open(text, passphrase()?.as_bytes())?;
                SigningKey::from_pkcs8_der(&der).map_err(not_p256)?
            }
            "EC PRIVATE KEY" => {
                return Err(SignError::new("the key is in SEC1 form")
                    .with_hint("openssl pkcs8 -topk8 -in KEY -out KEY.p8 makes a PKCS #8 key of it"));
            }
            other => return Err(SignError::new(format!("a PEM of {other:?} is no private key"))),
        };
        Ok(PrivateKey::from_key(key))
    }

    /// The key encrypted as cosign does it, so that cosign reads it too.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn to_sealed_pem(&self, passphrase: &[u8]) -> Result<String, SignError> {
        let der = self
            .key
            .to_pkcs8_der()
            .map_err(|error| SignError::new(format!("the key cannot be encoded: {error}")))?;
        sealed::seal(der.as_bytes(), passphrase)
    }
}

const WRONG: &str = "is it the right passphrase?";

fn not_p256(error: pkcs8::Error) -> SignError {
    SignError::new(format!("not a private key over P-256: {error}"))
        .with_hint("praxis key generate makes one")
}

impl Signer for PrivateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature: Signature = self.key.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

/// A public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a PEM (SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// If it is no such key, or of another kind than P-256.
    pub fn from_pem(text: &str) -> Result<PublicKey, SignError> {
        VerifyingKey::from_public_key_pem(text.trim())
            .map(PublicKey)
            .map_err(|error| SignError::new(format!("not a public key over P-256 in PEM form: {error}")))
    }

    /// Reads a DER SubjectPublicKeyInfo.
    #[cfg(feature = "keyless")]
    pub(crate) fn from_der(bytes: &[u8]) -> Result<PublicKey, SignError> {
        VerifyingKey::from_public_key_der(bytes)
            .map(PublicKey)
            .map_err(|error| SignError::new(format!("not a public key over P-256: {error}")))
    }

    /// The PEM.
    pub fn to_pem(&self) -> String {
        let pem = self.0.to_public_key_pem(LineEnding::LF);
        pem.expect("a point on the curve can be encoded")
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn to_der(&self) -> Vec<u8> {
        let der = self.0.to_public_key_der();
        der.expect("a point on the curve can be encoded").into_vec()
    }

    /// What names the key in a bundle: the base64 of the SHA-256 of its SubjectPublicKeyInfo.
    pub fn hint(&self) -> String {
        STANDARD.encode(Sha256::digest(self.to_der()))
    }

    /// Whether `signature` (DER) is of `message` by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_der(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> Result<Zeroizing<String>, SignError> {
        panic!("asked for a passphrase")
    }

    #[test]
    fn a_key_goes_out_encrypted_and_comes_back() {
        let key = PrivateKey::generate();
        let pem = key.to_sealed_pem(b"swordfish").unwrap();
        assert!(
            pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"),
            "{pem}"
        );
        let again = PrivateKey::from_pem(&pem, &mut || Ok("swordfish".to_string().into())).unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(again.sign(b"x").unwrap(), key.sign(b"x").unwrap());
        let wrong = PrivateKey::from_pem(&pem, &mut || Ok("sword".to_string().into()));
        assert!(wrong.err().unwrap().message.contains("cannot be decrypted"));
    }

    #[test]
    fn a_signature_is_of_one_message_by_one_key() {
        let (key, other) = (PrivateKey::generate(), PrivateKey::generate());
        let signature = key.sign(b"message").unwrap();
        assert!(key.public_key().verifies(b"message", &signature));
        assert!(!key.public_key().verifies(b"massage", &signature));
        assert!(!other.public_key().verifies(b"message", &signature));
        assert!(!key.public_key().verifies(b"message", b"no DER"));
    }

    #[test]
    fn what_is_no_key_is_said() {
        for (text, why) in [
            ("nothing", "PEM form"),
            ("-----BEGIN EC PRIVATE KEY-----\n", "SEC1"),
            ("-----BEGIN CERTIFICATE-----\n", "no private key"),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "not a private key over P-256",
            ),
        ] {
            let error = PrivateKey::from_pem(text, &mut never).err().unwrap();
            assert!(error.message.contains(why), "{error}");
        }
        assert!(PublicKey::from_pem("x").is_err());
    }

    #[test]
    fn public_keys_are_the_same_after_a_round_trip() {
        let key = *PrivateKey::generate().public_key();
        assert_eq!(PublicKey::from_pem(&key.to_pem()).unwrap(), key);
        assert_eq!(STANDARD.decode(key.hint()).unwrap().len(), 32);
    }
}
