//! # Production has no placeholder
//!
//! The values files that `deploy.production` of praxis.toml lists hold no digest of zeros.
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
    let production = &repository.policy.deploy.production;
    for file in repository.yaml.iter().filter(|file| production.contains(&file.path)) {
        for image in deployed::images(file) {
            if let Some((digest, span)) = image.digest
                && deployed::is_placeholder(&digest)
            {
                report.add(&file.path, span, format!("{} is pinned to the placeholder", image.name));
            }
        }
    }
}
