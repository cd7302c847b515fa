//! # Bases come from where the policy allows
//!
//! Every image from outside is one that `bases.allow` names, from a registry whose declared country and operator the
//! policy allows.
//!
//! # Why
//! Whoever runs the registry decides what is delivered and whether anything is. Sovereignty is a list that somebody
//! wrote down, not a habit.
//!
//! # Bad
//! ```toml both praxis.toml
//! [bases]
//! allow = ["registry.example.eu/*"]
//! countries = ["DE"]
//! origins."registry.example.eu" = { country = "DE", operator = "Example" }
//! ```
//! ```dockerfile bad
//! FROM docker.io/library/debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Good
//! ```dockerfile good
//! FROM registry.example.eu/debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! Take an image that the policy allows, or change `[bases]` in praxis.toml: that is a decision with a record.

use praxis_oci::Reference;

use crate::policy::Bases;
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for image in &view.images {
            if let Some(reference) = &image.reference
                && let Some(reason) = refusal(&repository.policy.bases, reference)
            {
                report.add(&view.path, image.span, format!("{}: {reason}", image.written));
            }
        }
    }
}

/// Why the policy does not allow an image.
fn refusal(bases: &Bases, reference: &Reference) -> Option<String> {
    let name = reference.name();
    let allows = |pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern.parse::<Reference>().is_ok_and(|allowed| allowed.name() == name),
    };
    if !bases.allow.is_empty() && !bases.allow.iter().any(allows) {
        return Some("bases.allow in praxis.toml does not name it".into());
    }
    if bases.countries.is_empty() && bases.operators.is_empty() {
        return None;
    }
    let registry = reference.domain();
    let Some(origin) = bases.origins.get(registry) else {
        return Some(format!("bases.origins in praxis.toml does not say who runs {registry}"));
    };
    if !bases.countries.is_empty() && !bases.countries.contains(&origin.country) {
        return Some(format!("{registry} is run in {}, which bases.countries does not allow", origin.country));
    }
    if !bases.operators.is_empty() && !bases.operators.contains(&origin.operator) {
        return Some(format!("{registry} is run by {}, whom bases.operators does not allow", origin.operator));
    }
    None
}
