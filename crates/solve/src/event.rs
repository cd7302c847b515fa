use std::time::Duration;

use praxis_oci::Digest;
use serde::{Deserialize, Serialize};

/// What happens during a build, in order of happening. Step numbers (`step`) are unique in one build.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A plan is known: every step that may run. Comes once for each of the plans that are solved at once.
    Planned {
        /// Number of the first step.
        first: usize,
        /// Display names of all its steps, in the order of their numbers.
        steps: Vec<StepInfo>,
    },
    /// A step began to be worked on.
    Started {
        /// Number.
        step: usize,
    },
    /// A step printed something.
    Output {
        /// Number.
        step: usize,
        /// 1 or 2.
        stream: u8,
        /// Raw bytes, lossily decoded, whole lines where possible.
        text: String,
    },
    /// A step's progress in bytes or items, at most ten times a second.
    Progress {
        /// Number.
        step: usize,
        /// What is counted, such as `bytes read`.
        what: String,
        /// So far.
        current: u64,
        /// In all, if known.
        total: Option<u64>,
    },
    /// A step ended well.
    Finished {
        /// Number.
        step: usize,
        /// Whether its result was in the store.
        cached: bool,
        /// How long it took.
        #[serde(serialize_with = "seconds", deserialize_with = "duration")]
        took: Duration,
    },
    /// A step failed; the build's error follows.
    Failed {
        /// Number.
        step: usize,
        /// One line.
        error: String,
    },
    /// The result of a step is known.
    Layer {
        /// Number.
        step: usize,
        /// Key of the step; none for the layers of a base.
        key: Option<Digest>,
        /// Id of the layer.
        layer: Digest,
    },
    /// Something the user should know.
    Warning {
        /// Rule name or kind.
        code: String,
        /// One line.
        message: String,
        /// Line of the Dockerfile, from 1.
        line: Option<usize>,
    },
    /// Something worth a line that belongs to no step.
    Note {
        /// One line.
        message: String,
    },
    /// An image is complete.
    Image {
        /// Digest of its manifest.
        digest: Digest,
        /// Layers with their compressed sizes.
        layers: Vec<LayerInfo>,
    },
    /// An output was written.
    Exported {
        /// Kind (`oci`, `docker`, `local`, `tar`).
        kind: String,
        /// Where.
        destination: String,
        /// Bytes written; 0 if it was there already.
        bytes: u64,
    },
}

/// A step as shown to people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepInfo {
    /// Stage name or number.
    pub stage: String,
    /// Position in its stage, from 1.
    pub position: usize,
    /// Steps in its stage.
    pub count: usize,
    /// The instruction as shown, such as `RUN make`.
    pub name: String,
    /// Line in the Dockerfile, from 1; none for the base and for exports.
    pub line: Option<usize>,
    /// Steps of other stages whose results it waits for.
    pub needs: Vec<usize>,
}

/// A layer as shown to people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Digest of the compressed blob.
    pub digest: Digest,
    /// Compressed size in bytes.
    pub size: u64,
    /// The instruction that made it, from the history.
    pub created_by: String,
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

/// Where events go. Called from several threads.
pub trait Events: Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}
