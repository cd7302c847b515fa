//! # Chart, package and project have one version
//!
//! `appVersion` of the chart and `metadata.version` of the Zarf package are the version of the project's manifest.
//!
//! # Why
//! Who deploys 1.2.0 of the package expects 1.2.0 of the program, and finds out only when something is missing.
//!
//! # Bad
//! ```toml both pyproject.toml
//! [project]
//! name = "app"
//! version = "1.2.0"
//! ```
//! ```yaml bad deploy/helm/app/Chart.yaml
//! name: app
//! version: 0.4.0
//! appVersion: "1.1.0"
//! ```
//! # Good
//! ```yaml good deploy/helm/app/Chart.yaml
//! name: app
//! version: 0.4.0
//! appVersion: "1.2.0"
//! ```
//! # Fix
//! Write the version of the project; release scripts should set all of them in one step.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let Some((version, manifest)) = &repository.version else {
        return;
    };
    for file in &repository.yaml {
        let path: &[&str] = match file.kind {
            YamlKind::Chart => &["appVersion"],
            YamlKind::Zarf => &["metadata", "version"],
            _ => continue,
        };
        let node = file.documents.first().and_then(|document| document.at(path));
        let Some(written) = node.and_then(|node| Some((node.text()?, node.span))) else {
            continue;
        };
        if written.0.trim_start_matches('v') != version && !written.0.contains("###") {
            let message = format!("{} is {}, {manifest} says {version}", path.join("."), written.0);
            report.add(&file.path, written.1, message);
        }
    }
}
