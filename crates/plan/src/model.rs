use std::sync::Arc;

use praxis_oci::{Digest, ImageConfig, Platform};
use praxis_source::{Diagnostic, Span};

use crate::{NetworkMode, Operation};

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The stages the target needs and no others, each after all it depends on.
    pub stages: Vec<Stage>,
    /// Index of the target in `stages`: always the last.
    pub target: usize,
    /// Findings that do not stop the build, in the order of the file.
    pub warnings: Vec<Diagnostic>,
}

impl Plan {
    /// Takes the network from every RUN step, whatever it says.
    pub fn cut_network(&mut self) {
        let steps = self.stages.iter_mut().flat_map(|stage| &mut stage.steps);
        for step in steps {
            if let Operation::Run(run) = &mut step.operation {
                run.network = NetworkMode::None;
            }
        }
    }
}

/// One stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Its name, or its number in the file.
    pub name: String,
    /// Its number in the file, from 0.
    pub index: usize,
    /// The platform its steps run on.
    pub platform: Platform,
    /// What it starts from.
    pub base: StageBase,
    /// The line of its `FROM`.
    pub base_line: usize,
    /// Its steps in order, `ONBUILD` triggers of the base first.
    pub steps: Vec<Step>,
    /// The configuration it ends with. History: the base's, then one entry for each instruction.
    /// `rootfs.diff_ids` are the base's; the solver appends its own.
    pub config: ImageConfig,
}

/// What a stage starts from.
#[derive(Clone, Debug, PartialEq)]
pub enum StageBase {
    /// An empty root.
    Scratch,
    /// Another stage: an index into [`Plan::stages`], smaller than its own.
    Stage(usize),
    /// An image.
    Image(ImageBase),
    /// A named context: a directory, by the solver's id.
    Directory(String),
}

/// An image something starts or copies from.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageBase {
    /// Its name, normalised.
    pub reference: String,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Its configuration.
    pub config: Arc<ImageConfig>,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Where it stands; for a trigger, the `FROM` that set it off.
    pub span: Span,
    /// The line of `span`.
    pub line: usize,
    /// For display: `[stage 2/5] RUN make`.
    pub name: String,
    /// What to do.
    pub operation: Operation,
    /// Index of its entry in the history of [`Stage::config`].
    pub history: usize,
    /// Whether it may not come from the cache.
    pub no_cache: bool,
    /// Findings about it that do not stop the build; they are in [`Plan::warnings`] too.
    pub warnings: Vec<Diagnostic>,
}
