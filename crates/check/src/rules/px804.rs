//! # Lists of referrers say what the manifests say
//!
//! With `--image docker://…`, where the registry has a list of referrers under a tag `sha256-…`, each entry has the size,
//! the artifact type and the annotations of the manifest that it names.
//!
//! # Why
//! Verifiers choose referrers by their entries and never fetch the others: a signature whose entry lacks the artifact type
//! is not seen.
//!
//! # Bad
//! What is seen of the image:
//! ```json bad image.json
//! {"wrong-descriptors": ["the list sha256-aaaa names sha256:bbbb without its artifact type"]}
//! ```
//! # Good
//! ```json good image.json
//! {}
//! ```
//! # Fix
//! Push what refers to the image again with a client that writes the list: `praxis copy --referrers`.

use crate::Repository;
use crate::rule::Report;

/// Seen of an image only: `evidence.rs`.
pub(super) fn run(_: &Repository, _: &mut Report) {}
