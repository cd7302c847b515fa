//! OCI and Docker image types: digest, reference, platform, descriptor, manifest, index, configuration.
//!
//! Pure data, no I/O. Formats follow the OCI image specification 1.1; the configuration also keeps the
//! Docker extensions that Dockerfiles set (`Shell`, `Healthcheck`, `OnBuild`).

mod config;
mod digest;
mod manifest;
mod platform;
mod reference;

pub use config::{ContainerConfig, Healthcheck, History, ImageConfig, RootFs};
pub use digest::{Digest, DigestError, Hasher, HashingReader};
pub use manifest::{Descriptor, Index, Manifest, MediaType, media_type};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
