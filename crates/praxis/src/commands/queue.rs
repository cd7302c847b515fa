//! `praxis queue`.

use praxis_serve::Builders;

use super::{Outcome, Surroundings};
use crate::arguments::QueueCommand;
use crate::failure::Failure;

#[cfg(feature = "postgres")]
mod with {
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use praxis_database::{Cancelled, DatabaseError, Known, Queue, QueuedBuild};
    use praxis_engine::{BuildId, Event};
    use praxis_serve::{AskedBuild, Done, OpenBuild, SeenBuild, ToolError, ToolErrorKind};
    use serde_json::{Map, Value, json};

    use super::super::{database, result, write_stdout};
    use super::*;
    use crate::arguments::QueueAddOptions;
    use crate::progress::sanitize::sanitize;

    /// How soon a build that is waited for is looked at again: at first, and after a while.
    const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];

    pub fn run(command: &QueueCommand, surroundings: &Surroundings) -> Result<Outcome, Failure> {
        let mut queue = Queue::open(database::needed(surroundings)?)?;
        match command {
            QueueCommand::Add(options) => return add(options, &mut queue, surroundings),
            QueueCommand::List { open, limit, format } => {
                let builds = queue.list(i64::from(*limit), *open)?;
                result(format.json, &builds, || builds.iter().map(line).collect())?;
            }
            QueueCommand::Show { number, format } => {
                let build = queue.build(*number)?;
                result(format.json, &build, || as_text(&build))?;
            }
            QueueCommand::Cancel { number } => {
                let text = match queue.cancel(*number)? {
                    Cancelled::Removed => format!("build {number} will not be made\n"),
                    Cancelled::Asked => format!("the worker of build {number} is told to stop\n"),
                    Cancelled::TooLate => {
                        return Err(Failure::failed(format!("build {number} has ended")));
                    }
                };
                write_stdout(text.as_bytes())?;
            }
        }
        Ok(Outcome::Done)
    }

    fn add(
        options: &QueueAddOptions,
        queue: &mut Queue,
        surroundings: &Surroundings,
    ) -> Result<Outcome, Failure> {
        let asked_by = surroundings.environment.text("USER").unwrap_or("unknown");
        let number = queue.add(
            &request(options)?.to_string(),
            asked_by,
            BuildId::fresh().as_str(),
        )?;
        write_stdout(format!("{number}\n").as_bytes())?;
        if !options.wait {
            return Ok(Outcome::Done);
        }
        let mut pause = PAUSES[0];
        loop {
            let build = queue.build(number)?;
            if build.ended_at.is_none() {
                std::thread::sleep(pause);
                pause = PAUSES[1].min(pause * 2);
                continue;
            }
            write_stdout(as_text(&build).as_bytes())?;
            return Ok(match build.state == "done" {
                true => Outcome::Done,
                false => Outcome::Found,
            });
        }
    }

    /// The arguments of the tool `build`, which workers give it.
    fn request(options: &QueueAddOptions) -> Result<Value, Failure> {
        let mut request = json!({
            "context": options.context,
            "tags": options.tags,
            "build_args": pairs("--build-arg", &options.build_args)?,
            "build_contexts": pairs("--build-context", &options.build_contexts)?,
            "no_cache": options.no_cache,
        });
        if let Some(file) = &options.file {
            request["dockerfile"] = json!(file);
        }
        if let Some(target) = &options.target {
            request["target"] = json!(target);
        }
        Ok(request)
    }

    /// Builds that a server puts into the queue, and follows.
    struct Queued(Mutex<Queue>);

    pub fn builders(surroundings: &Surroundings) -> Result<Box<dyn Builders>, Failure> {
        let queue = Queue::open(database::needed(surroundings)?)?;
        Ok(Box::new(Queued(Mutex::new(queue))))
    }

    impl Queued {
        fn of<T>(&self, ask: impl FnOnce(&mut Queue) -> Result<T, DatabaseError>) -> Result<T, ToolError> {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ask(&mut queue).map_err(|error| ToolError::new(ToolErrorKind::Busy, error.to_string()))
        }
    }

    impl Builders for Queued {
        fn ask(&self, id: &BuildId, arguments: &Value, caller: &str) -> Result<i64, ToolError> {
            let request = arguments.to_string();
            self.of(|queue| queue.add(&request, caller, id.as_str()))
        }

        fn open(&self) -> Result<Vec<OpenBuild>, ToolError> {
            let open = self.of(Queue::open_builds)?.into_iter();
            Ok(open
                .map(|(number, attempt)| OpenBuild { number, attempt })
                .collect())
        }

        fn look(&self, number: i64) -> Result<AskedBuild, ToolError> {
            let build = self.of(|queue| queue.build(number))?;
            Ok(AskedBuild {
                id: build.id.as_deref().and_then(|id| id.parse().ok()),
                arguments: serde_json::from_str(&build.request).unwrap_or_default(),
                attempt: build.attempt,
                outcome: build.ended_at.is_some().then(|| done(&build)),
                asked_by: build.asked_by,
            })
        }

        fn news(&self, known: &[SeenBuild]) -> Result<Vec<(SeenBuild, Vec<Event>)>, ToolError> {
            let known = known.iter().map(|seen| Known {
                build: seen.number,
                attempt: seen.attempt,
                number: seen.last,
            });
            let known: Vec<Known> = known.collect();
            let news = self.of(|queue| queue.news(&known))?;
            let told = |(known, text): (Known, String)| {
                let seen = SeenBuild {
                    number: known.build,
                    attempt: known.attempt,
                    last: known.number,
                };
                // What a later praxis tells that this one does not know is passed over.
                let events: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
                let events = events
                    .into_iter()
                    .filter_map(|event| serde_json::from_value(event).ok());
                (seen, events.collect())
            };
            Ok(news.into_iter().map(told).collect())
        }

        fn stop(&self, number: i64) -> Result<(), ToolError> {
            self.of(|queue| queue.cancel(number)).map(drop)
        }
    }

    /// What the tool said that a worker called.
    fn done(build: &QueuedBuild) -> Result<Done, ToolError> {
        let result = build.result.as_deref().unwrap_or_default();
        let value = serde_json::from_str(result).ok().filter(Value::is_object);
        match (value, build.state.as_str()) {
            (Some(value), state) => Ok(Done {
                value,
                failed: state != "done",
            }),
            (None, "cancelled") => Err(ToolError::new(
                ToolErrorKind::Cancelled,
                "the build was cancelled",
            )),
            (None, _) => Err(ToolError::new(ToolErrorKind::Failed, result)),
        }
    }

    fn pairs(flag: &str, given: &[String]) -> Result<Map<String, Value>, Failure> {
        let pair = |text: &String| match text.split_once('=') {
            Some((name, value)) => Ok((name.into(), value.into())),
            None => Err(Failure::usage(format!("{flag} {text}: write NAME=VALUE"))),
        };
        given.iter().map(pair).collect()
    }

    fn context(build: &QueuedBuild) -> String {
        let request: Value = serde_json::from_str(&build.request).unwrap_or_default();
        request["context"].as_str().unwrap_or_default().to_string()
    }

    fn line(build: &QueuedBuild) -> String {
        format!(
            "{:>6}  {}  {:9}  {:16}  {}\n",
            build.number,
            build.asked_at,
            build.state,
            sanitize(build.worker.as_deref().unwrap_or("-")),
            sanitize(&context(build)),
        )
    }

    fn as_text(build: &QueuedBuild) -> String {
        let missing = || "-".to_string();
        let number = |number: Option<i64>| number.map_or_else(missing, |it| it.to_string());
        format!(
            "build    {}\nid       {}\nstate    {}\nasked    {} by {}\nended    {}\nworker   {} (taken {} times)\nrecord   {}\n\
             request  {}\nresult   {}\n",
            build.number,
            sanitize(build.id.as_deref().unwrap_or("-")),
            build.state,
            build.asked_at,
            sanitize(&build.asked_by),
            build.ended_at.clone().unwrap_or_else(missing),
            sanitize(build.worker.as_deref().unwrap_or("-")),
            build.attempt,
            number(build.record),
            sanitize(&build.request),
            sanitize(build.result.as_deref().unwrap_or("-")),
        )
    }
}

#[cfg(not(feature = "postgres"))]
mod with {
    use super::*;

    pub fn builders(_: &Surroundings) -> Result<Box<dyn Builders>, Failure> {
        Err(super::super::database::missing("--queue"))
    }

    pub fn run(_: &QueueCommand, _: &Surroundings) -> Result<Outcome, Failure> {
        Err(super::super::database::missing("praxis queue"))
    }
}

/// The queue, as who makes the builds of a server.
pub fn builders(surroundings: &Surroundings) -> Result<Box<dyn Builders>, Failure> {
    with::builders(surroundings)
}

/// Runs `praxis queue …`.
pub fn run(command: &QueueCommand, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    with::run(command, surroundings)
}
