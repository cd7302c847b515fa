//! # Labels agree with git
//!
//! Where `revision` or `source` is written out in a Dockerfile, it is the commit and the address that git knows;
//! `version` is that of the project's manifest.
//!
//! # Why
//! A commit that is written into a file is the one before the file: it is wrong as soon as it is committed.
//!
//! # Bad
//! ```dockerfile bad
//! FROM scratch
//! LABEL org.opencontainers.image.version="1.0.0"
//! ```
//! ```toml both pyproject.toml
//! [project]
//! name = "x"
//! version = "1.1.0"
//! ```
//! # Good
//! ```dockerfile good
//! FROM scratch
//! ARG VERSION
//! LABEL org.opencontainers.image.version="${VERSION}"
//! ```
//! # Fix
//! Take the value from a build argument, or let `praxis build` set the label.

use crate::rule::Report;
use crate::{DockerfileView, Edit, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let git = repository.facts.git.as_ref();
    for view in &repository.dockerfiles {
        if let Some(git) = git {
            literal(view, "org.opencontainers.image.revision", &git.revision, "git", report);
            if let Some(source) = &git.source {
                let value = view.label_places().get("org.opencontainers.image.source");
                if value.is_none_or(|label| !same_address(&label.value, source)) {
                    literal(view, "org.opencontainers.image.source", source, "git", report);
                }
            }
        }
        let top = matches!(view.context.as_str(), "" | ".");
        if let (Some((version, file)), true) = (&repository.version, top) {
            literal(view, "org.opencontainers.image.version", version, file, report);
        }
    }
}

/// Compares a label that is written out.
fn literal(view: &DockerfileView, name: &str, expected: &str, by: &str, report: &mut Report) {
    let Some(label) = view.label_places().get(name) else {
        return;
    };
    let Some(span) = label.literal.filter(|_| label.value != expected && !label.value.is_empty()) else {
        return;
    };
    let finding = report.add(&view.path, span, format!("the label says {}, {by} says {expected}", label.value));
    finding.unsafely(vec![Edit {
        path: view.path.clone(),
        span,
        text: expected.into(),
    }]);
}

/// Whether two addresses name one repository.
fn same_address(left: &str, right: &str) -> bool {
    let plain = |text: &str| {
        let text = text.trim_end_matches('/').trim_end_matches(".git").to_lowercase();
        let text = text.split_once("://").map_or(text.clone(), |(_, rest)| rest.to_string());
        let text = text.rsplit_once('@').map_or(text.clone(), |(_, rest)| rest.to_string());
        text.replacen(':', "/", 1)
    };
    plain(left) == plain(right)
}
