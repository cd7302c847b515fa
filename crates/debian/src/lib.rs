//! Debian archives to base images.
mod control;
mod date;
pub mod openpgp;
mod relation;
mod version;

pub use version::{Version, VersionError};
