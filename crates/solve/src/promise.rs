//! What one plan of a build will become, for the others that start or copy from it.

use std::sync::Arc;

use praxis_oci::{Digest, Hasher, ImageConfig, Platform};

use crate::SolveError;
use crate::state::State;
use crate::waiting::Slot;

/// The result of a plan before it is solved: other plans are made with its configuration, and their steps wait for
/// its layers. [`crate::SolveSettings::promise`] says which plan keeps it.
pub struct Promise {
    pub(crate) platform: Platform,
    /// Stands for the manifest that there is none of.
    pub(crate) digest: Digest,
    pub(crate) config: Arc<ImageConfig>,
    slot: Slot,
}

impl Promise {
    /// What the plan `name` for `platform` will become; `config` is its target's.
    pub fn new(name: &str, platform: &Platform, config: &ImageConfig) -> Promise {
        let mut hasher = Hasher::new();
        hasher.field(b"promise");
        hasher.field(name.as_bytes());
        hasher.field(platform.to_string().as_bytes());
        Promise {
            platform: platform.clone(),
            digest: hasher.finish(),
            config: Arc::new(config.clone()),
            slot: Slot::default(),
        }
    }

    /// As new, for another attempt.
    pub fn reset(&self) {
        self.slot.reset();
    }

    /// Nobody will keep it: whoever waits is told so. Does nothing if it was kept.
    pub fn give_up(&self) {
        self.slot.give_up();
    }

    pub(crate) fn keep(&self, state: State) {
        self.slot.set(Ok(state));
    }

    pub(crate) fn wait(&self) -> Result<State, SolveError> {
        self.slot.wait()
    }
}
