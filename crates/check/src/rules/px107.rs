//! # Pins do not lag their tags
//!
//! With `--online`, the registry of a pinned image (see PX106) is asked what the tag stands for now. If that is another image, it
//! was made at most `bases.max-age-days` days ago (30 where praxis.toml says nothing).
//!
//! # Why
//! A pin keeps what was tried, and with it every hole that was mended since. A tag that moved weeks ago has fixes that
//! this image does not have.
//!
//! # Bad
//! ```dockerfile both
//! FROM docker.io/library/debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! ```toml both praxis.toml
//! [bases]
//! max-age-days = 14
//! ```
//! What the registry says, looked at on 2026-11-25:
//! ```json bad registry.json
//! {"docker.io/library/debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
//!   {"platforms": ["linux/amd64"], "tag-created": "2026-11-01T00:00:00Z",
//!    "tag": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}}
//! ```
//! # Good
//! ```json good registry.json
//! {"docker.io/library/debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
//!   {"platforms": ["linux/amd64"], "tag-created": "2026-11-20T00:00:00Z",
//!    "tag": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}}
//! ```
//! # Fix
//! `praxis pin --update` writes the digest that the tag stands for now.

use crate::facts::days;
use crate::rule::Report;
use crate::Repository;

/// Days that a pin may lag where the policy says nothing.
const DAYS: i64 = 30;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let allowed = repository.policy.bases.max_age_days.map_or(DAYS, i64::from);
    for (image, answer) in repository.answered() {
        let (Some(tag), Some(pinned)) = (&answer.tag, image.reference.digest()) else {
            continue;
        };
        let made = answer.tag_created.as_deref().and_then(days);
        let (Some(made), Some(today)) = (made, days(&repository.facts.today)) else {
            continue;
        };
        if *tag != pinned.to_string() && today - made > allowed {
            let message = format!("the tag has an image that was made {} days ago: {tag}", today - made);
            report.add(image.path, image.span, message);
        }
    }
}
