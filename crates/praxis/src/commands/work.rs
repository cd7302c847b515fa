//! `praxis work`: builds from the queue, made as the tool `build` makes them for a guarded caller.

use super::Surroundings;
use crate::arguments::WorkOptions;
use crate::failure::Failure;

#[cfg(feature = "postgres")]
mod with {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use praxis_database::{Diary, End, EndState, HeldBooks, Lease, Told, Worker, work};
    use praxis_engine::{BuildId, Event, Events};
    use praxis_serve::{Call, Caller, Policy, Reach, Roots, Tier, Toolbox, Tools};

    use super::super::{database, serve};
    use super::*;
    use crate::interrupt::cancel_flag;
    use crate::progress::sanitize::sanitize;

    /// How often an empty queue is looked at.
    const PAUSE: Duration = Duration::from_millis(200);

    /// What happens during a build, for those who follow it from elsewhere.
    struct Followers<'a>(&'a Diary);

    impl Events for Followers<'_> {
        fn event(&self, event: Event) {
            if !matches!(event, Event::Progress { .. })
                && let Ok(text) = serde_json::to_string(&event)
            {
                self.0.take(text);
            }
        }
    }

    /// What makes builds, one after the other.
    struct Bench {
        toolbox: Toolbox,
        books: HeldBooks,
        tools: Tools,
    }

    pub fn run(options: &WorkOptions, surroundings: &Surroundings) -> Result<(), Failure> {
        let policy = Policy {
            roots: Roots::open(&options.context_roots)?,
            allow_network: options.allow_network,
            reach: Reach::public(options.allow_address.clone()),
            most_jobs: 1,
            longest_job: options.job_timeout,
            // The bounds of steps are those of a server that was told nothing else.
            ..Policy::default()
        };
        let books = HeldBooks::default();
        let bench = Bench {
            toolbox: serve::toolbox_with(policy, surroundings, Some(Arc::new(books.clone())))?,
            books,
            tools: Tools::default(),
        };
        let url = database::needed(surroundings)?;
        let stop = cancel_flag().map_err(|error| Failure::failed(format!("signals: {error}")))?;
        let worker = Worker {
            name: options.name.clone().unwrap_or_else(own_name),
            lease: options.lease,
            pause: PAUSE,
            until_empty: options.until_empty,
        };
        let run = |lease: &Lease, cancel: &AtomicBool, diary: &Diary| bench.build(lease, cancel, diary);
        Ok(work(&url, &worker, &run, &stop, &tell)?)
    }

    fn own_name() -> String {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        format!("{}:{}", host.trim(), std::process::id())
    }

    fn tell(told: Told<'_>) {
        match told {
            Told::Took(lease) if lease.attempt > 1 => {
                eprintln!("build {}: taken over (try {})", lease.number, lease.attempt);
            }
            Told::Took(lease) => eprintln!("build {}: taken", lease.number),
            Told::Ended(lease, state) => eprintln!("build {}: {state}", lease.number),
            Told::Lost(lease, why) => eprintln!("build {}: {}", lease.number, sanitize(&why.to_string())),
            Told::Waiting(why) => eprintln!("warning: {}", sanitize(&why.to_string())),
        }
    }

    impl Bench {
        fn build(&self, lease: &Lease, cancel: &AtomicBool, diary: &Diary) -> End {
            let failed = |result: String| End {
                state: EndState::Failed,
                result,
                kept: self.books.take(),
            };
            let caller = Caller {
                name: lease.asked_by.clone(),
                tier: Tier::Guarded,
            };
            let arguments = match serde_json::from_str(&lease.request) {
                Ok(arguments) => arguments,
                Err(error) => return failed(format!("the request is no JSON: {error}")),
            };
            let flag = Arc::new(AtomicBool::new(false));
            let (done, over) = std::sync::mpsc::channel::<()>();
            let called = std::thread::scope(|scope| {
                let told = flag.clone();
                scope.spawn(move || {
                    while over.recv_timeout(PAUSE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                        told.fetch_or(cancel.load(Ordering::Relaxed), Ordering::Relaxed);
                    }
                });
                let call = Call {
                    caller: &caller,
                    events: &Followers(diary),
                    cancel: flag,
                };
                // A build that is older than such ids gets one now.
                let id = lease.id.as_deref().and_then(|id| id.parse().ok());
                let id = id.unwrap_or_else(BuildId::fresh);
                let called = self.tools.build_as(&self.toolbox, id, arguments, &call);
                drop(done);
                called
            });
            match called {
                Ok(done) => End {
                    state: match done.failed {
                        true => EndState::Failed,
                        false => EndState::Done,
                    },
                    result: done.value.to_string(),
                    kept: self.books.take(),
                },
                Err(error) => failed(error.message),
            }
        }
    }
}

#[cfg(not(feature = "postgres"))]
mod with {
    use super::*;

    pub fn run(_: &WorkOptions, _: &Surroundings) -> Result<(), Failure> {
        Err(super::super::database::missing("praxis work"))
    }
}

/// Runs `praxis work`.
pub fn run(options: &WorkOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    with::run(options, surroundings)
}
