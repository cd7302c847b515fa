//! # Files can be read
//!
//! A Dockerfile, workflow, chart or package that cannot be parsed is checked by no other rule.
//!
//! # Why
//! A file that tools read differently, or not at all, is one that nobody can vouch for.
//!
//! # Bad
//! ```dockerfile bad
//! FROM scratch
//! COPPY a /a
//! ```
//! # Good
//! ```dockerfile good
//! FROM scratch
//! COPY a /a
//! ```
//! # Fix
//! Write what the message asks for.

use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for diagnostic in view.diagnostics.iter().filter(|one| one.code.is_none()) {
            let finding = report.add(&view.path, diagnostic.span.unwrap_or_default(), &diagnostic.message);
            if let Some(help) = &diagnostic.help {
                finding.help = help.clone();
            }
        }
    }
    for file in &repository.yaml {
        if let Some((message, span)) = &file.error {
            report.add(&file.path, *span, format!("this is no YAML: {message}"));
        }
    }
}
