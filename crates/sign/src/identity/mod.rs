//! Signatures without a key to keep: a certificate, given for an identity token, names who signed; a timestamp says that it
//! was valid then (Fulcio, <https://github.com/sigstore/fulcio>).

mod certificate;
mod server;
mod verify;

pub use server::{CertificateServer, CertifiedKey};
pub use verify::{Identities, Identity};
