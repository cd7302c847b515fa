//! Builds that run, and those that ended since the server began: one list for all faces.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use praxis_engine::{BuildRecord, BuildRequest, BuildStatus, Event, Events, RecordedError, Recorder};
use serde_json::Value;
use tokio::sync::watch;

use crate::tools::Deaf;
use crate::{Caller, Done, Tier, ToolError, ToolErrorKind, Untrusted};

/// Ended builds whose events can still be followed.
const KEPT: usize = 32;
/// Bytes of events that are kept of one build; the oldest go first.
const MOST: usize = 2 << 20;

/// How often somebody who waits looks whether anybody waits for them.
const LOOK: Duration = Duration::from_millis(100);

/// The list of builds.
#[derive(Default)]
pub(crate) struct Jobs(Mutex<VecDeque<Arc<Job>>>);

/// One build.
pub(crate) struct Job {
    /// Its id.
    pub id: String,
    /// Who asked for it.
    pub caller: String,
    cancel: Weak<AtomicBool>,
    /// Whether somebody asked to stop it.
    stop: AtomicBool,
    state: Mutex<State>,
    news: watch::Sender<u64>,
}

struct State {
    /// What is known of it while it runs; then the record is in the store.
    recorder: Option<Recorder<'static>>,
    events: VecDeque<Told>,
    bytes: usize,
    next: u64,
    ended: bool,
    /// Whether nobody makes it yet.
    waiting: bool,
    /// What is known of it after its end, where nothing else is.
    left: Option<BuildRecord>,
    /// What came of it, if others made it.
    outcome: Option<Result<Done, ToolError>>,
    listeners: Vec<Sender<Event>>,
}

/// Something that happened, as others may see it.
#[derive(Clone)]
pub(crate) struct Told {
    /// Its number in the build, from 1.
    pub number: u64,
    /// JSON, with all texts made harmless.
    pub text: Arc<str>,
    /// Whether nothing follows.
    pub last: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Jobs {
    /// Adds a build that begins now. `request` has its id.
    pub fn begin(&self, request: &BuildRequest, caller: &Caller, cancel: &Arc<AtomicBool>) -> Arc<Job> {
        self.add(request, &caller.name, Arc::downgrade(cancel), false)
    }

    /// Adds a build that others make, and that waits for them. `request` has its id.
    pub fn await_others(&self, request: &BuildRequest, caller: &str) -> Arc<Job> {
        self.add(request, caller, Weak::new(), true)
    }

    fn add(&self, request: &BuildRequest, caller: &str, cancel: Weak<AtomicBool>, waiting: bool) -> Arc<Job> {
        let recorder = Recorder::begin(request, &Deaf);
        let job = Arc::new(Job {
            id: recorder.id(),
            caller: caller.into(),
            cancel,
            stop: AtomicBool::new(false),
            state: Mutex::new(State {
                recorder: Some(recorder),
                events: VecDeque::new(),
                bytes: 0,
                next: 1,
                ended: false,
                waiting,
                left: None,
                outcome: None,
                listeners: Vec::new(),
            }),
            news: watch::Sender::new(0),
        });
        let mut jobs = lock(&self.0);
        jobs.push_back(job.clone());
        let ended = jobs.iter().filter(|job| job.ended()).count();
        if ended > KEPT
            && let Some(oldest) = jobs.iter().position(|job| job.ended())
        {
            jobs.remove(oldest);
        }
        job
    }

    /// A build that runs or ended not long ago, by its whole id.
    pub fn find(&self, id: &str) -> Option<Arc<Job>> {
        lock(&self.0).iter().find(|job| job.id == id).cloned()
    }

    /// The running build that `text` is the id of, or the beginning of the id of no other.
    pub fn running(&self, text: &str) -> Option<(Arc<Job>, BuildRecord)> {
        let mut found = self.all_running();
        found.retain(|(job, _)| !text.is_empty() && job.id.starts_with(text));
        found.pop().filter(|_| found.is_empty())
    }

    /// What is known of a build that ended not long ago and is on no record, by its whole id.
    pub fn left(&self, id: &str) -> Option<BuildRecord> {
        lock(&self.find(id)?.state).left.clone()
    }

    /// All that run, the latest first.
    pub fn all_running(&self) -> Vec<(Arc<Job>, BuildRecord)> {
        let jobs: Vec<Arc<Job>> = lock(&self.0).iter().rev().cloned().collect();
        jobs.into_iter()
            .filter_map(|job| {
                let record = job.so_far()?;
                Some((job, record))
            })
            .collect()
    }
}

impl Job {
    /// Whether it has ended.
    pub fn ended(&self) -> bool {
        lock(&self.state).ended
    }

    fn so_far(&self) -> Option<BuildRecord> {
        lock(&self.state).recorder.as_ref().map(Recorder::so_far)
    }

    /// Asks it to stop.
    ///
    /// # Errors
    /// If it is somebody else's, and the caller is not of the tier open.
    pub fn cancel(&self, caller: &Caller) -> Result<(), ToolError> {
        if caller.name != self.caller && caller.tier < Tier::Open {
            return Err(ToolError::refused(
                "only who asked for a build, and the tier open, can stop it",
            ));
        }
        self.ask_to_stop();
        Ok(())
    }

    /// The same for whoever may.
    pub fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(flag) = self.cancel.upgrade() {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody asked to stop it.
    pub fn is_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether nobody makes it yet.
    pub fn is_waiting(&self) -> bool {
        lock(&self.state).waiting
    }

    /// The event as others than the caller may see it.
    pub fn masked(&self, event: Event) -> Event {
        match &lock(&self.state).recorder {
            Some(recorder) => recorder.masked(event),
            None => event,
        }
    }

    /// Somebody begins to make it, perhaps after another one gave up: what is known of its steps is as good as nothing.
    pub fn taken(&self, request: &BuildRequest) {
        let mut state = lock(&self.state);
        if !state.ended {
            state.waiting = false;
            state.recorder = Some(Recorder::begin(request, &Deaf));
        }
    }

    /// Waits until others have made it, and passes on what happens; `cancel` asks to stop it.
    ///
    /// # Errors
    /// Why there is no result.
    pub fn wait(&self, events: &dyn Events, cancel: &AtomicBool) -> Result<Done, ToolError> {
        let heard = self.listen();
        loop {
            match heard.recv_timeout(LOOK) {
                Ok(event) => events.event(event),
                Err(RecvTimeoutError::Timeout) => {
                    if cancel.load(Ordering::Relaxed) {
                        self.ask_to_stop();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let outcome = lock(&self.state).outcome.clone();
        outcome.unwrap_or_else(|| Err(ToolError::internal("the build ended without a word")))
    }

    /// What happens from now on, until the end.
    fn listen(&self) -> Receiver<Event> {
        let (sender, receiver) = channel();
        let mut state = lock(&self.state);
        if !state.ended {
            state.listeners.push(sender);
        }
        receiver
    }

    /// It ended, and this is what those say who made it.
    pub fn made(&self, outcome: Result<Done, ToolError>) {
        let told = match &outcome {
            Ok(done) => done.value.clone(),
            Err(error) => {
                let status = match error.kind {
                    ToolErrorKind::Cancelled => BuildStatus::Cancelled,
                    _ => BuildStatus::Failed,
                };
                let mut state = lock(&self.state);
                let mut record = state.recorder.as_ref().map(Recorder::so_far);
                if let Some(record) = &mut record {
                    record.status = status;
                    record.ended = praxis_engine::record_time();
                    record.error = Some(RecordedError {
                        message: error.message.clone(),
                        line: None,
                    });
                }
                state.left = record;
                let said = Untrusted::text(&error.message);
                serde_json::json!({"status": crate::tools::status(status), "untrusted": {"error": said}})
            }
        };
        lock(&self.state).outcome = Some(outcome);
        self.end(told);
    }

    /// What happened after the event with this number.
    pub fn after(&self, number: u64) -> Vec<Told> {
        let state = lock(&self.state);
        state
            .events
            .iter()
            .filter(|told| told.number > number)
            .cloned()
            .collect()
    }

    /// Number of the latest event.
    pub fn latest(&self) -> u64 {
        lock(&self.state).next - 1
    }

    /// Changes with every event.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    fn tell(&self, state: &mut State, value: &Value, last: bool) {
        let text: Arc<str> = value.to_string().into();
        state.bytes += text.len();
        state.events.push_back(Told {
            number: state.next,
            text,
            last,
        });
        while state.bytes > MOST && state.events.len() > 1 {
            let oldest = state.events.pop_front();
            state.bytes -= oldest.map_or(0, |told| told.text.len());
        }
        self.news.send_replace(state.next);
        state.next += 1;
    }

    fn end(&self, outcome: Value) {
        let mut state = lock(&self.state);
        if !state.ended {
            state.ended = true;
            state.recorder = None;
            state.listeners.clear();
            let told = serde_json::json!({"event": "ended", "result": outcome});
            self.tell(&mut state, &told, true);
        }
    }
}

impl Events for Job {
    fn event(&self, event: Event) {
        let mut state = lock(&self.state);
        let Some(recorder) = &state.recorder else {
            return;
        };
        recorder.event(event.clone());
        let shown = recorder.masked(event.clone());
        state
            .listeners
            .retain(|listener| listener.send(shown.clone()).is_ok());
        if !matches!(event, Event::Progress { .. }) {
            self.tell(&mut state, Untrusted::of(&shown).as_value(), false);
        }
    }
}

/// A build that is about to end; it has ended when this is dropped, whatever happened.
pub(crate) struct Ending<'a>(pub &'a Job);

impl Ending<'_> {
    /// How it ended.
    pub fn with(self, outcome: Value) {
        self.0.end(outcome);
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end(serde_json::json!({"status": "failed"}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use praxis_engine::BuildId;

    fn caller(name: &str, tier: Tier) -> Caller {
        Caller {
            name: name.into(),
            tier,
        }
    }

    fn begin(jobs: &Jobs, flag: &Arc<AtomicBool>) -> Arc<Job> {
        let request = BuildRequest {
            id: Some(BuildId::fresh()),
            asked_by: Some("a".into()),
            ..BuildRequest::default()
        };
        jobs.begin(&request, &caller("a", Tier::Guarded), flag)
    }

    fn note(message: &str) -> Event {
        Event::Note {
            message: message.into(),
        }
    }

    #[test]
    fn a_job_is_followed_from_any_event_to_its_end() {
        let (jobs, flag) = (Jobs::default(), Arc::default());
        let job = begin(&jobs, &flag);
        job.event(note("one"));
        job.event(note("two \u{1b}[2J"));
        assert_eq!(jobs.running(&job.id).unwrap().1.asked_by.as_deref(), Some("a"));
        drop(Ending(&job));
        job.event(note("too late"));
        let told = job.after(1);
        assert_eq!(told.len(), 2);
        assert_eq!(
            (told[0].number, &*told[0].text),
            (2, r#"{"event":"note","message":"two \\x1b[2J"}"#)
        );
        assert!(told[1].last && told[1].text.contains(r#""status":"failed""#));
        assert!(jobs.running(&job.id).is_none() && jobs.find(&job.id).is_some());
    }

    #[test]
    fn events_of_a_job_and_ended_jobs_are_bounded() {
        let (jobs, flag) = (Jobs::default(), Arc::default());
        let job = begin(&jobs, &flag);
        for _ in 0..400 {
            job.event(note(&"x".repeat(LONG)));
        }
        let kept: usize = job.after(0).iter().map(|told| told.text.len()).sum();
        assert!(kept <= MOST && job.latest() == 400, "{kept}");
        for _ in 0..KEPT + 9 {
            begin(&jobs, &flag).end(Value::Null);
        }
        assert!(lock(&jobs.0).len() <= KEPT + 3);
        assert_eq!(jobs.all_running().len(), 1);
    }

    const LONG: usize = 15 << 10;

    #[test]
    fn a_build_of_others_waits_is_taken_and_tells_who_waits_for_it() {
        let jobs = Jobs::default();
        let request = BuildRequest {
            id: Some(BuildId::fresh()),
            ..BuildRequest::default()
        };
        let job = jobs.await_others(&request, "a");
        assert!(job.is_waiting() && jobs.running(&job.id).is_some());
        job.taken(&request);
        assert!(!job.is_waiting());
        struct Heard(Mutex<Vec<Event>>);
        impl Events for Heard {
            fn event(&self, event: Event) {
                lock(&self.0).push(event);
            }
        }
        let (heard, cancel) = (Heard(Mutex::default()), AtomicBool::new(true));
        let outcome = std::thread::scope(|scope| {
            let waits = scope.spawn(|| job.wait(&heard, &cancel));
            while !job.is_to_stop() {
                std::thread::sleep(Duration::from_millis(1));
            }
            job.event(note("one"));
            job.made(Err(ToolError::new(ToolErrorKind::Cancelled, "as asked")));
            waits.join().unwrap()
        });
        assert_eq!(outcome.unwrap_err().kind, ToolErrorKind::Cancelled);
        assert_eq!(lock(&heard.0).len(), 1);
        let left = jobs.left(&job.id).unwrap();
        assert_eq!(
            (left.status, left.error.unwrap().message.as_str()),
            (BuildStatus::Cancelled, "as asked")
        );
        assert!(
            job.after(0)
                .last()
                .unwrap()
                .text
                .contains(r#""status":"cancelled""#)
        );
        assert!(
            job.wait(&heard, &cancel).is_err(),
            "who comes late is told the same"
        );
    }

    #[test]
    fn only_who_asked_and_the_tier_open_stop_a_build() {
        let (jobs, flag) = (Jobs::default(), Arc::default());
        let job = begin(&jobs, &flag);
        assert!(job.cancel(&caller("b", Tier::Guarded)).is_err());
        assert!(!flag.load(Ordering::Relaxed));
        job.cancel(&caller("b", Tier::Open)).unwrap();
        assert!(flag.load(Ordering::Relaxed));
        job.cancel(&caller("a", Tier::Guarded)).unwrap();
    }
}
