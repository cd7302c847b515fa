//! # Actions are pinned by commit
//!
//! Every action from outside the repository is pinned by a commit of 40 hexadecimal digits, with its version in a
//! comment.
//!
//! # Why
//! Tags of actions have been moved to malicious commits, and every workflow that named the tag ran them with its
//! credentials.
//!
//! # Bad
//! ```yaml bad .github/workflows/ci.yml
//! on: push
//! jobs:
//!   test:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - uses: actions/checkout@v4
//! ```
//! # Good
//! ```yaml good .github/workflows/ci.yml
//! on: push
//! jobs:
//!   test:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
//! ```
//! # Fix
//! `praxis pin` writes the commit and the version in a comment; Renovate keeps both.

use crate::action::{comment, is_commit, uses};
use crate::rule::Report;
use crate::yaml::Node;
use crate::{Repository, YamlFile};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for file in &repository.yaml {
        for node in uses(file) {
            if let Some(message) = unpinned(file, node) {
                report.add(&file.path, node.span, message);
            }
        }
    }
}

fn unpinned(file: &YamlFile, node: &Node) -> Option<String> {
    let uses = node.text()?;
    if uses.starts_with("./") {
        return None;
    }
    if let Some(image) = uses.strip_prefix("docker://") {
        return (!image.contains("@sha256:")).then(|| format!("{uses} has no digest"));
    }
    let (name, version) = uses.split_once('@').unwrap_or((uses, ""));
    if !is_commit(version) {
        return Some(format!("{name} is pinned to {version:?}, not to a commit"));
    }
    let has_version = comment(file, node).is_some_and(|comment| comment.contains(|c: char| c.is_ascii_digit()));
    (!has_version).then(|| format!("no comment says which version of {name} this commit is"))
}
