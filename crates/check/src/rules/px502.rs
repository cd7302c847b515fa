//! # Values and packages name the same digest
//!
//! All digests of the own image in values of charts and in Zarf packages are one.
//!
//! # Why
//! A package that carries another image than the chart starts fails in the place that has no registry to ask.
//!
//! # Bad
//! ```toml both praxis.toml
//! [image]
//! name = "ghcr.io/example/app"
//! ```
//! ```yaml both deploy/helm/app/values.yaml
//! image:
//!   repository: ghcr.io/example/app
//!   digest: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! ```yaml bad deploy/zarf.yaml
//! components:
//!   - name: app
//!     images:
//!       - ghcr.io/example/app@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
//! ```
//! # Good
//! ```yaml good deploy/zarf.yaml
//! components:
//!   - name: app
//!     images:
//!       - ghcr.io/example/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! Write the digest of the release in both places; `praxis pin` does.

use super::deployed;
use crate::repository::YamlKind;
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let mut first: Option<(String, String)> = None;
    let kinds = [YamlKind::Values, YamlKind::Zarf, YamlKind::Kustomization];
    for file in repository.yaml.iter().filter(|file| kinds.contains(&file.kind)) {
        for image in deployed::images(file).into_iter().filter(|image| image.is_own(repository)) {
            let Some((digest, span)) = image.digest else { continue };
            match &first {
                None => first = Some((digest, file.path.clone())),
                Some((other, path)) if *other != digest => {
                    report.add(&file.path, span, format!("{digest} here, {other} in {path}"));
                }
                Some(_) => {}
            }
        }
    }
}
