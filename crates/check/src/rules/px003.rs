//! # Waivers have not expired
//!
//! The day that a waiver gives with `until=` is not over.
//!
//! # Why
//! A waiver is a decision for a time. One that outlives its date is a rule that was switched off without a decision.
//!
//! # Bad
//! ```dockerfile bad
//! # praxis: allow PX101 until=2020-01-31 because the mirror has no digests yet
//! FROM debian:12
//! ```
//! # Good
//! ```dockerfile good
//! # praxis: allow PX101 until=2099-01-31 because the mirror has no digests yet
//! FROM debian:12
//! ```
//! # Fix
//! Mend what was waived and remove the waiver, or decide again and give a new date.

use crate::rule::Report;
use crate::Repository;

/// The findings are made where waivers are read.
pub(super) fn run(_: &Repository, _: &mut Report) {}
