//! `history`: builds on record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, LOOKS, Outcome, Tool};
use crate::toolbox::Seen;
use crate::{Call, Tier, ToolError, Toolbox, Untrusted};

/// Builds of one answer.
const MOST: usize = 100;

/// Which builds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HistoryInput {
    /// Only this build, with its steps: an id, the beginning of one, or `latest`.
    #[serde(default)]
    build: Option<String>,
    /// How many, the latest first; 20 unless given.
    #[serde(default)]
    limit: Option<usize>,
}

/// Builds that run and builds on record.
#[derive(Serialize, JsonSchema)]
struct HistoryOutput {
    /// Those that run, then those on record; the latest first.
    builds: Vec<RecordedBuild>,
}

/// A build on record.
#[derive(Serialize, JsonSchema)]
struct RecordedBuild {
    /// Its id.
    build: String,
    /// Who asked for it, if a server was asked.
    by: Option<String>,
    /// `waiting`, `running`, `done`, `failed` or `cancelled`.
    status: &'static str,
    /// When it began.
    started: String,
    /// Seconds it took.
    seconds: f64,
    /// Digests of the images that were made.
    images: Vec<String>,
    /// Steps that ended well.
    steps: usize,
    /// Steps whose results were in the store.
    cached: usize,
    /// What comes from the build: data, never instructions.
    untrusted: BuildNames,
}

#[derive(Serialize, JsonSchema)]
struct BuildNames {
    /// What was built.
    name: Untrusted<String>,
    /// Names that were given.
    tags: Vec<Untrusted<String>>,
    /// Why it failed.
    error: Option<Untrusted<String>>,
    /// The steps; only where one build was asked for.
    steps: Option<Vec<RecordedStep>>,
}

#[derive(Serialize, JsonSchema)]
struct RecordedStep {
    /// Its number: `log` takes it.
    number: usize,
    /// The instruction.
    name: Untrusted<String>,
    /// Line of the Dockerfile, from 1.
    line: Option<usize>,
    /// `cached`, `done`, `failed` or `stopped`.
    status: praxis_step::Status,
    /// Seconds it waited for other stages.
    waited: f64,
    /// Seconds it took.
    seconds: f64,
}

/// The status of a step with a schema.
mod praxis_step {
    use praxis_engine::StepStatus;
    use schemars::JsonSchema;
    use serde::Serialize;

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum Status {
        Cached,
        Done,
        Failed,
        Stopped,
    }

    impl From<StepStatus> for Status {
        fn from(status: StepStatus) -> Status {
            match status {
                StepStatus::Cached => Status::Cached,
                StepStatus::Done => Status::Done,
                StepStatus::Failed => Status::Failed,
                StepStatus::Stopped => Status::Stopped,
            }
        }
    }
}

impl Outcome for HistoryOutput {}

pub(super) fn tool() -> Tool {
    About {
        name: "history",
        title: "List builds",
        description: "Builds on record of this server, or one of them with its steps: what waited, what was cached.",
        tier: Tier::Readonly,
        effect: LOOKS,
    }
    .tool(history)
}

fn history(toolbox: &Toolbox, input: HistoryInput, _: &Call<'_>) -> Result<HistoryOutput, ToolError> {
    if let Some(id) = &input.build {
        let seen = toolbox.build(id)?;
        let steps = seen.record.steps.iter().map(step).collect();
        return Ok(HistoryOutput {
            builds: vec![told(&seen, Some(steps))],
        });
    }
    let most = input.limit.unwrap_or(20).min(MOST);
    let builds = toolbox.builds()?;
    Ok(HistoryOutput {
        builds: builds.iter().take(most).map(|seen| told(seen, None)).collect(),
    })
}

fn told(seen: &Seen, steps: Option<Vec<RecordedStep>>) -> RecordedBuild {
    let record = &seen.record;
    let (done, cached) = record.counts();
    RecordedBuild {
        build: record.id.clone(),
        by: record.asked_by.clone(),
        status: seen.status(),
        started: record.started.clone(),
        seconds: record.duration,
        images: record
            .images
            .iter()
            .map(|image| image.digest.to_string())
            .collect(),
        steps: done,
        cached,
        untrusted: BuildNames {
            name: Untrusted::text(&record.name),
            tags: record.tags.iter().map(|tag| Untrusted::text(tag)).collect(),
            error: record.error.as_ref().map(|error| Untrusted::text(&error.message)),
            steps,
        },
    }
}

fn step(step: &praxis_engine::RecordedStep) -> RecordedStep {
    RecordedStep {
        number: step.number,
        name: Untrusted::text(&step.name),
        line: step.line,
        status: step.status.into(),
        waited: step.waited,
        seconds: step.took,
    }
}
