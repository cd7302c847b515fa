//! Certificates of an authority of the test's own.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

/// The name, beside those of loopback, that the server's certificate is for.
pub const TUNNELLED: &str = "registry.invalid";

/// A certificate for loopback and [`TUNNELLED`] and one for a client, signed by an authority of the test's own: authority,
/// certificate, key, client's certificate, its key.
pub fn certificates(place: &Path) -> [PathBuf; 5] {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1", "localhost", TUNNELLED].map(String::from)).unwrap();
    let leaf_pem = leaf.signed_by(&key, &issuer).unwrap().pem();
    let client_key = KeyPair::generate().unwrap();
    let mut client = CertificateParams::new(Vec::new()).unwrap();
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client_pem = client.signed_by(&client_key, &issuer).unwrap().pem();
    let write = |name: &str, text: String| {
        let path = place.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    [
        write("ca.pem", authority_pem),
        write("leaf.pem", leaf_pem),
        write("key.pem", key.serialize_pem()),
        write("client.pem", client_pem),
        write("client-key.pem", client_key.serialize_pem()),
    ]
}
