//! # Pins are written after verification
//!
//! A workflow that writes a digest into deploy files verifies the signature first, in an earlier step of the job.
//!
//! # Why
//! A digest that is written is deployed. Written before it is verified, it vouches for whatever was pushed.
//!
//! # Bad
//! ```yaml bad .github/workflows/release.yml
//! on:
//!   push:
//!     tags: ["v*"]
//! jobs:
//!   pin:
//!     if: github.repository == 'example/app'
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: yq -i '.image.digest = strenv(DIGEST)' deploy/values.yaml
//!       - run: cosign verify --key key.pub "$IMAGE@$DIGEST"
//! ```
//! # Good
//! ```yaml good .github/workflows/release.yml
//! on:
//!   push:
//!     tags: ["v*"]
//! jobs:
//!   pin:
//!     if: github.repository == 'example/app'
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: cosign verify --key key.pub "$IMAGE@$DIGEST"
//!       - run: yq -i '.image.digest = strenv(DIGEST)' deploy/values.yaml
//! ```
//! # Fix
//! Move the step that verifies before the one that writes.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{jobs, run as script};
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for workflow in repository.of_kind(YamlKind::Workflow) {
        for job in jobs(workflow) {
            let mut verified = false;
            for step in job.steps() {
                let text = script(step);
                verified |= ["cosign verify", "praxis verify", "notation verify", "slsa-verifier"]
                    .iter()
                    .any(|word| text.contains(word));
                if writes(text) && !verified {
                    let place = step.get("run").map_or(step.span, |node| node.span);
                    report.add(&workflow.path, place, "a digest is written that no step before has verified");
                }
            }
        }
    }
}

/// Whether a script writes a digest into a deploy file.
fn writes(script: &str) -> bool {
    let edits = ["yq -i", "yq eval -i", "sed -i", "kustomize edit set image"].iter().any(|word| script.contains(word));
    let file = ["values", "zarf", "kustomization", "compose"].iter().any(|word| script.contains(word));
    let digest = script.to_lowercase().contains("digest") || script.contains("sha256:");
    edits && digest && (file || script.contains("kustomize"))
}
