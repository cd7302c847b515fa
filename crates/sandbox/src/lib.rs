//! Runs one command in Linux namespaces over an overlay: what a `RUN` step is to the kernel.
//!
//! [`run`] starts the program again as a small single-threaded process, which makes the namespaces, mounts the root,
//! drops every privilege the step does not need and executes the command as process 1. Nothing is left behind: mounts
//! live and die with the namespaces, and mount points the image lacked never reach the step's layer.
//!
//! A program that uses this crate calls [`is_child`] first thing in `main` and, when it says yes, [`init_main`].

mod channel;
mod control_group;
mod credentials;
mod emulators;
mod error;
mod execute;
mod filter;
mod inner_network;
mod inside;
mod kernel;
mod launch;
mod mount_points;
mod mounts;
mod overlay;
mod probe;
mod run;
mod step;
mod system;
mod trial;
mod user_namespace;
mod walk;
mod watch;
mod wire;

pub use credentials::limited_resources;
pub use emulators::{Emulator, register_emulators};
pub use error::SandboxError;
pub use inner_network::Inside;
pub use launch::{init_main, is_child};
pub use probe::{Capability, State, probe};
pub use run::{Exit, MAXIMUM_LOWERS, run, run_watched};
pub use step::{Input, Limits, Mount, Network, RootFileSystem, Source, Step, User};
pub use user_namespace::{Identities, UserNamespace, enter_user_namespace};
