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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    struct Files {
        _place: tempfile::TempDir,
        certificate: PathBuf,
        key: PathBuf,
        pem: String,
    }

    fn files() -> Files {
        let place = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let (certificate, key) = (place.path().join("certificate"), place.path().join("key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::set_permissions(&certificate, PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        Files {
            _place: place,
            certificate,
            key,
            pem: made.cert.pem(),
        }
    }

    fn refused(certificate: &Path, key: &Path) -> String {
        acceptor(certificate, key).err().expect("refused").to_string()
    }

    #[test]
    fn service_row_01_a_key_that_others_can_read_or_of_another_certificate_is_refused() {
        let (one, other) = (files(), files());
        assert!(refused(&one.certificate, &other.key).contains("--tls-key"));
        assert!(refused(&one.key, &one.key).contains("no certificate"));
        assert!(refused(&one.certificate, &one.certificate).contains("chmod 0600"));
        std::fs::set_permissions(&one.key, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(refused(&one.certificate, &one.key).contains("chmod 0600"));
    }

    #[test]
    fn clients_that_know_the_certificate_are_answered_and_nothing_is_in_clear() {
        let files = files();
        let acceptor = acceptor(&files.certificate, &files.key).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        let serving = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let (plain, _) = listener.accept().await.unwrap();
                assert!(acceptor.accept(plain).await.is_err());
                let (stream, _) = listener.accept().await.unwrap();
                let stream = hyper_util::rt::TokioIo::new(acceptor.accept(stream).await.unwrap());
                let service = hyper::service::service_fn(|_| async {
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(axum::body::Body::from(
                        "over TLS",
                    )))
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .keep_alive(false)
                    .serve_connection(stream, service);
                let _ = connection.await;
            });
        });
        let mut plain = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        std::io::Write::write_all(&mut plain, b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut said = Vec::new();
        let _ = plain.read_to_end(&mut said);
        assert!(!said.starts_with(b"HTTP/"), "{said:?}");
        let certificates = [ureq::tls::Certificate::from_pem(files.pem.as_bytes()).unwrap()];
        let roots = ureq::tls::RootCerts::new_with_certs(&certificates);
        let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
        let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).build().into();
        let mut answer = agent.get(format!("https://localhost:{port}/")).call().unwrap();
        assert_eq!(answer.body_mut().read_to_string().unwrap(), "over TLS");
        serving.join().unwrap();
    }
}
