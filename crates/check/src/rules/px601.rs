//! # Pull requests cannot push
//!
//! A job that runs for pull requests logs in to no registry, pushes nothing and has no `packages: write`.
//!
//! # Why
//! A pull request is code of a stranger that runs with what the job has. A credential it can reach is published.
//!
//! # Bad
//! ```yaml bad .github/workflows/image.yml
//! on: [push, pull_request]
//! permissions:
//!   contents: read
//!   packages: write
//! jobs:
//!   image:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker build .
//! ```
//! # Good
//! ```yaml good .github/workflows/image.yml
//! on: [push, pull_request]
//! permissions:
//!   contents: read
//! jobs:
//!   image:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker build .
//! ```
//! # Fix
//! Move the push into a workflow that runs for tags, or guard the job: `if: github.event_name != 'pull_request'`.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{action, guarded, jobs, run as script, starts_on};
use crate::yaml::Node;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for workflow in repository.of_kind(YamlKind::Workflow) {
        let reachable = ["pull_request", "pull_request_target"].iter().any(|event| starts_on(workflow, event));
        for job in jobs(workflow).into_iter().filter(|job| reachable && !guarded(job.node)) {
            if let Some(node) = job.permission(workflow, "packages")
                && matches!(node.text(), Some("write" | "write-all"))
            {
                report.add(&workflow.path, node.span, "a job that pull requests start may write packages");
            }
            for step in job.steps().iter().filter(|step| !guarded(step)) {
                if let Some((place, what)) = pushes(step) {
                    report.add(&workflow.path, place.span, format!("a job that pull requests start {what}"));
                }
            }
        }
    }
}

fn pushes(step: &Node) -> Option<(&Node, &'static str)> {
    let uses = step.get("uses");
    if action(step).ends_with("/login-action") {
        return Some((uses?, "logs in to a registry"));
    }
    let push = step.at(&["with", "push"]).and_then(Node::text);
    if action(step).ends_with("/build-push-action") && push.is_some_and(|push| push == "true") {
        return Some((uses?, "pushes an image"));
    }
    let text = script(step);
    let run = step.get("run")?;
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if any(&["docker login", "podman login", "skopeo login", "crane auth login", "cosign login"]) {
        return Some((run, "logs in to a registry"));
    }
    any(&["docker push", "podman push", "skopeo copy", "crane push", "--push", "--output type=registry"])
        .then_some((run, "pushes an image"))
}
