//! What the plans that are solved at the same time share: places at work, the compressor, results, and the wish to
//! stop.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use praxis_oci::Digest;

use crate::compress::Compressor;
use crate::layers::LayerHandle;
use crate::waiting::Permits;
use crate::{Job, Solution, SolveError};

/// Those who work on one build, which may be of several plans. Steps with the same key are made once in it, whichever
/// plan or stage comes first; the first failure stops them all.
pub struct Crew<'a> {
    cancel: &'a AtomicBool,
    pub(crate) permits: Permits,
    pub(crate) compressor: Compressor,
    /// Set by the first failure, or because somebody asked to stop: everyone stops at the next step.
    pub(crate) stop: AtomicBool,
    finished: AtomicBool,
    /// Number of the next step that is announced.
    next: AtomicUsize,
    /// Layers made or found in this build, by the keys of their steps.
    results: Mutex<HashMap<Digest, Arc<LayerHandle>>>,
}

impl<'a> Crew<'a> {
    /// Does `work` with a crew of at most `jobs` steps at once (0: as many as are ready). Returns when all who were
    /// started have ended.
    pub fn gather<T>(jobs: usize, cancel: &'a AtomicBool, work: impl FnOnce(&Crew<'a>) -> T) -> T {
        let crew = Crew {
            cancel,
            permits: Permits::new(jobs),
            compressor: Compressor::default(),
            stop: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            next: AtomicUsize::new(0),
            results: Mutex::default(),
        };
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| crew.watch());
            let _end = End(&crew, watcher.thread().clone());
            for _ in 0..2 {
                spawn_deep(scope, || crew.compressor.work(&crew.stop));
            }
            work(&crew)
        })
    }

    /// Solves plans at the same time; the results come in the order of the plans. One failure stops the others, whose
    /// errors then say [`crate::ErrorKind::Cancelled`].
    pub fn solve(&self, jobs: Vec<Job<'_>>) -> Vec<Result<Solution, SolveError>> {
        std::thread::scope(|scope| {
            let mut started = Vec::new();
            for job in jobs {
                let promise = job.promise();
                started.push(spawn_deep(scope, move || {
                    let solved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.solve()));
                    // Also after a panic nobody is to wait for ever.
                    promise.iter().for_each(|promise| promise.give_up());
                    solved.unwrap_or_else(|_| {
                        self.stop();
                        Err(SolveError::internal("solving a plan panicked"))
                    })
                }));
            }
            let ended = started.into_iter().map(|one| one.join());
            ended.map(|one| one.expect("a panic is caught")).collect()
        })
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed)
    }

    /// Numbers for `count` steps; gives the first.
    pub(crate) fn take_numbers(&self, count: usize) -> usize {
        self.next.fetch_add(count, Ordering::Relaxed)
    }

    pub(crate) fn result(&self, key: &Digest) -> Option<Arc<LayerHandle>> {
        self.results
            .lock()
            .expect("no panic while held")
            .get(key)
            .cloned()
    }

    pub(crate) fn keep_result(&self, key: Digest, layer: Arc<LayerHandle>) {
        let mut results = self.results.lock().expect("no panic while held");
        results.insert(key, layer);
    }

    /// The error that made the compressor stop everyone; given once.
    pub(crate) fn compression_error(&self) -> Option<SolveError> {
        self.compressor.take_error()
    }

    /// Until the work is finished, passes on that somebody asked to stop to all that looks at `stop`.
    fn watch(&self) {
        while !self.finished.load(Ordering::Relaxed) {
            if self.cancel.load(Ordering::Relaxed) {
                self.stop();
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

/// Ends the watch and the compressor when dropped, also by a panic.
struct End<'c, 'a>(&'c Crew<'a>, std::thread::Thread);

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        self.0.compressor.close();
        self.0.finished.store(true, Ordering::Relaxed);
        self.1.unpark();
    }
}

/// Starts a thread whose stack is large enough for the deepest paths there can be (2,048 components).
pub(crate) fn spawn_deep<'scope, T: Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> std::thread::ScopedJoinHandle<'scope, T> {
    let builder = std::thread::Builder::new().stack_size(32 << 20);
    builder
        .spawn_scoped(scope, work)
        .expect("the machine lets us start a thread")
}
