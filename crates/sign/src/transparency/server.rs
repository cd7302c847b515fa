//! Writing into a log.

use serde_json::Value;

use super::entry::{Entry, question, wrong};
use super::instance::TransparencyLog;
use crate::{Log, LogPlace, LogVerifier, LoggedSignature, SignError};

/// How a question reaches a service that speaks JSON.
pub trait JsonTransport {
    /// The JSON that a JSON document, sent to `address`, is answered with. The document may hold a token: it must not get
    /// into errors.
    ///
    /// # Errors
    /// If the service cannot be reached or refuses.
    fn ask(&self, address: &str, question: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A log of Rekor's kind that can be written into.
pub struct LogServer {
    /// The log, with the address it is asked at.
    pub log: TransparencyLog,
    /// How.
    pub transport: Box<dyn JsonTransport + Send + Sync>,
}

impl Log for LogServer {
    /// The answer is believed only if it is the entry of this signature, in a tree that this log signed.
    fn enter(&self, signature: &LoggedSignature) -> Result<Value, SignError> {
        let address = format!("{}/api/v2/log/entries", self.log.address.trim_end_matches('/'));
        let answer = self
            .transport
            .ask(&address, question(signature).to_string().as_bytes())?;
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|error| wrong(format!("the log's answer is not understood: {error}")))?;
        self.place(&answer, signature, &[])?;
        Ok(Entry::read(&answer)?.to_value())
    }
}

impl LogVerifier for LogServer {
    fn place(
        &self,
        entry: &Value,
        signature: &LoggedSignature,
        times: &[String],
    ) -> Result<LogPlace, SignError> {
        Entry::read(entry)?.verified(std::slice::from_ref(&self.log), signature, times)
    }
}
