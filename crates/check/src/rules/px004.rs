//! # Waivers are needed
//!
//! A waiver stands where its rule finds something.
//!
//! # Why
//! A waiver that outlives its reason hides the next finding in the same place.
//!
//! # Bad
//! ```dockerfile bad
//! # praxis: allow PX101 because the mirror has no digests yet
//! FROM scratch
//! ```
//! # Good
//! ```dockerfile good
//! # praxis: allow PX101 because the mirror has no digests yet
//! FROM debian:12
//! ```
//! # Fix
//! Remove the waiver.

use crate::rule::Report;
use crate::Repository;

/// The findings are made where waivers are read.
pub(super) fn run(_: &Repository, _: &mut Report) {}
