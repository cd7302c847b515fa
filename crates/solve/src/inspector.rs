//! Somebody looks at a RUN step that failed, from inside its sandbox.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Whoever gets a shell where a RUN step failed.
pub trait Inspector: Send + Sync {
    /// Asks for the slave side of a new pseudo-terminal for a shell in the sandbox of the step with this name, which
    /// failed with this error. `None`: nobody looks, for example because somebody looks at another step.
    fn begin(&self, step: &str, error: &str) -> Option<OwnedFd>;

    /// The type of the terminal, for TERM.
    fn terminal_type(&self) -> Option<String>;

    /// The shell ended, or did not begin for this reason. Called once after each [`Inspector::begin`] that gave a
    /// terminal.
    fn end(&self, reason: Option<&str>);
}

/// What a request says about failing steps.
#[derive(Clone)]
pub struct OnError(pub Arc<dyn Inspector>);

impl fmt::Debug for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnError(…)")
    }
}
