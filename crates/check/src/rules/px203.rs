//! # Only declared artefacts are copied out of builders
//!
//! The final stage copies from other stages what `image.artefacts` in praxis.toml names, and what lies below it.
//!
//! # Why
//! `COPY --from=builder / /` or a path too high takes sources, caches and credentials along. The list of what leaves
//! the builder is short, so it can be written down.
//!
//! # Bad
//! ```toml both praxis.toml
//! [image]
//! artefacts = ["/opt/venv"]
//! ```
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS builder
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! COPY --from=builder /opt /opt
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS builder
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! COPY --from=builder /opt/venv /opt/venv
//! ```
//! # Fix
//! Copy the artefact alone, or add the path to `image.artefacts`.

use praxis_dockerfile::{Kind, clean};

use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let declared = &repository.policy.image.artefacts;
    if declared.is_empty() {
        return;
    }
    let allowed = |path: &str| {
        declared.iter().any(|artefact| {
            let artefact = artefact.trim_end_matches('/');
            path.strip_prefix(artefact).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    for view in &repository.dockerfiles {
        for instruction in view.runtime() {
            let Kind::Copy(transfer) = &instruction.kind else {
                continue;
            };
            let Some(from) = &transfer.from else { continue };
            let is_image = view.images.iter().any(|image| &image.written == from);
            for source in transfer.sources.iter().filter(|_| !is_image) {
                if !allowed(&clean(&format!("/{source}"))) && !source.contains('$') {
                    let span = view.place(instruction.span, source);
                    report.add(&view.path, span, format!("{source} of {from} is no declared artefact"));
                }
            }
        }
    }
}
