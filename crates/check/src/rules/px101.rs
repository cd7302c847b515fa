//! # Images are pinned by digest
//!
//! Every image that a Dockerfile takes from outside (`FROM`, `COPY --from`, `RUN --mount=from=`) has a digest.
//!
//! # Why
//! A tag is moved by whoever can push it: the same Dockerfile gives another image tomorrow, and nobody decided that.
//!
//! # Bad
//! ```dockerfile bad
//! FROM docker.io/library/python:3.12-slim-bookworm
//! ```
//! # Good
//! ```dockerfile good
//! FROM docker.io/library/python:3.12-slim-bookworm@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! Run `praxis pin`: it resolves the tag and writes `tag@sha256:…`.

use crate::rule::Report;
use crate::{ImagePlace, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for image in view.images.iter().filter(|image| image.place != ImagePlace::Syntax) {
            if let Some(reference) = &image.reference
                && reference.digest().is_none()
            {
                report.add(&view.path, image.span, format!("{} has no digest", image.written));
            }
        }
    }
}
