//! # The label base.digest is the digest of FROM
//!
//! `org.opencontainers.image.base.digest` is the digest that the final stage is made from.
//!
//! # Why
//! Scanners decide by this label whether an image has to be rebuilt. An update that moves FROM and leaves the label
//! behind makes every later answer wrong, silently.
//!
//! # Bad
//! ```dockerfile bad
//! FROM python:3.12-slim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! LABEL org.opencontainers.image.base.digest="sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
//! ```
//! # Good
//! ```dockerfile good
//! ARG BASE=docker.io/library/python:3.12-slim@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! FROM ${BASE}
//! ARG BASE
//! LABEL org.opencontainers.image.base.digest="${BASE##*@}"
//! ```
//! # Fix
//! `praxis check --fix` writes the digest of FROM; the pattern of the good example cannot drift at all.

use crate::rule::Report;
use crate::{Edit, Repository};

const LABEL: &str = "org.opencontainers.image.base.digest";

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        let Some(label) = view.label_places().get(LABEL) else {
            continue;
        };
        let base = view.final_base();
        if base.is_some_and(|base| base.dynamic) {
            continue;
        }
        let pinned = base.and_then(|base| base.reference.as_ref()?.digest());
        let Some(digest) = pinned else {
            let message = format!("the label says {}, but the final FROM has no digest", label.value);
            report.add(&view.path, label.key, message);
            continue;
        };
        if label.value == digest.to_string() {
            continue;
        }
        let message = format!("the label says {}, FROM says {digest}", shown(&label.value));
        let finding = report.add(&view.path, label.literal.unwrap_or(label.key), message);
        if let Some(span) = label.literal {
            let edit = Edit {
                path: view.path.clone(),
                span,
                text: digest.to_string(),
            };
            finding.safely(vec![edit]);
        }
    }
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "nothing" } else { value }
}
