use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{DatabaseError, DatabaseUrl, End, EndState, Lease, Queue};

/// How long to wait before the database is asked again that could not be reached.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the end of a build is offered to a database that cannot be reached.
const PATIENCE: Duration = Duration::from_secs(600);

/// Who works, and how.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Its name, for people.
    pub name: String,
    /// How long a build is held without word of this worker. It gives word three times as often.
    pub lease: Duration,
    /// How often an empty queue is looked at.
    pub pause: Duration,
    /// Whether to stop when the queue is empty.
    pub until_empty: bool,
}

/// What a worker tells.
#[derive(Debug)]
pub enum Told<'a> {
    /// A build begins.
    Took(&'a Lease),
    /// A build ended.
    Ended(&'a Lease, EndState),
    /// Another one took the build, or its end could not be written: what was made here does not count.
    Lost(&'a Lease, &'a DatabaseError),
    /// The database cannot be reached just now.
    Waiting(&'a DatabaseError),
}

/// Takes builds from the queue, one after the other, has `run` make them, and ends them. `run` is given a flag that says
/// that nobody wants the build any more. When `stop` is set the build at hand is brought to its end first.
///
/// # Errors
/// If the database says something that waiting does not mend.
pub fn work(
    url: &DatabaseUrl,
    worker: &Worker,
    run: &dyn Fn(&Lease, &AtomicBool) -> End,
    stop: &AtomicBool,
    tell: &(dyn Fn(Told<'_>) + Sync),
) -> Result<(), DatabaseError> {
    let queue = Mutex::new(Queue::open(url.clone())?);
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    while !stop.load(Ordering::Relaxed) {
        let taken = lock().take(&worker.name, worker.lease);
        match taken {
            Ok(Some(lease)) => one(&queue, worker, &lease, run, tell)?,
            Ok(None) if worker.until_empty => break,
            Ok(None) => pause(worker.pause, stop),
            Err(error) if error.is_passing() => {
                tell(Told::Waiting(&error));
                pause(AGAIN, stop);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn pause(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while Instant::now() < until && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50).min(time));
    }
}

fn one(
    queue: &Mutex<Queue>,
    worker: &Worker,
    lease: &Lease,
    run: &dyn Fn(&Lease, &AtomicBool) -> End,
    tell: &(dyn Fn(Told<'_>) + Sync),
) -> Result<(), DatabaseError> {
    tell(Told::Took(lease));
    let cancel = AtomicBool::new(false);
    let (done, waits) = channel::<()>();
    let mut end = std::thread::scope(|scope| {
        let cancel = &cancel;
        scope.spawn(move || {
            while waits.recv_timeout(worker.lease / 3) == Err(RecvTimeoutError::Timeout) {
                let renewed = queue
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .renew(lease, worker.lease);
                match renewed {
                    Ok(false) => {}
                    Ok(true) | Err(DatabaseError::Lost { .. }) => cancel.store(true, Ordering::Relaxed),
                    // Nobody else can take the build while the database is away; whether one did shows at the end.
                    Err(error) => tell(Told::Waiting(&error)),
                }
            }
        });
        let end = run(lease, cancel);
        drop(done);
        end
    });
    if end.state == EndState::Failed && cancel.load(Ordering::Relaxed) {
        end.state = EndState::Cancelled;
    }
    let begun = Instant::now();
    loop {
        let ended = queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .end(lease, &end);
        match ended {
            Ok(()) => tell(Told::Ended(lease, end.state)),
            Err(error) if error.is_passing() && begun.elapsed() < PATIENCE => {
                tell(Told::Waiting(&error));
                std::thread::sleep(AGAIN);
                continue;
            }
            Err(error @ DatabaseError::Lost { .. }) => tell(Told::Lost(lease, &error)),
            Err(error) => {
                tell(Told::Lost(lease, &error));
                return Err(error);
            }
        }
        return Ok(());
    }
}
