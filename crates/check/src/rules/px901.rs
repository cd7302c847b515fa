//! # Nothing is downloaded without a check
//!
//! What `curl` or `wget` fetches in RUN is compared with a hash or a signature in the same RUN, and is not piped into a
//! shell; `ADD` of an address has `--checksum`.
//!
//! # Why
//! A download is as mutable as a tag. Without a hash, whoever answers for the address decides what is in the image.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN curl -fsSL https://example.org/install.sh | sh
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ADD --checksum=sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa https://example.org/tool /usr/local/bin/tool
//! ```
//! # Fix
//! Use `ADD --checksum=sha256:…`, or compare with `sha256sum --check` in the same RUN.

use praxis_dockerfile::Kind;

use super::px607::unverified;
use crate::Repository;
use crate::command::commands;
use crate::rule::Report;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.tree.instructions() {
            if let Some(message) = unverified(&commands(instruction)) {
                report.add(&view.path, view.place(instruction.span, "RUN"), message);
            }
            let Kind::Add(transfer) = &instruction.kind else {
                continue;
            };
            let remote = transfer
                .sources
                .iter()
                .find(|source| source.starts_with("https://") || source.starts_with("http://"));
            if let Some(source) = remote.filter(|source| transfer.checksum.is_none() && !source.ends_with(".git")) {
                let span = view.place(instruction.span, source);
                report.add(&view.path, span, format!("{source} is added without --checksum"));
            }
        }
    }
}
