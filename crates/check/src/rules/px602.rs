//! # A release starts by a tag, in its own repository, and cannot write to it
//!
//! A release workflow starts for tags only, its jobs are guarded by the repository's name, and none has
//! `contents: write`.
//!
//! # Why
//! A fork that runs the release publishes under its own name with your workflow; a release that can write to the
//! repository can change what it claims to have built.
//!
//! # Bad
//! ```yaml bad .github/workflows/release.yml
//! on:
//!   push:
//!     branches: [main]
//! permissions:
//!   contents: write
//! jobs:
//!   release:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: make release
//! ```
//! # Good
//! ```yaml good .github/workflows/release.yml
//! on:
//!   push:
//!     tags: ["v*"]
//! permissions:
//!   contents: read
//! jobs:
//!   release:
//!     if: github.repository == 'example/app'
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: make release
//! ```
//! # Fix
//! Start the workflow by `push: tags:` (or `release:`), guard the jobs, and leave `contents: read`.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{jobs, releases, starts_on};
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let named = &repository.policy.ci.release;
    for workflow in repository.of_kind(YamlKind::Workflow).filter(|one| releases(one, named)) {
        let Some(document) = workflow.documents.first() else {
            continue;
        };
        let on = document.get("on");
        let by_tag = on.and_then(|on| on.at(&["push", "tags"])).is_some();
        let branches = on.and_then(|on| on.at(&["push", "branches"]));
        let by_release = starts_on(workflow, "release") || starts_on(workflow, "workflow_call");
        if !by_tag && !by_release || branches.is_some() {
            let place = branches.or(on).map_or(document.span, |node| node.span);
            report.add(&workflow.path, place, "the release does not start by tags alone");
        }
        for job in jobs(workflow) {
            let condition = job.node.get("if").and_then(|node| node.text()).unwrap_or_default();
            let needs = job.node.get("needs").is_some();
            if !condition.contains("github.repository") && !needs {
                let message = format!("nothing keeps forks from running the job {}", job.id);
                report.add(&workflow.path, job.key.span, message);
            }
            if let Some(node) = job.permission(workflow, "contents")
                && matches!(node.text(), Some("write" | "write-all"))
            {
                report.add(&workflow.path, node.span, "the release may write to the repository");
            }
        }
    }
}
