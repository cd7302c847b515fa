//! Signatures: keys, in-toto statements in DSSE envelopes, sigstore bundles, and the artifacts that carry them.
//!
//! Nothing here asks a registry or a clock: a bundle is made from a statement and a key, and verified from its bytes and
//! the keys and logs that are trusted.

mod artifact;
#[cfg(feature = "tsa")]
mod authority;
mod bundle;
mod command;
mod envelope;
mod error;
#[cfg(feature = "keyless")]
mod identity;
mod key;
mod legacy;
mod log;
mod sealed;
mod stamp;
mod statement;
#[cfg(feature = "tsa")]
mod timestamp;
#[cfg(feature = "tsa")]
mod transparency;
mod trust;

pub use artifact::{Artifact, CREATED, carried_bundle};
#[cfg(feature = "tsa")]
pub use authority::{Authority, TrustedRoot};
pub use bundle::{BUNDLE, Bundle, KeyHint, Material, RawCertificate, Rfc3161Timestamp, Timestamps};
pub use command::KeyCommand;
pub use envelope::{Envelope, EnvelopeSignature, IN_TOTO};
pub use error::SignError;
#[cfg(feature = "keyless")]
pub use identity::{CertificateServer, CertifiedKey, Identities, Identity};
pub use key::{PrivateKey, PublicKey, Signer};
pub use legacy::{LegacyLayer, legacy_attestation, legacy_image, legacy_signature, legacy_tag, same_legacy};
pub use log::{Log, LogPlace, LogVerifier, LoggedBy, LoggedSignature};
pub use stamp::{Stamp, StampVerifier};
pub use statement::{SIGNATURE, STATEMENT, Statement, Subject};
#[cfg(feature = "tsa")]
pub use timestamp::{TimestampServer, TimestampTransport};
#[cfg(feature = "tsa")]
pub use transparency::{JsonTransport, LogKey, LogServer, TransparencyLog};
pub use trust::{CertificateHolder, IdentityVerifier, Judged, OwnCertificate, Transparency, Trust};
pub use zeroize::Zeroizing;
