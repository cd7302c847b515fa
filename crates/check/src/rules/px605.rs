//! # The smoke test asserts what the record promises
//!
//! A workflow that runs the image it built checks the uid, runs without network and with a read-only root.
//!
//! # Why
//! What no test asserts is lost with the next change: the image that "just starts" also starts as root.
//!
//! # Bad
//! ```yaml bad .github/workflows/image.yml
//! on: push
//! jobs:
//!   image:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker build -t app .
//!       - run: docker run --rm app python -c 'import app'
//! ```
//! # Good
//! ```yaml good .github/workflows/image.yml
//! on: push
//! jobs:
//!   image:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: docker build -t app .
//!       - run: test "$(docker run --rm --network none --read-only app id -u)" = 10001
//! ```
//! # Fix
//! Add `--network none --read-only` to the run, and compare `id -u` (or `os.getuid()`) with the declared uid.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{jobs, run as script};
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for workflow in repository.of_kind(YamlKind::Workflow) {
        for job in jobs(workflow) {
            let builds = job.steps().iter().any(|step| {
                let text = script(step);
                ["docker build", "podman build", "buildx build", "praxis build"].iter().any(|word| text.contains(word))
                    || crate::workflow::action(step).ends_with("/build-push-action")
            });
            let runs = |text: &str| text.contains("docker run") || text.contains("podman run");
            let tests: Vec<_> = job.steps().iter().filter(|step| runs(script(step))).collect();
            let Some(first) = tests.first().filter(|_| builds) else {
                continue;
            };
            let all: String = tests.iter().map(|step| script(step)).collect();
            let missing: Vec<&str> = [
                ("the uid", &["id -u", "getuid", "geteuid"][..]),
                ("no network", &["--network none", "--network=none", "--net none", "--net=none"]),
                ("a read-only root", &["--read-only"]),
            ]
            .iter()
            .filter(|(_, words)| !words.iter().any(|word| all.contains(word)))
            .map(|(what, _)| *what)
            .collect();
            if !missing.is_empty() {
                let place = first.get("run").map_or(first.span, |node| node.span);
                report.add(&workflow.path, place, format!("the smoke test does not assert {}", missing.join(", ")));
            }
        }
    }
}
