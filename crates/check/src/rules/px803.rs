//! # The SBOM says what the files say
//!
//! With `--image`, every SBOM (SPDX or CycloneDX) that refers to the image, or that its index lists, is compared with the
//! components that its files show.
//!
//! # Why
//! An SBOM of another build, or of the project instead of the image, hides what is really deployed from those who look for
//! holes.
//!
//! # Bad
//! What is seen of the image:
//! ```json bad image.json
//! {"sbom-differences": ["pkg:pypi/six@2 is listed, and not in the image"]}
//! ```
//! # Good
//! ```json good image.json
//! {}
//! ```
//! # Fix
//! Make it from the image: `praxis attest --type spdx --type cyclonedx`; `praxis sbom --verify` shows all differences.

use crate::Repository;
use crate::rule::Report;

/// Seen of an image only: `evidence.rs`.
pub(super) fn run(_: &Repository, _: &mut Report) {}
