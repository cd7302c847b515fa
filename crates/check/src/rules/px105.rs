//! # The label base.name is the name of FROM, in full
//!
//! `org.opencontainers.image.base.name` names registry, repository and tag of the image that the final stage is made
//! from, not a stage.
//!
//! # Why
//! A tool that looks whether the base has moved asks the registry that the label names. A short name or the name of a
//! stage sends it to the wrong place.
//!
//! # Bad
//! ```dockerfile bad
//! FROM python:3.12-slim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! LABEL org.opencontainers.image.base.name="builder"
//! ```
//! # Good
//! ```dockerfile good
//! FROM python:3.12-slim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! LABEL org.opencontainers.image.base.name="docker.io/library/python:3.12-slim"
//! ```
//! # Fix
//! `praxis check --fix` writes the full name of FROM.

use praxis_oci::Reference;

use crate::rule::Report;
use crate::{Edit, Repository};

const LABEL: &str = "org.opencontainers.image.base.name";

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        let Some(label) = view.label_places().get(LABEL) else {
            continue;
        };
        let Some(base) = view.final_base().and_then(|base| base.reference.as_ref()) else {
            continue;
        };
        let expected = full(base);
        if label.value == expected {
            continue;
        }
        let stages = view.tree.stages.iter().filter_map(|stage| stage.from.name.as_deref());
        let message = match label.value.parse::<Reference>() {
            _ if stages.into_iter().any(|name| name == label.value) => {
                format!("{} is a stage; FROM names {expected}", label.value)
            }
            Ok(named) if full(&named) == expected => format!("the name is not complete: {expected}"),
            _ => format!("the label says {:?}, FROM names {expected}", label.value),
        };
        let finding = report.add(&view.path, label.literal.unwrap_or(label.key), message);
        if let Some(span) = label.literal {
            let edit = Edit {
                path: view.path.clone(),
                span,
                text: expected,
            };
            finding.safely(vec![edit]);
        }
    }
}

/// Registry, repository and tag.
fn full(reference: &Reference) -> String {
    match reference.tag() {
        Some(tag) => format!("{}:{tag}", reference.name()),
        None => reference.name(),
    }
}
