//! How often tools were called, and how that ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counts by tool and outcome.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<(&'static str, &'static str), Told>>);

/// How often, and how long in all.
#[derive(Clone, Copy, Default)]
pub(crate) struct Told {
    pub count: u64,
    pub time: Duration,
}

impl Tally {
    /// Counts one call.
    pub fn count(&self, tool: &'static str, outcome: &'static str, time: Duration) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = calls.entry((tool, outcome)).or_default();
        told.count += 1;
        told.time += time;
    }

    /// All that was counted.
    pub fn all(&self) -> BTreeMap<(&'static str, &'static str), Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
