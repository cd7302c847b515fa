//! Services that speak JSON, over HTTP: logs of signatures, authorities of certificates.

use praxis_registry::{Client, Settings};
use praxis_sign::{JsonTransport, LogServer, SignError, TransparencyLog};

const JSON: &str = "application/json";
/// No answer is longer.
const LARGEST: u64 = 256 << 10;

/// A service with the TLS, proxies and limits of registries.
pub(super) struct OverHttp {
    what: &'static str,
    client: Client,
}

impl OverHttp {
    /// `what` names the service in errors.
    pub(super) fn new(what: &'static str, settings: &Settings) -> OverHttp {
        OverHttp {
            what,
            client: Client::new(settings.clone()),
        }
    }
}

impl JsonTransport for OverHttp {
    fn ask(&self, address: &str, question: &[u8]) -> Result<Vec<u8>, SignError> {
        let answer = self.client.post(address, (JSON, JSON), question, LARGEST);
        answer.map_err(|error| SignError {
            message: format!("{}: {}", self.what, error.message),
            hint: error.hint,
        })
    }
}

/// A log that is asked at its address.
pub fn log_server(log: TransparencyLog, settings: &Settings) -> LogServer {
    LogServer {
        log,
        transport: Box::new(OverHttp::new("the log of signatures", settings)),
    }
}
