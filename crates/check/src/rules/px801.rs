//! # What is published is signed
//!
//! With `--image docker://…`, a signature (a sigstore bundle about it) refers to the index, to every platform's manifest and
//! to every attestation manifest. Whether the signatures are good is what `praxis verify` says.
//!
//! # Why
//! Admission controllers look at different parts: some at the index, some at the manifest that a node pulls, some at the
//! attestations. What is signed in one place only is refused in another, or let in unsigned.
//!
//! # Bad
//! What is seen of the image:
//! ```json bad image.json
//! {"unsigned": ["the index sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}
//! ```
//! # Good
//! ```json good image.json
//! {}
//! ```
//! # Fix
//! `praxis sign docker://NAME --key KEY` signs all of them; it adds only what is missing.

use crate::Repository;
use crate::rule::Report;

/// Seen of an image only: `evidence.rs`.
pub(super) fn run(_: &Repository, _: &mut Report) {}
