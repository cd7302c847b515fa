//! # The application's files are not writable by who runs it
//!
//! The final image does not give its files to the runtime user (`COPY --chown`, `chown -R`) and makes none writable
//! by everybody.
//!
//! # Why
//! A process that can write its own code turns a bug that lasts until the next start into one that stays.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! COPY --chown=10001:10001 app /opt/app
//! USER 10001:10001
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! COPY app /opt/app
//! USER 10001:10001
//! ```
//! # Fix
//! Leave the files with root and make them readable; give the user one directory for its data, as a volume.

use praxis_dockerfile::Kind;

use crate::command::commands;
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        let user = view.user().split(':').next().unwrap_or_default();
        let runs_as = |owner: &str| !matches!(user, "" | "0" | "root") && owner.split(':').next() == Some(user);
        for instruction in view.runtime() {
            if let Kind::Copy(transfer) | Kind::Add(transfer) = &instruction.kind {
                let closed = transfer.chmod.as_deref().is_some_and(read_only);
                if let Some(owner) = transfer.chown.as_deref().filter(|owner| runs_as(owner) && !closed) {
                    let span = view.place(instruction.span, &format!("--chown={owner}"));
                    report.add(&view.path, span, format!("the files belong to {owner}, who runs the image"));
                }
            }
            for command in commands(instruction) {
                let owner = command.operands().next().unwrap_or_default();
                let everybody = matches!(owner, "777" | "0777" | "a+w" | "o+w" | "a+rwx" | "ugo+rwx" | "666" | "0666");
                let message = match command.program() {
                    "chmod" if everybody => format!("the mode {owner} lets everybody write"),
                    "chown" if command.has_prefix("-R") && runs_as(owner) => {
                        format!("the files belong to {owner}, who runs the image")
                    }
                    _ => continue,
                };
                report.add(&view.path, view.place(instruction.span, owner), message);
            }
        }
    }
}

/// Whether a mode takes the right to write from the owner.
fn read_only(mode: &str) -> bool {
    u32::from_str_radix(mode, 8).is_ok_and(|bits| bits & 0o222 == 0)
}
