//! # The runtime user has one entry and no login shell
//!
//! An account that the final image makes (`useradd`, `adduser`, lines of a `/etc/passwd` in a here-document) has the
//! shell `/usr/sbin/nologin` or `/bin/false`, and its uid is there once.
//!
//! # Why
//! A service never logs in. A shell in its entry is what `su`, `ssh` and many exploits need.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN useradd --uid 10001 --shell /bin/bash app
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN useradd --uid 10001 --shell /usr/sbin/nologin app
//! ```
//! # Fix
//! `praxis check --fix` writes `/usr/sbin/nologin` in place of the shell.

use std::collections::BTreeSet;

use praxis_dockerfile::{Instruction, Kind};
use praxis_source::Span;

use crate::command::{SimpleCommand, commands};
use crate::rule::Report;
use crate::{DockerfileView, Edit, Repository};

const NOLOGIN: &str = "/usr/sbin/nologin";

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.runtime() {
            for command in commands(instruction) {
                account(view, instruction, &command, report);
            }
            passwd(view, instruction, report);
        }
    }
}

fn is_closed(shell: &str) -> bool {
    shell.ends_with("/nologin") || shell.ends_with("/false")
}

fn account(view: &DockerfileView, instruction: &Instruction, command: &SimpleCommand, report: &mut Report) {
    let program = command.program();
    if !matches!(program, "useradd" | "adduser" | "usermod") {
        return;
    }
    match command.option(&["-s", "--shell"]) {
        Some(shell) if is_closed(shell) => {}
        Some(shell) => {
            let span = view.place(instruction.span, shell);
            let finding = report.add(&view.path, span, format!("the account can log in with {shell}"));
            if view.file.slice(span) == shell {
                finding.safely(vec![edit(view, span)]);
            }
        }
        // The defaults: useradd takes what the system says, adduser a shell unless it makes a system account.
        None if program == "useradd" && !command.has_prefix("-r") && !command.has("--system") => {
            let span = view.place(instruction.span, program);
            report.add(&view.path, span, "the account gets the system's default shell");
        }
        None => {}
    }
}

fn edit(view: &DockerfileView, span: Span) -> Edit {
    Edit {
        path: view.path.clone(),
        span,
        text: NOLOGIN.into(),
    }
}

/// Lines of a passwd file in a here-document.
fn passwd(view: &DockerfileView, instruction: &Instruction, report: &mut Report) {
    let Kind::Copy(transfer) = &instruction.kind else {
        return;
    };
    if transfer.destination != "/etc/passwd" {
        return;
    }
    let mut uids = BTreeSet::new();
    for line in transfer.heredocs.iter().flat_map(|heredoc| heredoc.raw.lines()) {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, uid, .., shell] = fields.as_slice() else {
            continue;
        };
        let place = view.place(instruction.span, line);
        if !uids.insert(uid.to_string()) {
            report.add(&view.path, place, format!("the uid {uid} is there twice"));
        }
        if !is_closed(shell) && !shell.is_empty() {
            let span = Span::new(place.end - shell.len(), place.end);
            let finding = report.add(&view.path, span, format!("the account can log in with {shell}"));
            finding.safely(vec![edit(view, span)]);
        }
    }
}
