//! The façade: requests, events, cancellation.

mod request;

pub use praxis_solve::{Event, Events, LayerInfo, StepInfo};
pub use request::{
    BuildRequest, BuildResponse, Compression, ContextSource, Output, OutputKind, SecretSource, Site,
};
