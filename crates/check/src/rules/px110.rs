//! # Premises of decisions still hold
//!
//! A premise that `praxis.toml` notes for a decision record is looked at before its date.
//!
//! # Why
//! An alternative was rejected because of a fact, such as "that image ships Python 3.11". The day the fact changes,
//! the decision rests on nothing, and no test fails.
//!
//! # Bad
//! ```dockerfile both
//! FROM scratch
//! ```
//! ```toml bad praxis.toml
//! [[premises]]
//! record = "docs/adr/0032-container-image.md"
//! says = "distroless has Python 3.11, below the floor of 3.12"
//! until = "2020-01-31"
//! ```
//! # Good
//! ```toml good praxis.toml
//! [[premises]]
//! record = "docs/adr/0032-container-image.md"
//! says = "distroless has Python 3.11, below the floor of 3.12"
//! until = "2099-01-31"
//! ```
//! # Fix
//! Look whether the fact still holds. If so, give a new date; if not, open the decision again.

use crate::policy::{FILE, span};
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for premise in &repository.policy.premises {
        if premise.until.get_ref() < &repository.facts.today {
            let message = format!(
                "the premise of {} was to be looked at by {}: {}",
                premise.record,
                premise.until.get_ref(),
                premise.says
            );
            report.add(FILE, span(&premise.until), message);
        }
    }
}
