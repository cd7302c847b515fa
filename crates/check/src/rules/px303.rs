//! # Accounts are locked
//!
//! The final image gives no account a password and unlocks none.
//!
//! # Why
//! A service needs no password. One in a Dockerfile is known to everybody who has the image, an empty one to
//! everybody.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN echo 'root:secret' | chpasswd
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN useradd --uid 10001 --shell /usr/sbin/nologin app
//! ```
//! # Fix
//! Remove the command; accounts without a password stay locked.

use praxis_dockerfile::Kind;

use crate::command::{SimpleCommand, commands};
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.runtime() {
            for command in commands(instruction) {
                if let Some(message) = unlocks(&command) {
                    report.add(&view.path, view.place(instruction.span, command.program()), message);
                }
            }
            let Kind::Copy(transfer) = &instruction.kind else {
                continue;
            };
            let lines = transfer.heredocs.iter().flat_map(|heredoc| heredoc.raw.lines());
            for line in lines.filter(|_| transfer.destination == "/etc/shadow") {
                let hash = line.split(':').nth(1).unwrap_or("*");
                if !hash.starts_with(['*', '!']) {
                    let span = view.place(instruction.span, line);
                    report.add(&view.path, span, "the account has a password, or an empty one");
                }
            }
        }
    }
}

fn unlocks(command: &SimpleCommand) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|word| command.has(word));
    match command.program() {
        "chpasswd" => Some("chpasswd sets a password that is part of the image"),
        "passwd" if has(&["-d", "--delete"]) => Some("passwd -d leaves the account without a password"),
        "passwd" if has(&["-u", "--unlock"]) => Some("the account is unlocked"),
        "usermod" if has(&["-U", "--unlock", "-p", "--password"]) => Some("the account is unlocked"),
        "useradd" if has(&["-p", "--password"]) => Some("the account gets a password that is part of the image"),
        _ => None,
    }
}
