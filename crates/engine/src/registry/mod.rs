//! Registries, for builds and for commands.

mod cache;
mod images;
mod layout;
mod operations;
mod place;
mod remote;
mod stored;

use std::sync::Arc;

use praxis_registry::{RegistryError, Settings};
use praxis_solve::ErrorKind;

use crate::EngineError;

pub(crate) use cache::RegistryCache;
pub use images::{CopyOutcome, CopyRequest, PullRequest, Referrer};
pub(crate) use operations::described;
pub use place::Place;
pub(crate) use remote::Remote;

/// How a build uses registries.
#[derive(Clone, Debug, Default)]
pub struct RegistryAccess {
    /// How they are talked to.
    pub settings: Settings,
    /// Not at all: only what was fetched before.
    pub offline: bool,
    /// Ask the registry also for images that the store has under their name.
    pub pull: bool,
}

impl RegistryAccess {
    pub(crate) fn remote(&self, store: &Arc<praxis_store::Store>) -> Arc<Remote> {
        Arc::new(Remote::new(self.settings.clone(), self.offline, store.clone()))
    }
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
