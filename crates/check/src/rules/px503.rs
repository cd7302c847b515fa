//! # The own image is deployed by digest
//!
//! Values, packages and compose files name the own image with a digest.
//!
//! # Why
//! What was signed and tried is a digest. A tag deploys whatever it points at when the pod starts.
//!
//! # Bad
//! ```toml both praxis.toml
//! [image]
//! name = "ghcr.io/example/app"
//! ```
//! ```yaml bad compose.yaml
//! services:
//!   app:
//!     image: ghcr.io/example/app:1.0.0
//! ```
//! # Good
//! ```yaml good compose.yaml
//! services:
//!   app:
//!     image: ghcr.io/example/app:1.0.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! Run `praxis pin`.

use super::deployed;
use crate::repository::YamlKind;
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let kinds = [YamlKind::Workflow, YamlKind::Chart];
    for file in repository.yaml.iter().filter(|file| !kinds.contains(&file.kind)) {
        for image in deployed::images(file).into_iter().filter(|image| image.is_own(repository)) {
            if image.digest.is_none() {
                let tag = image.tag.as_deref().unwrap_or("no tag");
                report.add(&file.path, image.span, format!("{} is named by tag only: {tag}", image.name));
            }
        }
    }
}
