use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{DatabaseError, DatabaseUrl, End, EndState, Lease, Queue};

/// How long to wait before the database is asked again that could not be reached.
const AGAIN: Duration = Duration::from_secs(1);
/// How long the end of a build is offered to a database that cannot be reached.
const PATIENCE: Duration = Duration::from_secs(600);

/// How often what happened is written down.
const WRITE: Duration = Duration::from_millis(250);
/// How often a worker asks whether somebody wants its build to stop.
const ASK: Duration = Duration::from_secs(1);
/// Bytes of one row of what happened.
const ROW: usize = 128 << 10;
/// Bytes of all that happened in one build; what comes after is in its account alone.
const MOST: usize = 2 << 20;

/// What happens in a build, on its way to those who follow it.
#[derive(Debug, Default)]
pub struct Diary(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    waiting: VecDeque<String>,
    taken: usize,
    written: i32,
}

impl Diary {
    /// Takes something that happened: JSON. It is written down before long, unless very much happened already or it is too
    /// long for a row.
    pub fn take(&self, happened: String) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if happened.len() <= ROW && pages.taken + happened.len() <= MOST {
            pages.taken += happened.len();
            pages.waiting.push_back(happened);
        }
    }

    /// The next row: a JSON list.
    fn row(&self) -> Option<(i32, String)> {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut row = String::new();
        while let Some(next) = pages.waiting.front()
            && (row.is_empty() || row.len() + next.len() < ROW)
        {
            row.push(if row.is_empty() { '[' } else { ',' });
            row += next;
            pages.waiting.pop_front();
        }
        (!row.is_empty()).then(|| {
            pages.written += 1;
            (pages.written, row + "]")
        })
    }
}

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
/// that nobody wants the build any more, and where to tell what happens. When `stop` is set the build at hand is brought to its end first.
///
/// # Errors
/// If the database says something that waiting does not mend.
pub fn work(
    url: &DatabaseUrl,
    worker: &Worker,
    run: &dyn Fn(&Lease, &AtomicBool, &Diary) -> End,
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
    run: &dyn Fn(&Lease, &AtomicBool, &Diary) -> End,
    tell: &(dyn Fn(Told<'_>) + Sync),
) -> Result<(), DatabaseError> {
    tell(Told::Took(lease));
    let cancel = AtomicBool::new(false);
    let diary = Diary::default();
    let (done, waits) = channel::<()>();
    let mut end = std::thread::scope(|scope| {
        let (cancel, diary) = (&cancel, &diary);
        scope.spawn(move || {
            let (mut renewed, mut asked) = (Instant::now(), Instant::now());
            let pause = WRITE.min(worker.lease / 3);
            while waits.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let due = renewed.elapsed() + pause >= worker.lease / 3;
                let row = diary.row();
                if !due && row.is_none() && asked.elapsed() < ASK {
                    continue;
                }
                asked = Instant::now();
                let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                let mut said = Ok(false);
                if due {
                    renewed = asked;
                    said = queue.renew(lease, worker.lease);
                }
                if matches!(said, Ok(false)) {
                    let row = row.as_ref().map(|(number, text)| (*number, text.as_str()));
                    said = queue.tell(lease, row);
                }
                match said {
                    Ok(false) => {}
                    Ok(true) | Err(DatabaseError::Lost { .. }) => cancel.store(true, Ordering::Relaxed),
                    // Nobody else can take the build while the database is away; whether one did shows at the end.
                    Err(error) => tell(Told::Waiting(&error)),
                }
            }
        });
        let end = run(lease, cancel, diary);
        drop(done);
        end
    });
    // The rest, for those who follow; the account has it too, so that a database that is away costs nothing.
    while let Some((number, row)) = diary.row() {
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.tell(lease, Some((number, &row))).is_err() {
            break;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diary_is_written_in_rows_and_has_an_end() {
        let diary = Diary::default();
        assert_eq!(diary.row(), None);
        diary.take("1".into());
        diary.take("{}".into());
        assert_eq!(diary.row(), Some((1, "[1,{}]".into())));
        assert_eq!(diary.row(), None);
        diary.take("x".repeat(ROW + 1));
        assert_eq!(diary.row(), None, "too long for a row");
        for _ in 0..100 {
            diary.take("y".repeat(ROW / 2));
        }
        let rows: Vec<(i32, String)> = std::iter::from_fn(|| diary.row()).collect();
        let bytes: usize = rows.iter().map(|(_, row)| row.len()).sum();
        assert!(bytes > MOST - ROW && bytes < MOST + ROW, "{bytes}");
        assert!(rows.iter().all(|(_, row)| row.len() <= ROW + 2));
        assert_eq!(
            rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
            (2..2 + rows.len() as i32).collect::<Vec<_>>()
        );
    }
}
