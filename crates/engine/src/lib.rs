//! The façade: requests, events, cancellation.
//!
//! Every face of praxis (command line, and later stdio and HTTP) sends the same requests here and shows the same
//! events. The engine never prints, never reads the environment for configuration and never exits.

mod base;
mod build;
mod caches;
mod contexts;
mod engine;
mod error;
mod govern;
mod history;
mod inspect;
mod loan;
mod outputs;
mod request;
mod sources;
mod target;

pub use base::{BaseOutcome, BaseRequest};
pub use build::BuildTarget;
pub use caches::{CacheFrom, CachePlace, CacheTo};
pub use engine::{Engine, Settings};
pub use error::EngineError;
pub use history::{
    BuildRecord, BuildStatus, RecordedError, RecordedImage, RecordedOutput, RecordedStep, StepStatus,
};
pub use inspect::ImageDescription;
pub use praxis_dockerfile::parse_size;
pub use praxis_solve::{CacheMode, ErrorKind, Event, Events, LayerInfo, StepInfo};
pub use praxis_store::{CollectReport, Damage, Usage, VerifyReport};
pub use request::{
    BuildRequest, BuildResponse, Compression, ContextSource, InputStream, Output, OutputKind, SecretSource,
    Site,
};
