//! What tests share: a base image made of busybox, tar archives, an ordinary user, a look at whole directory trees,
//! what fuzzing checks.

mod archive;
mod base;
pub mod fuzz;
mod tree;
mod user;

pub use archive::Archive;
pub use base::{Base, busybox};
pub use tree::{files_below, make_readable, tree_of};
pub use user::{OrdinaryUser, is_root};
