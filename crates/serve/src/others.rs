//! Builds that others make: put where they take them, and followed here.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use praxis_engine::{BuildId, BuildRequest, ContextSource, Event, Events};
use serde::Deserialize;
use serde_json::Value;

use crate::jobs::Job;
use crate::tools::BuildInput;
use crate::{Call, Done, ToolError, Toolbox};

/// How often it is looked what happened: while builds are open, and while there are none.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(500)];
/// How soon a build that was asked for here is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Times that is asked for news of one round: the rest is for the next.
const MOST_ASKED: usize = 16;

/// Others, who make the builds of a server.
pub trait Builders: Send + Sync {
    /// Asks for a build, whose record will have this id. The arguments are those of the tool `build`, which this server
    /// would take. When this returns its number, it is made whatever becomes of this server.
    ///
    /// # Errors
    /// If nobody could be asked.
    fn ask(&self, id: &BuildId, arguments: &Value, caller: &str) -> Result<i64, ToolError>;

    /// Builds that were asked for, here or elsewhere, and have not ended.
    ///
    /// # Errors
    /// If nobody could be asked; nothing is known then.
    fn open(&self) -> Result<Vec<OpenBuild>, ToolError>;

    /// One build.
    ///
    /// # Errors
    /// If nobody could be asked.
    fn look(&self, number: i64) -> Result<AskedBuild, ToolError>;

    /// What happened in builds after what is known of each; not all of it, if it is much.
    ///
    /// # Errors
    /// If nobody could be asked.
    fn news(&self, known: &[Seen]) -> Result<Vec<(Seen, Vec<Event>)>, ToolError>;

    /// Asks to stop a build.
    ///
    /// # Errors
    /// If nobody could be asked.
    fn stop(&self, number: i64) -> Result<(), ToolError>;
}

/// A build that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBuild {
    /// Its number among those that were asked for.
    pub number: i64,
    /// How often somebody began to make it; 0 while it waits.
    pub attempt: i32,
}

/// A build that was asked for.
#[derive(Clone, Debug)]
pub struct AskedBuild {
    /// The id of its record, if it has one from the beginning.
    pub id: Option<BuildId>,
    /// The arguments of the tool `build`.
    pub arguments: Value,
    /// Who asked.
    pub asked_by: String,
    /// How often somebody began to make it.
    pub attempt: i32,
    /// What came of it, if it has ended.
    pub outcome: Option<Result<Done, ToolError>>,
}

/// How far it is known what happened in a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The build.
    pub number: i64,
    /// Which of those who began to make it.
    pub attempt: i32,
    /// What was seen last of that; 0 for nothing.
    pub last: i32,
}

/// A build that is followed.
pub(crate) struct Followed {
    job: Arc<Job>,
    request: BuildRequest,
    seen: Seen,
    stopped: bool,
}

impl Followed {
    fn new(number: i64, job: Arc<Job>, request: BuildRequest) -> Followed {
        Followed {
            job,
            request,
            seen: Seen {
                number,
                attempt: 0,
                last: 0,
            },
            stopped: false,
        }
    }

    /// Somebody begins to make it, for the first time or once more.
    fn taken(&mut self, attempt: i32) {
        if self.seen.attempt < attempt {
            self.seen = Seen {
                attempt,
                last: 0,
                ..self.seen
            };
            self.job.taken(&self.request);
        }
    }

    fn hears(&mut self, seen: Seen, events: Vec<Event>) {
        events.into_iter().for_each(|event| self.job.event(event));
        self.seen = seen;
    }
}

/// Has a build made by others; the job, which follows it.
///
/// # Errors
/// If nobody could be asked.
pub(crate) fn ask(
    toolbox: &Toolbox,
    builders: &dyn Builders,
    arguments: &Value,
    caller: &str,
) -> Result<Arc<Job>, ToolError> {
    let id = BuildId::fresh();
    let request = shown(&id, arguments, caller);
    // The job first: whoever follows builds finds it by its id.
    let job = toolbox.jobs.await_others(&request, caller);
    match builders.ask(&id, arguments, caller) {
        Ok(number) => {
            let followed = Followed::new(number, job.clone(), request);
            asked(toolbox).push(followed);
            Ok(job)
        }
        Err(error) => {
            job.made(Err(error.clone()));
            Err(error)
        }
    }
}

/// Waits for the end of a build that others make.
///
/// # Errors
/// As [`ask`], and what those say who made it.
pub(crate) fn build(
    toolbox: &Toolbox,
    builders: &dyn Builders,
    arguments: &Value,
    call: &Call<'_>,
) -> Result<Done, ToolError> {
    ask(toolbox, builders, arguments, &call.caller.name)?.wait(call.events, &call.cancel)
}

/// Follows the builds that others make, as long as the toolbox is there. Does nothing where there are no others.
pub(crate) fn follow(toolbox: &Arc<Toolbox>) {
    if toolbox.builders.is_none() {
        return;
    }
    let toolbox: Weak<Toolbox> = Arc::downgrade(toolbox);
    std::thread::spawn(move || {
        let mut followed = BTreeMap::new();
        while let Some(toolbox) = toolbox.upgrade() {
            if let Some(builders) = &toolbox.builders {
                // Who cannot be asked now is asked again: the builds are where they were.
                let _ = round(&toolbox, &**builders, &mut followed);
            }
            let begun = Instant::now();
            let pause = PAUSES[usize::from(followed.is_empty())];
            while begun.elapsed() < pause && asked(&toolbox).is_empty() {
                std::thread::sleep(LOOK);
            }
        }
    });
}

/// Builds that were asked for here since the last round: one that ends soon is never seen open.
fn asked(toolbox: &Toolbox) -> MutexGuard<'_, Vec<Followed>> {
    toolbox.asked.lock().unwrap_or_else(PoisonError::into_inner)
}

fn round(
    toolbox: &Toolbox,
    builders: &dyn Builders,
    followed: &mut BTreeMap<i64, Followed>,
) -> Result<(), ToolError> {
    for one in asked(toolbox).drain(..) {
        followed.insert(one.seen.number, one);
    }
    let open: BTreeMap<i64, i32> = builders
        .open()?
        .iter()
        .map(|build| (build.number, build.attempt))
        .collect();
    for (number, attempt) in &open {
        let one = match followed.get_mut(number) {
            Some(one) => one,
            None => {
                let Some(found) = found(toolbox, builders, *number)? else {
                    continue;
                };
                followed.entry(*number).or_insert(found)
            }
        };
        one.taken(*attempt);
        if one.job.is_to_stop() && !one.stopped {
            builders.stop(*number)?;
            one.stopped = true;
        }
    }
    // What happened before a build left the list of open ones was there to be read when it left.
    for _ in 0..MOST_ASKED {
        let known: Vec<Seen> = followed.values().map(|one| one.seen).collect();
        let news = match known.is_empty() {
            true => Vec::new(),
            false => builders.news(&known)?,
        };
        if news.is_empty() {
            break;
        }
        for (seen, events) in news {
            if let Some(one) = followed.get_mut(&seen.number) {
                one.hears(seen, events);
            }
        }
    }
    let gone: Vec<i64> = followed
        .keys()
        .filter(|number| !open.contains_key(number))
        .copied()
        .collect();
    for number in gone {
        let build = builders.look(number)?;
        let (Some(outcome), Some(one)) = (build.outcome, followed.get_mut(&number)) else {
            continue;
        };
        if one.seen.attempt < build.attempt {
            one.taken(build.attempt);
            for _ in 0..MOST_ASKED {
                let news = builders.news(&[one.seen])?;
                if news.is_empty() {
                    break;
                }
                news.into_iter()
                    .for_each(|(seen, events)| one.hears(seen, events));
            }
        }
        one.job.made(outcome);
        followed.remove(&number);
    }
    Ok(())
}

/// A build that is open and not followed yet; none that has no id.
fn found(toolbox: &Toolbox, builders: &dyn Builders, number: i64) -> Result<Option<Followed>, ToolError> {
    let asked = builders.look(number)?;
    let Some(id) = asked.id else {
        return Ok(None);
    };
    let request = shown(&id, &asked.arguments, &asked.asked_by);
    let known = toolbox.jobs.find(id.as_str());
    let job = known.unwrap_or_else(|| toolbox.jobs.await_others(&request, &asked.asked_by));
    Ok(Some(Followed::new(number, job, request)))
}

/// What a build is that somebody asked for, for a record of it; never a request to an engine.
fn shown(id: &BuildId, arguments: &Value, caller: &str) -> BuildRequest {
    let mut request = BuildRequest {
        id: Some(id.clone()),
        asked_by: Some(caller.into()),
        ..BuildRequest::default()
    };
    if let Ok(input) = BuildInput::deserialize(arguments) {
        request.context = ContextSource::Directory(input.context.into());
        request.target = input.target;
        request.tags = input.tags;
        request.build_args = input.build_args;
    }
    request
}
