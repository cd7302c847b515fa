//! # Settings do not need an extra that the image lacks
//!
//! Values that switch on a setting of an extra (`extras.NAME.settings` in praxis.toml) deploy an image that has it.
//!
//! # Why
//! The default image refuses to start with such a setting, or worse, ignores it.
//!
//! # Bad
//! ```toml both praxis.toml
//! [extras.tsa]
//! settings = ["tsa.enabled"]
//! [variants.tsa]
//! stage = "runtime-tsa"
//! extras = ["tsa"]
//! ```
//! ```yaml bad deploy/values.yaml
//! image:
//!   repository: ghcr.io/example/app
//!   tag: "1.0.0"
//! tsa:
//!   enabled: true
//! ```
//! # Good
//! ```yaml good deploy/values.yaml
//! image:
//!   repository: ghcr.io/example/app
//!   tag: "1.0.0-tsa"
//! tsa:
//!   enabled: true
//! ```
//! # Fix
//! Deploy the variant that has the extra, or switch the setting off.

use super::deployed;
use crate::repository::YamlKind;
use crate::rule::Report;
use crate::yaml::Node;
use crate::{Repository, YamlFile};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for file in repository.of_kind(YamlKind::Values) {
        for (extra, declared) in &repository.policy.extras {
            if has_extra(repository, file, extra) {
                continue;
            }
            for setting in &declared.settings {
                let path: Vec<&str> = setting.split('.').collect();
                let node = file.documents.first().and_then(|document| document.at(&path));
                if let Some(node) = node.filter(|node| is_on(node)) {
                    report.add(&file.path, node.span, format!("{setting} needs an image with the extra {extra}"));
                }
            }
        }
    }
}

fn is_on(node: &Node) -> bool {
    node.text().is_some_and(|text| !matches!(text, "" | "false" | "no" | "off" | "null" | "~"))
}

/// Whether the image that the values name is a variant with the extra.
fn has_extra(repository: &Repository, file: &YamlFile, extra: &str) -> bool {
    let variants = repository.policy.variants.iter();
    let having = variants.filter(|(_, variant)| variant.extras.iter().any(|name| name == extra));
    let names: Vec<String> = having.map(|(name, _)| name.get_ref().clone()).collect();
    let tags = deployed::images(file).into_iter().filter_map(|image| image.tag);
    tags.into_iter().any(|tag| names.iter().any(|name| tag == *name || tag.ends_with(&format!("-{name}"))))
}
