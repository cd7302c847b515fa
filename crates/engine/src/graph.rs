//! The plan of a build as a graph: stages with their steps, and what each of them takes from where.

use praxis_plan::{Mount, MountKind, Operation, Origin, Plan, Source, Stage, StageBase};
use serde::Serialize;

/// The plan of a build.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BuildGraph {
    /// What stages take from that is no stage: images, contexts, addresses.
    pub sources: Vec<GraphSource>,
    /// The stages the target needs, each after all it depends on; the target is the last.
    pub stages: Vec<GraphStage>,
    /// What takes from what.
    pub edges: Vec<GraphEdge>,
}

/// Something that is no stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphSource {
    /// What it is.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// Digest of an image's manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// An image.
    Image,
    /// The main build context.
    Context,
    /// A named context.
    NamedContext,
    /// An address that ADD takes from.
    Address,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphStage {
    /// Its name, or its number in the file.
    pub name: String,
    /// The platform its steps run on.
    pub platform: String,
    /// Its steps, `FROM` first.
    pub steps: Vec<GraphStep>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GraphStep {
    /// The instruction.
    pub name: String,
    /// Its line in the Dockerfile, from 1.
    pub line: usize,
    /// What a build would do with it.
    pub outlook: Outlook,
}

/// What a build would do with a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlook {
    /// Its result is in the store.
    Cached,
    /// It would run.
    Run,
    /// There is nothing to do: it says where the stage starts, or changes the configuration alone.
    Nothing,
}

/// A step takes something from a source or stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GraphEdge {
    /// Where from.
    pub from: GraphEnd,
    /// The stage that takes.
    pub stage: usize,
    /// The step of it that takes; `FROM` is 0.
    pub step: usize,
    /// How.
    pub kind: EdgeKind,
}

/// Where an edge comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GraphEnd {
    /// A source, by its number.
    Source(usize),
    /// A stage, by its number.
    Stage(usize),
}

/// How a step takes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// `FROM`.
    From,
    /// `COPY` or `ADD`.
    Copy,
    /// A mount of `RUN`.
    Mount,
}

impl BuildGraph {
    /// The graph of `plan`; `outlook` is what a dry run says of its steps.
    pub(crate) fn of(plan: &Plan, outlook: &[String]) -> BuildGraph {
        let mut graph = BuildGraph::default();
        for (index, stage) in plan.stages.iter().enumerate() {
            let from = match &stage.base {
                StageBase::Scratch => None,
                StageBase::Stage(base) => Some(GraphEnd::Stage(*base)),
                StageBase::Image(image) => Some(graph.source(
                    SourceKind::Image,
                    &image.reference,
                    Some(image.manifest.to_string()),
                )),
                StageBase::Directory(name) => Some(graph.source(SourceKind::NamedContext, name, None)),
            };
            graph.edge(from, index, 0, EdgeKind::From);
            for (number, step) in stage.steps.iter().enumerate() {
                graph.step_edges(&step.operation, index, number + 1);
            }
            graph.stages.push(of_stage(plan, stage));
        }
        graph.foresee(outlook);
        graph
    }

    fn step_edges(&mut self, operation: &Operation, stage: usize, step: usize) {
        match operation {
            Operation::Copy(copy) => {
                for source in &copy.sources {
                    let from = match source {
                        Source::Path(_) => self.origin(&copy.origin),
                        Source::Url(address) | Source::Git(address) => {
                            Some(self.source(SourceKind::Address, address, None))
                        }
                        Source::Inline { .. } => None,
                    };
                    self.edge(from, stage, step, EdgeKind::Copy);
                }
            }
            Operation::Run(run) => {
                let shared = |mount: &&Mount| !matches!(mount.kind, MountKind::Tmpfs { .. });
                for mount in run.mounts.iter().filter(shared) {
                    let from = mount.kind.origin().and_then(|origin| self.origin(origin));
                    self.edge(from, stage, step, EdgeKind::Mount);
                }
            }
            Operation::MakeDirectory(_) | Operation::Metadata => {}
        }
    }

    fn origin(&mut self, origin: &Origin) -> Option<GraphEnd> {
        Some(match origin {
            Origin::Scratch => return None,
            Origin::Stage(stage) => GraphEnd::Stage(*stage),
            Origin::Context => self.source(SourceKind::Context, "build context", None),
            Origin::Directory(name) => self.source(SourceKind::NamedContext, name, None),
            Origin::Image(image) => self.source(
                SourceKind::Image,
                &image.reference,
                Some(image.manifest.to_string()),
            ),
        })
    }

    fn source(&mut self, kind: SourceKind, name: &str, digest: Option<String>) -> GraphEnd {
        let source = GraphSource {
            kind,
            name: name.into(),
            digest,
        };
        let known = self.sources.iter().position(|one| *one == source);
        GraphEnd::Source(known.unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        }))
    }

    fn edge(&mut self, from: Option<GraphEnd>, stage: usize, step: usize, kind: EdgeKind) {
        let edge = from.map(|from| GraphEdge {
            from,
            stage,
            step,
            kind,
        });
        if let Some(edge) = edge.filter(|edge| !self.edges.contains(edge)) {
            self.edges.push(edge);
        }
    }

    /// Takes over what a dry run says: one line a step that does something, in their order.
    fn foresee(&mut self, outlook: &[String]) {
        let mut lines = outlook.iter();
        let steps = self.stages.iter_mut().flat_map(|stage| &mut stage.steps);
        for step in steps.filter(|step| step.outlook != Outlook::Nothing) {
            if lines.next().is_some_and(|line| line.starts_with("cached")) {
                step.outlook = Outlook::Cached;
            }
        }
    }
}

fn of_stage(plan: &Plan, stage: &Stage) -> GraphStage {
    let base = match &stage.base {
        StageBase::Scratch => "scratch".to_string(),
        StageBase::Stage(index) => plan.stages[*index].name.clone(),
        StageBase::Image(image) => image.reference.clone(),
        StageBase::Directory(name) => name.clone(),
    };
    let from = GraphStep {
        name: format!("FROM {base}"),
        line: stage.base_line,
        outlook: Outlook::Nothing,
    };
    let steps = stage.steps.iter().map(|step| GraphStep {
        name: step
            .name
            .split_once("] ")
            .map_or(step.name.as_str(), |(_, name)| name)
            .to_string(),
        line: step.line,
        outlook: match step.operation {
            Operation::Metadata => Outlook::Nothing,
            _ => Outlook::Run,
        },
    });
    GraphStage {
        name: stage.name.clone(),
        platform: stage.platform.to_string(),
        steps: [from].into_iter().chain(steps).collect(),
    }
}
