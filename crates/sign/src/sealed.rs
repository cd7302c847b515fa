//! The encrypted key file of cosign: scrypt makes a key of a passphrase, NaCl's secretbox holds the PKCS #8.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::SignError;

/// What cosign uses, and the most that is computed for a file somebody gives us.
const LOG_N: u8 = 16;
const MOST_LOG_N: u8 = 20;
const NONCE: usize = 24;
const LINE: usize = 64;

#[derive(Serialize, Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Scrypt,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Scrypt {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// The PKCS #8 in a PEM of that form.
pub fn open(pem: &str, passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, SignError> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let wrong = |why: &str| SignError::new(format!("the encrypted key is damaged: {why}"));
    let json = STANDARD.decode(body.trim()).map_err(|_| wrong("no base64"))?;
    let sealed: Sealed = serde_json::from_slice(&json).map_err(|error| wrong(&error.to_string()))?;
    if sealed.kdf.name != "scrypt" || sealed.cipher.name != "nacl/secretbox" {
        let (kdf, cipher) = (sealed.kdf.name, sealed.cipher.name);
        return Err(
            SignError::new(format!("the key is encrypted with {kdf:?} and {cipher:?}"))
                .with_hint("scrypt and nacl/secretbox are known"),
        );
    }
    let log_n = u8::try_from(sealed.kdf.params.n.trailing_zeros()).unwrap_or(u8::MAX);
    let sane = sealed.kdf.params.n.is_power_of_two() && log_n <= MOST_LOG_N;
    if !sane || sealed.kdf.params.r > 16 || sealed.kdf.params.p > 4 {
        return Err(wrong("parameters of scrypt that no tool uses"));
    }
    let decoded = |text: &str| STANDARD.decode(text).map_err(|_| wrong("no base64"));
    let (salt, nonce) = (decoded(&sealed.kdf.salt)?, decoded(&sealed.cipher.nonce)?);
    if nonce.len() != NONCE {
        return Err(wrong("the nonce has another length"));
    }
    let cipher = cipher(passphrase, &salt, log_n, sealed.kdf.params.r, sealed.kdf.params.p)?;
    let opened = cipher.decrypt(Nonce::from_slice(&nonce), decoded(&sealed.ciphertext)?.as_slice());
    opened
        .map(Zeroizing::new)
        .map_err(|_| SignError::new("the key cannot be decrypted").with_hint("is it the right passphrase?"))
}

/// A PEM of that form.
pub fn seal(pkcs8: &[u8], passphrase: &[u8]) -> Result<String, SignError> {
    let salt = XSalsa20Poly1305::generate_key(&mut OsRng);
    let nonce = XSalsa20Poly1305::generate_nonce(&mut OsRng);
    let (r, p) = (8, 1);
    let ciphertext = cipher(passphrase, &salt, LOG_N, r, p)?
        .encrypt(&nonce, pkcs8)
        .map_err(|_| SignError::new("the key cannot be encrypted"))?;
    let sealed = Sealed {
        kdf: Kdf {
            name: "scrypt".into(),
            params: Scrypt { n: 1 << LOG_N, r, p },
            salt: STANDARD.encode(salt),
        },
        cipher: Cipher {
            name: "nacl/secretbox".into(),
            nonce: STANDARD.encode(nonce),
        },
        ciphertext: STANDARD.encode(ciphertext),
    };
    let body = STANDARD.encode(serde_json::to_vec(&sealed).unwrap_or_default());
    let lines: Vec<&str> = (0..body.len())
        .step_by(LINE)
        .map(|start| &body[start..body.len().min(start + LINE)])
        .collect();
    let label = "ENCRYPTED SIGSTORE PRIVATE KEY";
    Ok(format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    ))
}

fn cipher(passphrase: &[u8], salt: &[u8], log_n: u8, r: u32, p: u32) -> Result<XSalsa20Poly1305, SignError> {
    let failed = || SignError::new("the passphrase cannot be made a key: parameters of scrypt");
    let parameters = scrypt::Params::new(log_n, r, p).map_err(|_| failed())?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase, salt, &parameters, key.as_mut()).map_err(|_| failed())?;
    Ok(XSalsa20Poly1305::new(key.as_ref().into()))
}
