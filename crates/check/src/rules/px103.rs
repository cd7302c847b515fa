//! # One tag has one digest
//!
//! All places in the repository that name the same image and tag pin the same digest.
//!
//! # Why
//! Two digests for one tag mean that one place was updated and the other forgotten: the builder then links against
//! other libraries than the runtime has.
//!
//! # Bad
//! ```dockerfile bad
//! FROM python:3.12-slim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS builder
//! FROM python:3.12-slim@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
//! ```
//! # Good
//! ```dockerfile good
//! FROM python:3.12-slim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS builder
//! FROM python:3.12-slim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! Name the image once, in an ARG before the first FROM, or run `praxis pin --update`.

use std::collections::BTreeMap;

use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let mut seen = BTreeMap::new();
    for view in &repository.dockerfiles {
        for image in &view.images {
            let Some(reference) = &image.reference else { continue };
            let (Some(tag), Some(digest)) = (reference.tag(), reference.digest()) else {
                continue;
            };
            let key = format!("{}:{tag}", reference.name());
            let line = view.file.position(image.span.start).line;
            let (first, place) = seen.entry(key).or_insert((*digest, format!("{}:{line}", view.path)));
            if first != digest {
                let message = format!("{place} pins another digest of {}:{tag}: {first}", reference.name());
                report.add(&view.path, image.span, message);
            }
        }
    }
}
