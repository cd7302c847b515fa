//! Layers are compressed while later steps run.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use praxis_layer::Compression;

use crate::SolveError;
use crate::layers::LayerHandle;

/// A queue of layers whose blobs are wanted.
#[derive(Default)]
pub(crate) struct Compressor {
    queue: Mutex<Queue>,
    changed: Condvar,
    error: Mutex<Option<SolveError>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Arc<LayerHandle>, Compression)>,
    closed: bool,
}

impl Compressor {
    pub fn add(&self, layer: Arc<LayerHandle>, compression: Compression) {
        self.queue
            .lock()
            .expect("no panic while held")
            .waiting
            .push_back((layer, compression));
        self.changed.notify_one();
    }

    /// No more layers will come, and those who want what still waits make it themselves.
    pub fn close(&self) {
        let mut queue = self.queue.lock().expect("no panic while held");
        queue.closed = true;
        queue.waiting.clear();
        self.changed.notify_all();
    }

    /// What went wrong here first, once.
    pub fn take_error(&self) -> Option<SolveError> {
        self.error.lock().expect("no panic while held").take()
    }

    /// Works until the queue is closed. A failure sets `stop`.
    pub fn work(&self, stop: &AtomicBool) {
        while let Some((layer, compression)) = self.next() {
            if stop.load(Ordering::Relaxed) {
                continue;
            }
            let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| layer.blob(compression)));
            let panicked = || Err(SolveError::internal("the compression of a layer panicked"));
            if let Err(error) = made.unwrap_or_else(|_| panicked()) {
                let mut first = self.error.lock().expect("no panic while held");
                first.get_or_insert(error);
                stop.store(true, Ordering::Relaxed);
            }
        }
    }

    fn next(&self) -> Option<(Arc<LayerHandle>, Compression)> {
        let mut queue = self.queue.lock().expect("no panic while held");
        loop {
            if let Some(next) = queue.waiting.pop_front() {
                return Some(next);
            }
            if queue.closed {
                return None;
            }
            queue = self.changed.wait(queue).expect("no panic while held");
        }
    }
}
