//! # No HEALTHCHECK for a service on standard input
//!
//! Where `image.transport` is `stdio`, the image has no HEALTHCHECK.
//!
//! # Why
//! A process that answers on its standard input has nothing that a second process in the container could ask. The
//! check can only look whether the process is there, which the runtime knows.
//!
//! # Bad
//! ```toml both praxis.toml
//! [image]
//! transport = "stdio"
//! ```
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! HEALTHCHECK CMD ["pgrep", "app"]
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! HEALTHCHECK NONE
//! ```
//! # Fix
//! Remove the instruction, or write `HEALTHCHECK NONE` where the base has one.

use praxis_dockerfile::Kind;

use crate::Repository;
use crate::policy::Transport;
use crate::rule::Report;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    if repository.policy.image.transport != Transport::Stdio {
        return;
    }
    for view in &repository.dockerfiles {
        for instruction in view.runtime() {
            if let Kind::Healthcheck(check) = &instruction.kind
                && check.test.first().map(String::as_str) != Some("NONE")
            {
                report.add(&view.path, instruction.span, "a service on standard input has nothing to ask");
            }
        }
    }
}
