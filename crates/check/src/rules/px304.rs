//! # No setuid bits and no file capabilities
//!
//! The final image sets no setuid or setgid bit (`chmod u+s`, `chmod 4755`, `--chmod=4755`) and no file capability
//! (`setcap`).
//!
//! # Why
//! Such a file gives whoever runs it more than they have; it is the first step out of a container.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN chmod u+s /usr/bin/tool
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN chmod 0755 /usr/bin/tool
//! ```
//! # Fix
//! Give the process what it needs when it starts, or drop the bit: `chmod a-s`.

use praxis_dockerfile::Kind;

use crate::command::{SimpleCommand, commands};
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.runtime() {
            for command in commands(instruction) {
                if let Some((word, message)) = raises(&command) {
                    report.add(&view.path, view.place(instruction.span, word), message);
                }
            }
            if let Kind::Copy(transfer) | Kind::Add(transfer) = &instruction.kind
                && let Some(mode) = transfer.chmod.as_deref().filter(|mode| is_special(mode))
            {
                report.add(&view.path, view.place(instruction.span, mode), format!("the mode {mode} is setuid or setgid"));
            }
        }
    }
}

fn raises(command: &SimpleCommand) -> Option<(&str, String)> {
    match command.program() {
        "setcap" if !command.has("-r") => Some(("setcap", "a file gets capabilities".into())),
        "chmod" => {
            let mode = command.operands().next().filter(|mode| is_special(mode))?;
            Some((mode, format!("the mode {mode} is setuid or setgid")))
        }
        _ => None,
    }
}

fn is_special(mode: &str) -> bool {
    if let Ok(bits) = u32::from_str_radix(mode, 8) {
        return bits & 0o6000 != 0;
    }
    mode.split(',').any(|clause| clause.split_once('+').is_some_and(|(_, bits)| bits.contains('s')))
}
