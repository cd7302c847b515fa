use serde::Serialize;
use serde_json::Value;

use crate::{PublicKey, SignError};

/// A signature as a log has it.
#[derive(Clone, Copy, Debug)]
pub struct LoggedSignature<'a> {
    /// The bytes that were signed.
    pub message: &'a [u8],
    /// What they are the encoding of.
    pub payload: &'a [u8],
    /// The DER signature.
    pub signature: &'a [u8],
    /// Whose it is.
    pub by: LoggedBy<'a>,
}

/// Whose signature it is.
#[derive(Clone, Copy, Debug)]
pub enum LoggedBy<'a> {
    /// Of this key.
    Key(&'a PublicKey),
    /// Of the key of this DER certificate.
    Certificate(&'a [u8]),
}

/// A log that anybody can read and nobody can change unseen.
pub trait Log: LogVerifier {
    /// Writes a signature into the log. The answer is its entry (`TransparencyLogEntry` of sigstore, as JSON), verified.
    ///
    /// # Errors
    /// If the log cannot be reached, refuses, or answers with anything else than an entry of this signature in its tree.
    fn enter(&self, signature: &LoggedSignature) -> Result<Value, SignError>;
}

/// Logs that are believed.
pub trait LogVerifier: Send + Sync {
    /// Where the entry is, if it is of this signature and a log that is believed has it. `times` are when it was signed, as
    /// far as somebody is believed about that (RFC 3339).
    ///
    /// # Errors
    /// If the entry is of another signature, of a log that is not believed, or not in its tree.
    fn place(
        &self,
        entry: &Value,
        signature: &LoggedSignature,
        times: &[String],
    ) -> Result<LogPlace, SignError>;
}

/// Where an entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogPlace {
    /// The address of the log.
    pub log: String,
    /// The number of the entry, from 0.
    pub index: u64,
}
