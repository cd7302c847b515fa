//! Asking an authority.

use der::asn1::{Any, Int, OctetString};
use der::{Encode as _, Tag};
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::message::{MessageImprint, SHA256, TimeStampReq};
use super::verify::verified;
use crate::{Authority, SignError, Stamp};

/// How a question reaches the authority.
pub trait TimestampTransport: Send + Sync {
    /// The answer (`application/timestamp-reply`) to a question (`application/timestamp-query`) that is sent to `address`.
    ///
    /// # Errors
    /// If the authority cannot be reached or does not answer so.
    fn ask(&self, address: &str, question: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// An authority that can be asked.
pub struct TimestampServer {
    /// The authority, with the address it is asked at.
    pub authority: Authority,
    /// How.
    pub transport: Box<dyn TimestampTransport>,
}

impl Stamp for TimestampServer {
    /// The answer is believed only if it is of this signature, answers this question and is by this authority.
    fn stamp(&self, signature: &[u8]) -> Result<Vec<u8>, SignError> {
        let nonce = nonce()?;
        let question = question(signature, &nonce)?;
        let answer = self.transport.ask(&self.authority.uri, &question)?;
        verified(&answer, signature, &self.authority, Some(&nonce))?;
        Ok(answer)
    }
}

fn question(signature: &[u8], nonce: &Int) -> Result<Vec<u8>, SignError> {
    let wrong = |error: der::Error| SignError::new(format!("a timestamp cannot be asked for: {error}"));
    let request = TimeStampReq {
        version: 1,
        message_imprint: MessageImprint {
            hash_algorithm: AlgorithmIdentifierOwned {
                oid: SHA256,
                parameters: Some(Any::new(Tag::Null, []).map_err(wrong)?),
            },
            hashed_message: OctetString::new(Sha256::digest(signature).to_vec()).map_err(wrong)?,
        },
        policy: None,
        nonce: Some(nonce.clone()),
        cert_req: true,
    };
    request.to_der().map_err(wrong)
}

/// A positive number that nobody guesses.
fn nonce() -> Result<Int, SignError> {
    let mut bytes = [0; 16];
    let failed = || SignError::new("the system gives no random numbers");
    SystemRandom::new().fill(&mut bytes).map_err(|_| failed())?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Int::new(&bytes).map_err(|_| failed())
}
