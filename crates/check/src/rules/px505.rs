//! # Production has no placeholder
//!
//! Deploy files for production hold no digest of zeros: those that match `deploy.production` of praxis.toml, or without it
//! those whose name starts with `values-prod`.
//!
//! # Why
//! The placeholder is there so that nothing can be deployed by accident. In production values it is a deployment that
//! fails on the day it matters.
//!
//! # Bad
//! ```toml both praxis.toml
//! [deploy]
//! production = ["deploy/values-production.yaml"]
//! ```
//! ```yaml bad deploy/values-production.yaml
//! image:
//!   repository: ghcr.io/example/app
//!   digest: sha256:0000000000000000000000000000000000000000000000000000000000000000
//! ```
//! # Good
//! ```yaml good deploy/values-production.yaml
//! image:
//!   repository: ghcr.io/example/app
//!   digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! Write the digest of the release.

use super::deployed;
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for file in repository.yaml.iter().filter(|file| repository.policy.is_production(&file.path)) {
        for document in &file.documents {
            document.scalars(&mut |node| {
                let text = node.text().unwrap_or_default();
                if deployed::is_placeholder(text.rsplit('@').next().unwrap_or_default()) {
                    report.add(&file.path, node.span, "production is pinned to the placeholder");
                }
            });
        }
    }
}
