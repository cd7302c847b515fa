//! What stages wait for: each other's results, a place among those at work, and who else makes the same thing.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex};

use praxis_oci::Digest;

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

    /// Sets that there will be no result, unless there is one.
    pub fn give_up(&self) {
        self.value
            .lock()
            .expect("no panic while held")
            .get_or_insert(Err(()));
        self.ready.notify_all();
    }

    /// As if nothing had been set.
    pub fn reset(&self) {
        *self.value.lock().expect("no panic while held") = None;
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

/// Keys that somebody works on. Whoever comes to a key later waits until it is free and then looks whether the
/// result is there. Nobody takes a turn while holding a permit, and no turn waits for another of the same kind.
#[derive(Default)]
pub struct Turns {
    taken: Mutex<HashSet<Digest>>,
    given_back: Condvar,
}

impl Turns {
    /// Does `work` while nobody else works on `key`. A failed or panicked turn frees the key too: those who wait then
    /// try themselves.
    pub(crate) fn with<T>(&self, key: Digest, work: impl FnOnce() -> T) -> T {
        let mut taken = self.taken.lock().expect("no panic while held");
        while !taken.insert(key) {
            taken = self.given_back.wait(taken).expect("no panic while held");
        }
        drop(taken);
        let _turn = Turn(self, key);
        work()
    }
}

/// Frees the key when dropped, also by a panic.
struct Turn<'t>(&'t Turns, Digest);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.taken.lock().expect("no panic while held").remove(&self.1);
        self.0.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_key_is_worked_on_by_one_and_a_failure_frees_it() {
        let (turns, key) = (Turns::default(), Digest::of(b"key"));
        let (at_work, most, tries) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let turn = || {
                        turns.with(key, || {
                            most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            std::thread::yield_now();
                            at_work.fetch_sub(1, Ordering::SeqCst);
                            assert!(tries.fetch_add(1, Ordering::SeqCst) > 3, "the first four fail");
                        });
                    };
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(turn));
                });
            }
        });
        assert_eq!((most.into_inner(), tries.into_inner()), (1, 8));
        assert!(turns.taken.into_inner().unwrap().is_empty());
    }

    #[test]
    fn other_keys_do_not_wait() {
        let turns = Turns::default();
        let inner = turns.with(Digest::of(b"a"), || turns.with(Digest::of(b"b"), || 7));
        assert_eq!(inner, 7);
    }
}
