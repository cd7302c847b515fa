//! # What was tried is what is published
//!
//! A release workflow does not build again after its tests: the digest that is pushed is the one that was tried.
//!
//! # Why
//! A second build is another image. The tests then say nothing about what users get.
//!
//! # Bad
//! ```yaml bad .github/workflows/release.yml
//! on:
//!   push:
//!     tags: ["v*"]
//! jobs:
//!   release:
//!     if: github.repository == 'example/app'
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker build -t app .
//!       - run: test "$(docker run --rm --network none --read-only app id -u)" = 10001
//!       - run: docker buildx build --push --annotation a=b -t example.org/app:1 .
//! ```
//! # Good
//! ```yaml good .github/workflows/release.yml
//! on:
//!   push:
//!     tags: ["v*"]
//! jobs:
//!   release:
//!     if: github.repository == 'example/app'
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: praxis build --output type=oci,dest=app.tar .
//!       - run: skopeo copy oci-archive:app.tar docker://example.org/app:1
//! ```
//! # Fix
//! Build once into an archive, try it, and copy the same archive to the registry.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{action, jobs, releases, run as script};
use crate::yaml::Node;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let named = &repository.policy.ci.release;
    for workflow in repository.of_kind(YamlKind::Workflow).filter(|one| releases(one, named)) {
        let jobs = jobs(workflow);
        let steps = jobs.iter().flat_map(|job| job.steps());
        let builds: Vec<&Node> = steps.filter(|step| builds(step)).collect();
        let pushes = |step: &&&Node| {
            script(step).contains("--push") || step.at(&["with", "push"]).and_then(Node::text) == Some("true")
        };
        if builds.len() > 1
            && let Some(step) = builds.iter().skip(1).find(pushes)
        {
            let place = step.get("run").or(step.get("uses")).map_or(step.span, |node| node.span);
            report.add(&workflow.path, place, "the image is built again to push it: other bytes than were tried");
        }
    }
}

fn builds(step: &Node) -> bool {
    let text = script(step);
    ["docker build ", "podman build", "buildx build", "praxis build"].iter().any(|word| text.contains(word))
        || action(step).ends_with("/build-push-action")
}
