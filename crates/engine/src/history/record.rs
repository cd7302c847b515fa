//! The record of a build as it is kept, and as `--json` shows it.

use std::collections::BTreeMap;

use praxis_oci::Digest;
use praxis_solve::LayerInfo;
use serde::{Deserialize, Serialize};

/// What is known of a build. Holds no secret: values of build arguments that sound like one are left out, and what a
/// step printed has secrets masked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// Its id; later builds have greater ones.
    pub id: String,
    /// What was built, for people.
    pub name: String,
    /// Who asked a server for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// How it ended.
    pub status: BuildStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RecordedError>,
    /// When it began, such as `2026-11-25T18:00:00Z`.
    pub started: String,
    /// When it ended.
    pub ended: String,
    /// How long it took, in seconds.
    pub duration: f64,
    /// The build context as it was named.
    pub context: String,
    /// Name of the Dockerfile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Digest of the Dockerfile's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dockerfile_digest: Option<Digest>,
    /// The stage that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Platforms that were asked for.
    pub platforms: Vec<String>,
    /// Names that were given.
    pub tags: Vec<String>,
    /// Build arguments; no value where the name or the value looks like a secret's.
    pub build_args: BTreeMap<String, Option<String>>,
    /// Ids of secrets.
    pub secrets: Vec<String>,
    /// Ids of ssh agents.
    pub ssh: Vec<String>,
    /// The steps in their order.
    pub steps: Vec<RecordedStep>,
    /// Images that were made.
    pub images: Vec<RecordedImage>,
    /// Outputs that were written.
    pub outputs: Vec<RecordedOutput>,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// How a build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildStatus {
    /// Well.
    Done,
    /// Not well.
    Failed,
    /// Somebody asked to stop.
    Cancelled,
}

/// Why a build failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedError {
    /// One line.
    pub message: String,
    /// Line of the Dockerfile, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// What is known of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedStep {
    /// Its number, from 1.
    pub number: usize,
    /// Stage name or number; empty for the only stage.
    pub stage: String,
    /// Position in its stage, from 1.
    pub position: usize,
    /// Steps in its stage.
    pub count: usize,
    /// The instruction.
    pub name: String,
    /// Line of the Dockerfile, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Numbers of steps of other stages whose results it waited for.
    pub needs: Vec<usize>,
    /// How it ended.
    pub status: StepStatus,
    /// When it began, in seconds after the build's beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<f64>,
    /// How long it waited for other stages after the step before it in its stage, in seconds.
    pub waited: f64,
    /// How long it took, in seconds.
    pub took: f64,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Digest>,
    /// Ids of its layers: one, or those of a base.
    pub layers: Vec<Digest>,
    /// What it printed, the middle left out where that was much.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log: String,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Its result was there.
    Cached,
    /// It ran.
    Done,
    /// It failed.
    Failed,
    /// It did not come to its end.
    #[default]
    Stopped,
}

/// An image that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedImage {
    /// Digest of its manifest.
    pub digest: Digest,
    /// Its layers.
    pub layers: Vec<LayerInfo>,
}

/// An output that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedOutput {
    /// Kind.
    pub kind: String,
    /// Where.
    pub destination: String,
    /// Bytes written; 0 if it was there already.
    pub bytes: u64,
}

impl BuildRecord {
    /// Steps that ended well, and how many of them were in the store.
    pub fn counts(&self) -> (usize, usize) {
        let of = |status| {
            self.steps
                .iter()
                .filter(move |step| step.status == status)
                .count()
        };
        let cached = of(StepStatus::Cached);
        (cached + of(StepStatus::Done), cached)
    }
}
