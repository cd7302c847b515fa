//! # Waivers can be read
//!
//! A waiver names rules that exist, gives a reason, and its date is one.
//!
//! # Why
//! A waiver with a slip of the pen waives nothing, or more than was meant, and nobody notices.
//!
//! # Bad
//! ```dockerfile bad
//! # praxis: allow PX999 because there is no such rule
//! FROM scratch
//! ```
//! # Good
//! ```dockerfile good
//! # praxis: allow PX101 until=2099-01-31 because the mirror has no digests yet
//! FROM debian:12
//! ```
//! # Fix
//! Write `# praxis: allow PX204 until=2027-01-31 because …`.

use crate::rule::Report;
use crate::Repository;

/// The findings are made where waivers are read.
pub(super) fn run(_: &Repository, _: &mut Report) {}
