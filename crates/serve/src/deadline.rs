//! The end of a job that takes too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Sets a flag when the time is over, unless it is told before that the job ended.
pub(crate) struct Deadline {
    ended: mpsc::Sender<()>,
    thread: JoinHandle<bool>,
}

impl Deadline {
    /// Starts to wait.
    pub fn start(time: Duration, flag: Arc<AtomicBool>) -> Deadline {
        let (ended, waiting) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let late = waiting.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if late {
                flag.store(true, Ordering::Relaxed);
            }
            late
        });
        Deadline { ended, thread }
    }

    /// Ends the wait; whether the time was over.
    pub fn passed(self) -> bool {
        let _ = self.ended.send(());
        self.thread.join().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_in_time_is_left_alone_and_a_late_one_is_stopped() {
        let flag = Arc::new(AtomicBool::new(false));
        assert!(!Deadline::start(Duration::from_secs(3600), flag.clone()).passed());
        assert!(!flag.load(Ordering::Relaxed));
        let deadline = Deadline::start(Duration::ZERO, flag.clone());
        while !flag.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        assert!(deadline.passed());
    }
}
