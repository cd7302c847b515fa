//! Layers are compressed while later steps run.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use praxis_layer::Compression;

use crate::SolveError;
use crate::layers::LayerHandle;

/// A queue of layers whose blobs are wanted.
pub(crate) struct Compressor {
    compression: Compression,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<LayerHandle>>,
    closed: bool,
}

impl Compressor {
    pub fn new(compression: Compression) -> Compressor {
        Compressor {
            compression,
            queue: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub fn add(&self, layer: Arc<LayerHandle>) {
        self.queue
            .lock()
            .expect("no panic while held")
            .waiting
            .push_back(layer);
        self.changed.notify_one();
    }

    /// No more layers will come.
    pub fn close(&self) {
        self.queue.lock().expect("no panic while held").closed = true;
        self.changed.notify_all();
    }

    /// Works until the queue is closed and empty, or a layer fails, or `stop` is set.
    pub fn work(&self, stop: &AtomicBool) -> Option<SolveError> {
        loop {
            let mut queue = self.queue.lock().expect("no panic while held");
            let layer = loop {
                if let Some(layer) = queue.waiting.pop_front() {
                    break layer;
                }
                if queue.closed {
                    return None;
                }
                queue = self.changed.wait(queue).expect("no panic while held");
            };
            drop(queue);
            if stop.load(Ordering::Relaxed) {
                continue;
            }
            let made =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| layer.blob(self.compression)));
            if let Err(error) =
                made.unwrap_or_else(|_| Err(SolveError::internal("the compression of a layer panicked")))
            {
                stop.store(true, Ordering::Relaxed);
                return Some(error);
            }
        }
    }
}
