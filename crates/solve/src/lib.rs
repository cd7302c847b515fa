//! A plan to solved layers and an image.
//!
//! A [`Crew`] runs the stages of one or several plans side by side over one store, each plan with its [`Solver`];
//! [`Solution::image`] makes the image of it; [`export_images`] and [`export_files`] write what is wanted. Nothing here
//! prints or reads the environment; progress is [`Event`]s.

mod agent;
mod archive;
mod base;
mod cache;
mod compress;
mod container;
mod context;
mod copy;
mod crew;
mod directory_base;
mod download;
mod draft;
mod error;
mod event;
mod export;
mod files;
mod image;
mod images;
mod inspector;
mod layers;
mod listed_context;
mod matching;
mod mode;
mod mounts;
mod numbers;
mod output_lines;
mod promise;
mod remote;
mod run;
mod select;
mod single;
mod site;
mod solve;
mod source;
mod state;
mod step_cache;
mod user;
mod view;
mod waiting;

pub use base::{BaseSource, Script, make_base};
pub use container::{Container, ContainerEnd, ShelvedImage, run_container};
pub use context::{ContextDirectory, ContextFilter, Everything, UsedFile};
pub use crew::Crew;
pub use error::{ErrorKind, SolveError};
pub use event::{Event, Events, LayerInfo, StepInfo};
pub use export::{
    Destination, ExportKind, ImageSet, RootFileSystem, archive_files, export_files, export_images,
};
pub use image::{BuiltImage, ImageSettings, rfc3339};
pub use images::{NamedContext, Pull, RemoteImages};
pub use inspector::{Inspector, OnError};
pub use promise::Promise;
pub use remote::{
    Access, ArchiveContext, Checkout, Context, FetchedAddress, GitAddress, Local, fetch_address, fetch_git,
    remote_references,
};
pub use run::StepLimits;
pub use site::{SiteLoan, StepBounds};
pub use solve::{Job, Label, Solution, SolveSettings, Solver, Workplace};
pub use step_cache::{
    CacheDirectory, CacheDirectoryWriter, CacheMode, CacheSink, CacheSource, ImportedCache, export_cache,
};
pub use waiting::Turns;
