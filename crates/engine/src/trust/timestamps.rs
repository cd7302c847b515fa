//! Authorities that say when something was signed, over HTTP.

use praxis_registry::{Client, Settings};
use praxis_sign::{Authority, SignError, TimestampServer, TimestampTransport};

const QUERY: &str = "application/timestamp-query";
const REPLY: &str = "application/timestamp-reply";
/// No reply is longer.
const LARGEST: u64 = 64 << 10;

/// RFC 3161 over HTTP (its section 3.4), with the TLS and proxies of registries.
struct OverHttp(Client);

impl TimestampTransport for OverHttp {
    fn ask(&self, address: &str, question: &[u8]) -> Result<Vec<u8>, SignError> {
        let answer = self.0.post(address, (QUERY, REPLY), question, LARGEST);
        answer.map_err(|error| SignError {
            message: format!("the timestamp authority: {}", error.message),
            hint: error.hint,
        })
    }
}

/// An authority that is asked at its address.
pub fn timestamp_server(authority: Authority, settings: &Settings) -> TimestampServer {
    TimestampServer {
        authority,
        transport: Box::new(OverHttp(Client::new(settings.clone()))),
    }
}
