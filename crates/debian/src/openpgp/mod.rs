//! The part of OpenPGP that an archive's signature needs, verify only: version 4 keys and signatures, RSA and
//! Ed25519, SHA-2, the cleartext signature framework. All else is refused or passed over, never trusted.

mod armor;
mod cleartext;
mod keyring;
mod packet;
mod signature;

pub use cleartext::{Verified, verify_clear_signed};
pub use keyring::{Fingerprint, Keyring};

/// Why a key or a signature is not accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OpenPgpError {
    /// The bytes are not well-formed.
    #[error("malformed {what}: {reason}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A fingerprint that the recipe names is not in the key file, or its key cannot be used.
    #[error("key {fingerprint} {reason}")]
    Key {
        /// The key.
        fingerprint: String,
        /// Why it cannot be used.
        reason: &'static str,
    },
    /// A trusted key's signature does not fit the text: the text or the signature was altered.
    #[error("the signature of key {fingerprint} does not fit the text: one of the two was altered")]
    Altered {
        /// The key that is said to have signed.
        fingerprint: String,
    },
    /// None of the signatures is of a trusted key that is valid now.
    #[error("no valid signature of a trusted key; signatures found: {found}")]
    Untrusted {
        /// Who signed, and why it does not count.
        found: String,
    },
}

fn malformed(what: &'static str, reason: impl Into<String>) -> OpenPgpError {
    OpenPgpError::Malformed {
        what,
        reason: reason.into(),
    }
}
