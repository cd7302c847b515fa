//! What stages wait for: each other's results, and a place among those at work.

use std::sync::{Condvar, Mutex};

use crate::SolveError;
use crate::state::State;

/// A stage's result, waited for by the stages that need it. `None` inside: only looked at (dry run).
#[derive(Default)]
pub(crate) struct Slot {
    pub value: Mutex<Option<Result<State, ()>>>,
    pub ready: Condvar,
}

impl Slot {
    pub fn set(&self, value: Result<State, ()>) {
        *self.value.lock().expect("no panic while held") = Some(value);
        self.ready.notify_all();
    }

    pub fn wait(&self) -> Result<State, SolveError> {
        let mut value = self.value.lock().expect("no panic while held");
        loop {
            match &*value {
                Some(Ok(state)) => return Ok(state.clone()),
                Some(Err(())) => return Err(SolveError::cancelled()),
                None => value = self.ready.wait(value).expect("no panic while held"),
            }
        }
    }
}

/// How many steps may work at once.
pub(crate) struct Permits {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Permits {
    pub fn new(jobs: usize) -> Permits {
        Permits {
            free: Mutex::new(if jobs == 0 { usize::MAX } else { jobs }),
            changed: Condvar::new(),
        }
    }

    pub fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut free = self.free.lock().expect("no panic while held");
        while *free == 0 {
            free = self.changed.wait(free).expect("no panic while held");
        }
        *free -= 1;
        drop(free);
        let _permit = Permit(self);
        work()
    }
}

/// Gives the permit back when dropped, also by a panic.
struct Permit<'p>(&'p Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().expect("no panic while held") += 1;
        self.0.changed.notify_one();
    }
}
