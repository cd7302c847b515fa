//! # A rebuild is the same image
//!
//! With `--image` and `--rebuild`, the image is built again from what was noted when it was built, in an empty store, and
//! compared bit by bit.
//!
//! # Why
//! An image that nobody can build again is one that nobody can check: what is in it is the word of one machine.
//!
//! # Bad
//! What is seen of the image:
//! ```json bad image.json
//! {"rebuild": "layer 2 (RUN date > /built): /built differs in content"}
//! ```
//! # Good
//! ```json good image.json
//! {}
//! ```
//! # Fix
//! `praxis reproduce` shows the first file that differs and its cause: times, random numbers, the network, unpinned installs.

use crate::Repository;
use crate::rule::Report;

/// Seen of an image only: `evidence.rs`.
pub(super) fn run(_: &Repository, _: &mut Report) {}
