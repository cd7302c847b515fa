//! Gathers a build's record from its events.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use praxis_layer::Timestamp;
use praxis_oci::Digest;
use praxis_solve::{ErrorKind, Event, Events, StepInfo, rfc3339};
use praxis_source::SourceFile;
use praxis_store::BuildId;

use super::hidden::{Hidden, arguments, without_credentials};
use super::log::Log;
use super::record::{
    BuildRecord, BuildStatus, RecordedError, RecordedImage, RecordedOutput, RecordedStep, StepStatus,
};
use crate::{BuildRequest, BuildResponse, ContextSource, EngineError};

/// Passes events on, and keeps what is worth keeping.
pub struct Recorder<'a> {
    inner: &'a dyn Events,
    began: Instant,
    hidden: Hidden,
    gathered: Mutex<Gathered>,
}

struct Gathered {
    record: BuildRecord,
    /// Number of the first step: the steps of a target follow each other.
    first: usize,
    logs: Vec<Log>,
}

impl<'a> Recorder<'a> {
    /// A recorder of a build that begins now.
    pub fn begin(request: &BuildRequest, inner: &'a dyn Events) -> Recorder<'a> {
        let id = request.id.clone().unwrap_or_else(BuildId::fresh);
        let record = blank(&id, request);
        Recorder {
            inner,
            began: Instant::now(),
            hidden: Hidden::of(request),
            gathered: Mutex::new(Gathered {
                record,
                first: 0,
                logs: Vec::new(),
            }),
        }
    }

    /// Id of the build.
    pub fn id(&self) -> String {
        self.with(|gathered| gathered.record.id.clone())
    }

    /// Notes which Dockerfile is built.
    pub(crate) fn note_source(&self, source: &SourceFile) {
        self.with(|gathered| {
            gathered.record.dockerfile = Some(source.name().to_string());
            gathered.record.dockerfile_digest = Some(Digest::of(source.text().as_bytes()));
        });
    }

    /// The record of the build, which ended so.
    pub fn finish(self, outcome: &Result<BuildResponse, EngineError>) -> BuildRecord {
        let took = self.began.elapsed();
        let Gathered { mut record, logs, .. } =
            self.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (step, log) in record.steps.iter_mut().zip(logs) {
            step.log = self.hidden.mask(&log.finish());
            step.name = self.hidden.mask(&step.name);
        }
        note_waits(&mut record.steps);
        record.ended = text_of(SystemTime::now());
        record.duration = took.as_secs_f64();
        record.status = BuildStatus::Done;
        if let Err(error) = outcome {
            record.status = match error.kind {
                ErrorKind::Cancelled => BuildStatus::Cancelled,
                _ => BuildStatus::Failed,
            };
            record.error = Some(RecordedError {
                message: self.hidden.mask(&error.message),
                line: error.line,
            });
        }
        record.warnings = record
            .warnings
            .iter()
            .map(|text| self.hidden.mask(text))
            .collect();
        record
    }

    /// What is known of the build by now. It has no status and no end yet.
    pub fn so_far(&self) -> BuildRecord {
        let (mut record, logs) = self.with(|gathered| (gathered.record.clone(), gathered.logs.clone()));
        for (step, log) in record.steps.iter_mut().zip(logs) {
            step.log = log.finish();
            step.name = self.hidden.mask(&step.name);
        }
        note_waits(&mut record.steps);
        record.duration = self.began.elapsed().as_secs_f64();
        let now = record.duration;
        for step in &mut record.steps {
            if let (StepStatus::Stopped, Some(started)) = (step.status, step.started) {
                step.took = (now - started).max(0.0);
            }
        }
        record
    }

    /// The event as others than the caller may see it.
    pub fn masked(&self, mut event: Event) -> Event {
        let mask = |text: &mut String| *text = self.hidden.mask(text);
        match &mut event {
            Event::Output { text, .. } => mask(text),
            Event::Failed { error, .. } => mask(error),
            Event::Warning { message, .. } | Event::Note { message } => mask(message),
            Event::Planned { steps, .. } => steps.iter_mut().for_each(|step| mask(&mut step.name)),
            _ => {}
        }
        event
    }

    fn with<T>(&self, change: impl FnOnce(&mut Gathered) -> T) -> T {
        change(&mut self.gathered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Events for Recorder<'_> {
    fn event(&self, event: Event) {
        let now = self.began.elapsed();
        self.with(|gathered| gathered.take(&event, now, &self.hidden));
        self.inner.event(event);
    }
}

impl Gathered {
    fn take(&mut self, event: &Event, now: Duration, hidden: &Hidden) {
        match event {
            Event::Planned { first, steps } => {
                if self.record.steps.is_empty() || *first <= self.first {
                    self.first = *first;
                    self.record.steps.clear();
                    self.logs.clear();
                }
                for info in steps {
                    let number = self.record.steps.len() + 1;
                    self.record.steps.push(planned(number, info, self.first));
                    self.logs.push(Log::default());
                }
            }
            Event::Started { step } => self.step(*step, |it| it.started = Some(now.as_secs_f64())),
            Event::Output { step, text, .. } => {
                if let Some(log) = step.checked_sub(self.first).and_then(|at| self.logs.get_mut(at)) {
                    log.take(hidden.mask(text));
                }
            }
            Event::Finished { step, cached, took } => self.step(*step, |it| {
                it.took = took.as_secs_f64();
                it.status = if *cached {
                    StepStatus::Cached
                } else {
                    StepStatus::Done
                };
            }),
            Event::Failed { step, .. } => self.step(*step, |it| {
                it.took = now.as_secs_f64() - it.started.unwrap_or(now.as_secs_f64());
                it.status = StepStatus::Failed;
            }),
            Event::Layer { step, key, layer } => self.step(*step, |it| {
                it.key = *key;
                it.layers.push(*layer);
            }),
            Event::Warning { code, message, line } => {
                let place = line.map_or(String::new(), |line| format!(" (line {line})"));
                self.record.warnings.push(format!("{code}: {message}{place}"));
            }
            Event::Image { digest, layers } => self.record.images.push(RecordedImage {
                digest: *digest,
                layers: layers.clone(),
            }),
            Event::Exported {
                kind,
                destination,
                bytes,
            } => self.record.outputs.push(RecordedOutput {
                kind: kind.clone(),
                destination: destination.clone(),
                bytes: *bytes,
            }),
            Event::Progress { .. } | Event::Note { .. } => {}
        }
    }

    fn step(&mut self, number: usize, change: impl FnOnce(&mut RecordedStep)) {
        let at = number.checked_sub(self.first);
        if let Some(step) = at.and_then(|at| self.record.steps.get_mut(at)) {
            change(step);
        }
    }
}

fn planned(number: usize, info: &StepInfo, first: usize) -> RecordedStep {
    RecordedStep {
        number,
        stage: info.stage.clone(),
        position: info.position,
        count: info.count,
        name: info.name.clone(),
        line: info.line,
        needs: info.needs.iter().map(|number| number + 1 - first).collect(),
        status: StepStatus::Stopped,
        started: None,
        waited: 0.0,
        took: 0.0,
        key: None,
        layers: Vec::new(),
        log: String::new(),
    }
}

/// A step waits from the end of the one before it in its stage (the first: from the beginning) to its start.
fn note_waits(steps: &mut [RecordedStep]) {
    let mut before = 0.0;
    for step in steps {
        if step.position == 1 {
            before = 0.0;
        }
        if let Some(started) = step.started {
            step.waited = (started - before).max(0.0);
            before = started + step.took;
        }
    }
}

fn blank(id: &BuildId, request: &BuildRequest) -> BuildRecord {
    let (context, mut name) = match &request.context {
        ContextSource::Directory(path) => (path.display().to_string(), directory_name(path)),
        ContextSource::Stdin => ("-".into(), "standard input".into()),
        ContextSource::Received(received) => (received.place(), received.place()),
        ContextSource::Remote(address) => (without_credentials(address), without_credentials(address)),
    };
    if let Some(tag) = request.tags.first() {
        name.clone_from(tag);
    }
    if let Some(target) = &request.target {
        name.push_str(&format!(" ({target})"));
    }
    BuildRecord {
        id: id.to_string(),
        name,
        asked_by: request.asked_by.clone(),
        status: BuildStatus::Cancelled,
        error: None,
        started: text_of(id.time()),
        ended: String::new(),
        duration: 0.0,
        context,
        dockerfile: None,
        dockerfile_digest: None,
        target: request.target.clone(),
        platforms: request.platforms.iter().map(ToString::to_string).collect(),
        tags: request.tags.clone(),
        build_args: arguments(&request.build_args),
        secrets: request.secrets.keys().cloned().collect(),
        ssh: request
            .ssh
            .keys()
            .chain(request.ssh_keys.keys())
            .cloned()
            .collect(),
        steps: Vec::new(),
        images: Vec::new(),
        outputs: Vec::new(),
        warnings: Vec::new(),
    }
}

fn directory_name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    whole.file_name().map_or_else(
        || whole.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

fn text_of(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    rfc3339(Timestamp::seconds(i64::try_from(seconds).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Events for Deaf {
        fn event(&self, _: Event) {}
    }

    fn info(position: usize, needs: &[usize]) -> StepInfo {
        StepInfo {
            stage: "a".into(),
            position,
            count: 2,
            name: "RUN x".into(),
            line: Some(position),
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn a_step_that_runs_has_taken_the_time_until_now() {
        let request = BuildRequest::default();
        let recorder = Recorder::begin(&request, &Deaf);
        recorder.event(Event::Planned {
            first: 0,
            steps: vec![info(1, &[]), info(2, &[0])],
        });
        recorder.event(Event::Started { step: 0 });
        let started = recorder.so_far().steps[0].started.unwrap();
        while recorder.so_far().duration < started + 0.002 {
            std::thread::yield_now();
        }
        let seen = recorder.so_far();
        assert!(seen.steps[0].took >= 0.002, "{}", seen.steps[0].took);
        assert_eq!(seen.steps[1].took, 0.0, "it has not begun");
    }

    #[test]
    fn events_become_a_record() {
        let request = BuildRequest {
            tags: vec!["app:1".into()],
            target: Some("a".into()),
            ..BuildRequest::default()
        };
        let recorder = Recorder::begin(&request, &Deaf);
        recorder.event(Event::Planned {
            first: 0,
            steps: vec![info(1, &[]), info(2, &[0])],
        });
        recorder.event(Event::Started { step: 0 });
        recorder.event(Event::Finished {
            step: 0,
            cached: true,
            took: Duration::ZERO,
        });
        recorder.event(Event::Started { step: 1 });
        let text = "hello\n".into();
        recorder.event(Event::Output {
            step: 1,
            stream: 1,
            text,
        });
        let error = "it broke".into();
        recorder.event(Event::Failed { step: 1, error });
        let failure = EngineError {
            line: Some(2),
            ..EngineError::user("it broke")
        };
        let record = recorder.finish(&Err(failure));
        assert_eq!(record.status, BuildStatus::Failed);
        assert_eq!(record.error.as_ref().unwrap().line, Some(2));
        assert_eq!((record.name.as_str(), record.counts()), ("app:1 (a)", (1, 1)));
        assert_eq!(record.steps[1].log, "hello\n");
        assert_eq!(record.steps[1].needs, [1]);
        assert_eq!(record.steps[1].status, StepStatus::Failed);
        let json = serde_json::to_vec(&record).unwrap();
        assert_eq!(serde_json::from_slice::<BuildRecord>(&json).unwrap(), record);
    }
}
