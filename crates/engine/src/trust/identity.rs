//! Certificates that name who signs, over HTTP.

use praxis_registry::Settings;
use praxis_sign::{CertificateServer, CertifiedKey, SignError, Zeroizing};

use super::log::OverHttp;

/// A new key with a certificate from the authority at `address` (Fulcio's API, version 2), for whom the token names.
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
        transport: &OverHttp::new("the certificate authority", settings),
    };
    server.certified(token)
}
