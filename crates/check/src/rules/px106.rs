//! # Pinned digests are there and cover the platforms
//!
//! With `--online`, the registry of every image is asked that a Dockerfile (also in `# syntax=` and in the labels that name
//! the base), a compose file, values, a package or a workflow names with a digest: it still has the digest, and what the
//! image is made from covers every platform of `image.platforms` in praxis.toml.
//!
//! # Why
//! A digest that its registry removed breaks the next build that has no cache. One of a single platform, taken over by
//! hand where an index was meant, builds for that platform only.
//!
//! # Bad
//! ```dockerfile both
//! FROM docker.io/library/debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! ```toml both praxis.toml
//! [image]
//! platforms = ["linux/amd64", "linux/arm64"]
//! ```
//! What the registry says:
//! ```json bad registry.json
//! {"docker.io/library/debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
//!   {"platforms": ["linux/amd64"]}}
//! ```
//! # Good
//! ```json good registry.json
//! {"docker.io/library/debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
//!   {"platforms": ["linux/amd64", "linux/arm64/v8"]}}
//! ```
//! # Fix
//! Pin the digest of the index: `praxis pin --update`.

use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for (image, answer) in repository.answered() {
        let Some(covered) = &answer.platforms else {
            let message = format!("the registry has no {} any more", image.written);
            report.add(image.path, image.span, message);
            continue;
        };
        let wanted = repository.policy.image.platforms.iter().filter(|_| image.for_all_platforms);
        let missing: Vec<&str> = wanted.filter(|one| !covers(covered, one)).map(String::as_str).collect();
        if !missing.is_empty() {
            let message = format!("{} is not for {}", image.written, missing.join(", "));
            report.add(image.path, image.span, message);
        }
    }
}

/// `linux/arm64` asks for any variant.
fn covers(covered: &[String], wanted: &str) -> bool {
    let variant = format!("{wanted}/");
    covered.iter().any(|one| one == wanted || one.starts_with(&variant))
}
