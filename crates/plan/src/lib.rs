//! From a syntax tree, arguments and platforms to a plan: the stages the target needs, each with its steps and
//! the image configuration it ends with.
//!
//! Pure: what base images say comes through [`Bases`]. The same input always gives the same plan.

mod check;
mod expand;
mod frontend;
mod graph;
mod mode;
mod model;
mod operation;
mod planner;
mod port;
mod request;
mod run;
mod signal;
mod stage;
mod text;
mod transfer;
mod variables;

pub use check::looks_like_token;
pub use model::{ImageBase, Plan, Stage, StageBase, Step};
pub use operation::{
    Add, Copy, Mode, Mount, MountKind, NetworkMode, Operation, Origin, Run, ScriptFile, Sharing, Source,
    Workdir,
};
pub use planner::plan;
pub use request::{Base, Bases, PlanRequest};
