//! # CI does not override labels
//!
//! A workflow that builds the image gives no `labels:` and no `--label` for a label that the Dockerfile sets.
//!
//! # Why
//! Labels given to the build win over those of the Dockerfile. What was reviewed is then not what is published.
//!
//! # Bad
//! ```dockerfile both
//! FROM scratch
//! LABEL org.opencontainers.image.source="https://example.org/x"
//! ```
//! ```yaml bad .github/workflows/image.yml
//! on: push
//! jobs:
//!   image:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker build --label org.opencontainers.image.source=https://example.org/y .
//! ```
//! # Good
//! ```yaml good .github/workflows/image.yml
//! on: push
//! jobs:
//!   image:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker build .
//! ```
//! # Fix
//! Pass what changes as a build argument, and let the Dockerfile set the label from it.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{action, jobs, run as script};
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let set = repository.dockerfiles.iter().flat_map(|view| view.label_places().keys());
    let set: Vec<&String> = set.collect();
    if set.is_empty() {
        return;
    }
    for workflow in repository.of_kind(YamlKind::Workflow) {
        for step in jobs(workflow).iter().flat_map(|job| job.steps()) {
            let text = script(step);
            if let Some(label) = set.iter().find(|label| text.contains(&format!("--label {label}="))) {
                let place = step.get("run").map_or(step.span, |node| node.span);
                report.add(&workflow.path, place, format!("the build overrides the label {label}"));
            }
            let labels = step.at(&["with", "labels"]);
            if action(step).ends_with("/build-push-action")
                && let Some(node) = labels
            {
                let given = node.text().unwrap_or_default();
                if given.contains("metadata") || given.contains("steps.meta") || set.iter().any(|it| given.contains(*it)) {
                    let message = "the build overrides labels that the Dockerfile sets";
                    report.add(&workflow.path, node.span, message);
                }
            }
        }
    }
}
