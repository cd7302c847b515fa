//! # The governance label cites records that hold
//!
//! What the governance label names is there: files, decision records (`ADR-0032`) that are not superseded, and ids of
//! the backlog (`BL-033`).
//!
//! # Why
//! The label says by which decisions the image is as it is. A citation of nothing is worse than none.
//!
//! # Bad
//! ```dockerfile bad
//! FROM scratch
//! LABEL io.praxis.governance="docs/adr/0001-image.md ADR-0007"
//! ```
//! ```text both docs/adr/0001-image.md
//! # 1. The image
//!
//! Accepted, 2026-01-31.
//! ```
//! # Good
//! ```dockerfile good
//! FROM scratch
//! LABEL io.praxis.governance="docs/adr/0001-image.md ADR-0001"
//! ```
//! # Fix
//! Name the record that took the place of the one cited, or the item's id in the backlog.

use praxis_source::Span;

use crate::records;
use crate::repository::join;
use crate::rule::Report;
use crate::{DockerfileView, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let name = repository.policy.governance_label();
    for view in &repository.dockerfiles {
        let Some(label) = view.label_places().get(name) else {
            continue;
        };
        for word in label.value.split([' ', ',', ';']).filter(|word| !word.is_empty()) {
            if let Some(message) = wrong(repository, view, word) {
                let span = label.literal.map_or(label.key, |literal| inside(view, literal, word));
                report.add(&view.path, span, message);
            }
        }
    }
}

fn inside(view: &DockerfileView, literal: Span, word: &str) -> Span {
    let at = view.file.slice(literal).find(word).unwrap_or(0);
    Span::new(literal.start + at, literal.start + at + word.len())
}

/// What is wrong with one citation.
fn wrong(repository: &Repository, view: &DockerfileView, word: &str) -> Option<String> {
    for (number, _) in records::decision_numbers(word) {
        let mut found = repository.decisions.iter().filter(|one| one.number == Some(number));
        match found.next() {
            None => return Some(format!("there is no decision record {number}")),
            Some(record) if record.superseded => return Some(format!("{} is superseded", record.path)),
            Some(_) => {}
        }
    }
    if let Some(backlog) = &repository.backlog {
        let unknown = records::ids(word).into_iter().find(|(id, _)| !backlog.contains_key(id));
        if let Some((id, _)) = unknown {
            return Some(format!("the backlog has no {id}"));
        }
    }
    if !word.contains('/') || word.contains("://") {
        return None;
    }
    let candidates = [word.to_string(), join(&view.context, word)];
    if !candidates.iter().any(|path| repository.has(path)) {
        return Some(format!("there is no {word}"));
    }
    let record = repository.decisions.iter().find(|one| candidates.contains(&one.path) && one.superseded);
    record.map(|record| format!("{} is superseded", record.path))
}
