//! # The frontend is pinned by digest
//!
//! An image that `# syntax=` names has a digest.
//!
//! # Why
//! With BuildKit the frontend reads the Dockerfile and decides what is built: whoever moves its tag changes every
//! image. praxis itself never runs it.
//!
//! # Bad
//! ```dockerfile bad
//! # syntax=docker/dockerfile:1
//! FROM scratch
//! ```
//! # Good
//! ```dockerfile good
//! # syntax=docker/dockerfile:1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! FROM scratch
//! ```
//! # Fix
//! Run `praxis pin`, or remove the line: praxis does not need it.

use crate::rule::Report;
use crate::{ImagePlace, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for image in view.images.iter().filter(|image| image.place == ImagePlace::Syntax) {
            if image.reference.as_ref().is_some_and(|reference| reference.digest().is_none()) {
                report.add(&view.path, image.span, format!("the frontend {} has no digest", image.written));
            }
        }
    }
}
