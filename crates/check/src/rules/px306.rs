//! # The image runs with a read-only root
//!
//! With `--image` and `--run`, the smoke tests of praxis.toml (without any, the image's own command) run with a root that
//! refuses writes. What does not hold then and holds with a root that can be written to is a finding. Nothing is found where
//! a test fails both times: `praxis test` says that.
//!
//! # Why
//! Orchestrators are asked for `readOnlyRootFilesystem` because it stops an intruder from leaving anything behind. An image
//! that needs to write makes its operator take that back.
//!
//! # Bad
//! What is seen of the image:
//! ```json bad image.json
//! {"needs-writable-root": ["smoke 1: it ends with exit code 0: exit code 1"]}
//! ```
//! # Good
//! ```json good image.json
//! {}
//! ```
//! # Fix
//! Write where the deployment mounts something (`smoke.tmpfs` declares it), or make what is written when the image is built.

use crate::Repository;
use crate::rule::Report;

/// Seen of an image only: `evidence.rs`.
pub(super) fn run(_: &Repository, _: &mut Report) {}
