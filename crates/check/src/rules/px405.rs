//! # Comments agree with the backlog
//!
//! A comment in a Dockerfile that calls a backlog item open (`TODO`, `staged`, `not implemented`, `until`) names one
//! that is open; one that calls it done names one that is done.
//!
//! # Why
//! A comment that says "until BL-033" outlives BL-033 by years, and the next reader believes it.
//!
//! # Bad
//! ```dockerfile bad
//! # The digest is a placeholder until BL-033.
//! FROM scratch
//! ```
//! ```text both docs/BACKLOG.md
//! - [x] BL-033: publish the digest
//! - [ ] BL-034: sign the image
//! ```
//! # Good
//! ```dockerfile good
//! # The image is not signed until BL-034.
//! FROM scratch
//! ```
//! # Fix
//! Remove the comment, or correct the backlog.

use praxis_source::Span;

use crate::records::{self, ItemStatus};
use crate::rule::Report;
use crate::Repository;

const OPEN: [&str; 7] = ["todo", "fixme", "until", "not implemented", "staged", "not yet", "pending"];
const DONE: [&str; 5] = ["done in", "closed by", "closes", "delivered", "since bl"];

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let Some(backlog) = &repository.backlog else { return };
    let dockerfiles = repository.dockerfiles.iter().map(|view| (&view.path, &view.file));
    let yaml = repository.yaml.iter().map(|file| (&file.path, &file.file));
    for (path, file) in dockerfiles.chain(yaml) {
        for line in 1..=file.line_count() {
            let text = file.line(line);
            let Some(comment) = text.trim_start().strip_prefix('#') else {
                continue;
            };
            let lower = comment.to_lowercase();
            let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
            for (id, at) in records::ids(text) {
                let start = file.line_span(line).unwrap_or_default().start + at;
                let span = Span::new(start, start + id.len());
                let message = match backlog.get(&id) {
                    Some(ItemStatus::Done) if says(&OPEN) => format!("{id} is done, the comment calls it open"),
                    Some(ItemStatus::Open) if says(&DONE) => format!("{id} is open, the comment calls it done"),
                    None => format!("the backlog has no {id}"),
                    _ => continue,
                };
                report.add(path, span, message);
            }
        }
    }
}
