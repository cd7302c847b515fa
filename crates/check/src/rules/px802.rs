//! # The provenance names the bases
//!
//! With `--image`, the provenance that refers to the image, or that its index lists, names every digest that the Dockerfile
//! of the repository (`verify.dockerfile`, else `Dockerfile`) pins in FROM.
//!
//! # Why
//! Who asks which images are built on a base with a hole asks provenance. A base that it leaves out is a hole that is not
//! found.
//!
//! # Bad
//! What is seen of the image:
//! ```json bad image.json
//! {"missing-materials": ["the provenance does not name sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]}
//! ```
//! # Good
//! ```json good image.json
//! {}
//! ```
//! # Fix
//! Let `praxis attest --type provenance` write it from the record of the build; build again where Dockerfile and image
//! went apart.

use crate::Repository;
use crate::rule::Report;

/// Seen of an image only: `evidence.rs`.
pub(super) fn run(_: &Repository, _: &mut Report) {}
