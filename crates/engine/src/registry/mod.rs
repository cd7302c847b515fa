//! Registries, for builds and for commands.

mod archive;
mod artifact;
mod cache;
mod held;
mod images;
mod layout;
mod operations;
mod place;
mod remote;
mod stored;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use praxis_registry::{RegistryError, Settings};
use praxis_solve::{ErrorKind, Pull};

use crate::EngineError;

pub(crate) use cache::RegistryCache;
pub(crate) use held::Held;
pub use images::{CopyOutcome, CopyRequest, FetchedArtifact, FetchedBlob, PullRequest, Referrer};
pub(crate) use layout::Layout;
pub(crate) use operations::{described, stored_image};
pub use place::{ArchiveFormat, Place};
pub(crate) use remote::Remote;
pub(crate) use stored::Stored;

/// How a build uses registries.
#[derive(Clone, Debug, Default)]
pub struct RegistryAccess {
    /// How they are talked to.
    pub settings: Settings,
    /// Not at all: only what was fetched before.
    pub offline: bool,
    /// Which images are asked for.
    pub pull: Pull,
}

impl RegistryAccess {
    pub(crate) fn remote(&self, store: &Arc<praxis_store::Store>) -> Arc<Remote> {
        Arc::new(Remote::new(self.settings.clone(), self.offline, store.clone()))
    }
}

/// An error that names all of `missing`, if there is any: images by name, with the reason for each.
pub(crate) fn missing_images(missing: &BTreeMap<String, String>) -> Result<(), EngineError> {
    let (names, reasons): (Vec<&str>, Vec<&str>) = missing
        .iter()
        .map(|(name, reason)| (name.as_str(), reason.as_str()))
        .unzip();
    let message = match reasons.as_slice() {
        [] => return Ok(()),
        [only] => (*only).to_string(),
        several => format!(
            "{} images are missing here, and --offline forbids to fetch them: {}",
            several.len(),
            names.join(", ")
        ),
    };
    Err(EngineError::user(message).with_hint(format!("praxis pull {}", names.join(" "))))
}

pub(crate) fn kind(kind: praxis_registry::ErrorKind) -> ErrorKind {
    match kind {
        praxis_registry::ErrorKind::Cancelled => ErrorKind::Cancelled,
        praxis_registry::ErrorKind::Machine => ErrorKind::Environment,
        _ => ErrorKind::User,
    }
}

impl From<RegistryError> for EngineError {
    fn from(error: RegistryError) -> EngineError {
        EngineError {
            hint: error.hint.clone(),
            ..EngineError::new(kind(error.kind), error.message)
        }
    }
}
