//! The server's certificate.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::clients::read_private;
use crate::ServeError;

/// TLS with a certificate chain and its key.
///
/// # Errors
/// If one cannot be read, others may read the key, or they do not belong together.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, ServeError> {
    let wrong = |option: &str, path: &Path, why: String| {
        ServeError::Refused(format!("{option} {}: {why}", path.display()))
    };
    let of_certificate = |why: String| wrong("--tls-certificate", certificate, why);
    let of_key = |why: String| wrong("--tls-key", key, why);
    let pem = std::fs::read(certificate).map_err(|error| of_certificate(error.to_string()))?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|error| of_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(of_certificate("no certificate (PEM)".into()));
    }
    let pem = read_private("--tls-key", key)?;
    let private =
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| of_key("no private key (PEM)".into()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ServeError::machine("TLS", error))?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| of_key(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
