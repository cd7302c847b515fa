//! # Identity tokens are for the release job
//!
//! `id-token: write` is given to jobs of release workflows, job by job.
//!
//! # Why
//! With that permission a job can sign as the repository. A test job that can sign makes signatures worth nothing.
//!
//! # Bad
//! ```yaml bad .github/workflows/ci.yml
//! on: push
//! permissions:
//!   id-token: write
//! jobs:
//!   test:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: make test
//! ```
//! # Good
//! ```yaml good .github/workflows/ci.yml
//! on: push
//! permissions:
//!   contents: read
//! jobs:
//!   test:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: make test
//! ```
//! # Fix
//! Remove the permission here and give it to the job that signs.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{jobs, releases};
use crate::yaml::Node;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let named = &repository.policy.ci.release;
    for workflow in repository.of_kind(YamlKind::Workflow) {
        let is_release = releases(workflow, named);
        let writes = |node: &&Node| node.text() == Some("write");
        let whole = workflow.documents.first().and_then(|document| document.at(&["permissions", "id-token"]));
        let several = jobs(workflow).len() > 1;
        if let Some(node) = whole.filter(writes)
            && (!is_release || several)
        {
            report.add(&workflow.path, node.span, "every job of the workflow can get an identity token");
        }
        for job in jobs(workflow).into_iter().filter(|_| !is_release) {
            if let Some(node) = job.node.at(&["permissions", "id-token"]).filter(writes) {
                report.add(&workflow.path, node.span, "a job outside of the release can get an identity token");
            }
        }
    }
}
