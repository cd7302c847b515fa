//! # The package manager leaves no cache behind
//!
//! A RUN that installs packages removes the lists and archives it fetched, or keeps them in a cache mount.
//!
//! # Why
//! The lists are tens of megabytes that every pull carries, and they make two builds of the same packages differ.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
//! ```
//! # Fix
//! End the RUN with `rm -rf /var/lib/apt/lists/*` (`apk add --no-cache`, `dnf clean all`), or mount a cache on it.

use praxis_dockerfile::Kind;

use super::packages;
use crate::Repository;
use crate::command::{SimpleCommand, commands};
use crate::rule::Report;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.runtime() {
            let commands = commands(instruction);
            let Kind::Run(run) = &instruction.kind else { continue };
            let mounted = run.mounts.iter().any(|mount| mount.0.contains("type=cache"));
            let installs = commands.iter().find(|command| !packages::installed(command).is_empty());
            if let Some(command) = installs.filter(|command| !mounted && !cleans(&commands, command)) {
                let program = command.program();
                let span = view.place(instruction.span, program);
                report.add(&view.path, span, format!("{program} leaves its cache in the layer"));
            }
        }
    }
}

fn cleans(commands: &[SimpleCommand], install: &SimpleCommand) -> bool {
    let any = |wanted: &dyn Fn(&SimpleCommand) -> bool| commands.iter().any(wanted);
    match install.program() {
        "apk" => {
            let removes = |one: &SimpleCommand| one.program() == "rm" && one.has_prefix("/var/cache/apk");
            install.has("--no-cache") || any(&removes)
        }
        "apt" | "apt-get" => any(&|one| one.program() == "rm" && one.has_prefix("/var/lib/apt")),
        _ => any(&|one| one.has("clean")) || any(&|one| one.program() == "rm" && one.has_prefix("/var/cache")),
    }
}
