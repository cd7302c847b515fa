//! Certificates that name who signs, over HTTP.

use praxis_registry::{Client, Settings};
use praxis_sign::{CertificateServer, CertificateTransport, CertifiedKey, SignError, Zeroizing};

const JSON: &str = "application/json";
/// No answer is longer.
const LARGEST: u64 = 256 << 10;

/// Fulcio's API, version 2, with the TLS and proxies of registries.
struct OverHttp(Client);

impl CertificateTransport for OverHttp {
    fn ask(&self, address: &str, question: &[u8]) -> Result<Vec<u8>, SignError> {
        let answer = self.0.post(address, (JSON, JSON), question, LARGEST);
        answer.map_err(|error| SignError {
            message: format!("the certificate authority: {}", error.message),
            hint: error.hint,
        })
    }
}

/// A new key with a certificate from the authority at `address`, for whom the token names.
///
/// # Errors
/// If the authority cannot be reached or gives none.
pub fn certified_key(
    address: &str,
    token: &Zeroizing<String>,
    settings: &Settings,
) -> Result<CertifiedKey, SignError> {
    let server = CertificateServer {
        address: address.into(),
        transport: &OverHttp(Client::new(settings.clone())),
    };
    server.certified(token)
}
