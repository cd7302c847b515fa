//! # The chart runs the image as its user
//!
//! `runAsUser` and `runAsGroup` in the values of a chart are the numbers that the image declares.
//!
//! # Why
//! A pod that runs as another user than the image was made for cannot read its files, or can write those it should
//! not.
//!
//! # Bad
//! ```dockerfile both
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! USER 10001:10001
//! ```
//! ```yaml bad deploy/helm/app/values.yaml
//! securityContext:
//!   runAsUser: 1000
//! ```
//! # Good
//! ```yaml good deploy/helm/app/values.yaml
//! securityContext:
//!   runAsUser: 10001
//! ```
//! # Fix
//! Write the number of the image; `praxis check --fix=unsafe` does.

use crate::repository::YamlKind;
use crate::rule::Report;
use crate::{Edit, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let Some(user) = user(repository) else { return };
    let (uid, gid) = user.split_once(':').map_or((user.as_str(), None), |(uid, gid)| (uid, Some(gid)));
    for file in repository.of_kind(YamlKind::Values) {
        for document in &file.documents {
            document.walk(&mut |path, node| {
                let expected = match path.last() {
                    Some(&"runAsUser") => Some(uid),
                    Some(&"runAsGroup") => gid,
                    _ => None,
                };
                let (Some(expected), Some(written)) = (expected, node.text()) else {
                    return;
                };
                if written != expected {
                    let message = format!("the chart runs as {written}, the image as {user}");
                    let finding = report.add(&file.path, node.span, message);
                    finding.unsafely(vec![Edit {
                        path: file.path.clone(),
                        span: node.span,
                        text: expected.into(),
                    }]);
                }
            });
        }
    }
}

/// Who the repository's image runs as: what is declared, or what its only Dockerfile says.
fn user(repository: &Repository) -> Option<String> {
    if let Some(user) = &repository.policy.image.user {
        return Some(user.clone());
    }
    let [view] = repository.dockerfiles.as_slice() else {
        return None;
    };
    let number = view.user().split(':').next()?.parse::<u32>().is_ok();
    number.then(|| view.user().to_string())
}
