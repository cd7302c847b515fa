//! Logs of signatures and of certificates: what is in them was shown to everybody (Rekor's API, version 2,
//! <https://github.com/sigstore/rekor-tiles>; RFC 6962 for certificates).

mod entry;
mod first;
mod instance;
mod key;
mod note;
#[cfg(feature = "keyless")]
mod sct;
mod server;
#[cfg(test)]
mod tests;

pub use instance::TransparencyLog;
pub use key::LogKey;
#[cfg(feature = "keyless")]
pub(crate) use sct::verify_timestamps;
pub use server::{JsonTransport, LogServer};
