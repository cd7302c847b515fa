//! # Values hold the released digest, or the placeholder
//!
//! The digest of the own image in values of a chart is `deploy.released` of praxis.toml, or all zeros before the
//! first release.
//!
//! # Why
//! Any other digest is one that somebody wrote by hand: of a build that was never tried, or of another image.
//!
//! # Bad
//! ```toml both praxis.toml
//! [image]
//! name = "ghcr.io/example/app"
//! [deploy]
//! released = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
//! ```
//! ```yaml bad deploy/helm/app/values.yaml
//! image:
//!   repository: ghcr.io/example/app
//!   digest: sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
//! ```
//! # Good
//! ```yaml good deploy/helm/app/values.yaml
//! image:
//!   repository: ghcr.io/example/app
//!   digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! `praxis check --fix` writes the digest of the last release.

use super::deployed;
use crate::repository::YamlKind;
use crate::rule::Report;
use crate::{Edit, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let Some(released) = repository.policy.deploy.released.as_ref().map(toml::Spanned::get_ref) else {
        return;
    };
    for file in repository.of_kind(YamlKind::Values) {
        for image in deployed::images(file).into_iter().filter(|image| image.is_own(repository)) {
            let Some((digest, span)) = image.digest else { continue };
            if &digest != released && !deployed::is_placeholder(&digest) {
                let finding = report.add(&file.path, span, format!("{digest} is not what was released: {released}"));
                finding.safely(vec![Edit {
                    path: file.path.clone(),
                    span,
                    text: released.clone(),
                }]);
            }
        }
    }
}
