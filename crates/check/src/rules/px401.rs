//! # Required labels are there
//!
//! The image has the labels that `image.required-labels` of praxis.toml lists; under the preset `adr-0032` those are
//! base.name, base.digest, revision, source, version and the governance label. Labels that `praxis build` sets by
//! itself need not be written.
//!
//! # Why
//! The labels travel with the image: they are what an operator has when the repository is not at hand.
//!
//! # Bad
//! ```toml both praxis.toml
//! [image]
//! required-labels = ["org.opencontainers.image.version"]
//! ```
//! ```dockerfile bad
//! FROM scratch
//! ```
//! # Good
//! ```dockerfile good
//! FROM scratch
//! LABEL org.opencontainers.image.version="1.2.3"
//! ```
//! # Fix
//! Add the label to the final stage.

use crate::rule::Report;
use crate::Repository;

/// What `praxis build` writes where the policy says that it sets labels.
const BY_CONSTRUCTION: [&str; 4] = [
    "org.opencontainers.image.base.digest",
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.source",
];

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let policy = &repository.policy;
    let set = |label: &str| {
        let governance = label == policy.governance_label() && policy.image.governance.is_some();
        policy.sets_labels() && (BY_CONSTRUCTION.contains(&label) || governance)
    };
    for view in repository.dockerfiles.iter().filter(|view| view.config.is_some()) {
        for label in policy.required_labels().into_iter().filter(|label| !set(label)) {
            if !view.labels().contains_key(label) {
                report.add(&view.path, view.last_from(), format!("the image has no label {label}"));
            }
        }
    }
}
