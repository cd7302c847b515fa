//! What tests share: a base image made of busybox, tar archives, an ordinary user, servers that lie and cut, a look at
//! whole directory trees, what fuzzing checks.

mod archive;
mod base;
mod certifier;
mod cutter;
pub mod fuzz;
mod later;
mod postgres;
mod registry;
mod stamper;
mod tree;
mod user;
mod web;
mod witness;

pub use archive::Archive;
pub use base::{Base, busybox};
pub use certifier::{CertificateLog, Certifier, CertifierOptions};
pub use cutter::Cutter;
pub use later::{later_program, sigstore_python};
pub use postgres::{RealPostgres, TestDatabase};
pub use registry::{Implementation, OTHER_REGISTRY, RealRegistry, RegistryOptions};
pub use stamper::Stamper;
pub use tree::{files_below, make_readable, tree_of};
pub use user::{OrdinaryUser, is_root};
pub use web::{WebAnswer, WebRequest, WebServer};
pub use witness::{Lie, Witness};
