//! # Labels are also annotations
//!
//! A workflow that builds the image with another builder than praxis gives annotations too. `praxis build` sets
//! them by itself.
//!
//! # Why
//! Registries and admission controllers read annotations of the manifest; to see labels they have to fetch the
//! configuration, and most do not.
//!
//! # Bad
//! ```dockerfile both
//! FROM scratch
//! LABEL org.opencontainers.image.source="https://example.org/x"
//! ```
//! ```yaml bad .github/workflows/release.yml
//! on:
//!   push:
//!     tags: ["v*"]
//! jobs:
//!   image:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker buildx build --push --tag example.org/x:1 .
//! ```
//! # Good
//! ```yaml good .github/workflows/release.yml
//! on:
//!   push:
//!     tags: ["v*"]
//! jobs:
//!   image:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker buildx build --push --annotation org.opencontainers.image.source=https://example.org/x .
//! ```
//! # Fix
//! Build with praxis, or give `--annotation` (`annotations:`) for every label.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{action, jobs, run as script};
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    if repository.dockerfiles.iter().all(|view| view.label_places().is_empty()) {
        return;
    }
    let message = "the build pushes an image without annotations";
    for workflow in repository.of_kind(YamlKind::Workflow) {
        for step in jobs(workflow).iter().flat_map(|job| job.steps()) {
            let text = script(step);
            let builds = text.contains("buildx build") && text.contains("--push");
            if builds && !text.contains("--annotation") {
                let place = step.get("run").map_or(step.span, |node| node.span);
                report.add(&workflow.path, place, message);
            }
            let pushes = step.at(&["with", "push"]).is_some_and(|node| node.text() == Some("true"));
            if action(step).ends_with("/build-push-action") && pushes && step.at(&["with", "annotations"]).is_none() {
                let place = step.get("uses").map_or(step.span, |node| node.span);
                report.add(&workflow.path, place, message);
            }
        }
    }
}
