//! # Installs are locked by hash
//!
//! `pip install` has `--require-hashes` or takes no dependencies from outside (`--no-deps`, `--no-index`); npm,
//! yarn, pnpm, uv and cargo install from their lock files.
//!
//! # Why
//! Whatever a registry answers on the day of the build becomes part of the image. A version does not help: the same
//! version can be served with other bytes.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN pip install -r requirements.txt
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN pip install --require-hashes -r requirements.txt
//! ```
//! # Fix
//! Lock the dependencies with hashes (`pip-compile --generate-hashes`, `uv lock`, `package-lock.json`) and install
//! from the lock: `pip install --require-hashes`, `npm ci`, `yarn install --immutable`, `cargo install --locked`.

use crate::command::{SimpleCommand, commands};
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.tree.instructions() {
            for command in commands(instruction) {
                if let Some(message) = unlocked(&command) {
                    let word = command.words.first().map_or("", String::as_str);
                    report.add(&view.path, view.place(instruction.span, word), message);
                }
            }
        }
    }
}

/// What is not locked about a command that installs.
fn unlocked(command: &SimpleCommand) -> Option<&'static str> {
    let any = |words: &[&str]| words.iter().any(|word| command.has(word));
    match command.program() {
        "pip" | "pip3" => pip(command),
        name if name.starts_with("python") && command.has("pip") => pip(command),
        "uv" if command.has("pip") => pip(command),
        "uv" if command.is(&["uv"], "sync") && !any(&["--frozen", "--locked"]) => {
            Some("uv sync may change the lock: --frozen or --locked is missing")
        }
        "npm" if any(&["install", "i", "add"]) && !any(&["--package-lock-only"]) => {
            Some("npm install may change the lock: npm ci installs what it says")
        }
        "yarn" if any(&["install", "add"]) || command.words.len() == 1 => {
            let locked = any(&["--frozen-lockfile", "--immutable"]);
            (!locked).then_some("yarn install may change the lock: --immutable or --frozen-lockfile is missing")
        }
        "pnpm" if any(&["install", "i", "add"]) && !any(&["--frozen-lockfile"]) => {
            Some("pnpm install may change the lock: --frozen-lockfile is missing")
        }
        "cargo" if command.is(&["cargo"], "install") && !any(&["--locked", "--frozen"]) => {
            Some("cargo install ignores the lock: --locked is missing")
        }
        _ => None,
    }
}

fn pip(command: &SimpleCommand) -> Option<&'static str> {
    let any = |words: &[&str]| words.iter().any(|word| command.has(word));
    let installs = command.has("install");
    let closed = any(&["--require-hashes", "--no-deps", "--no-index", "--dry-run"]);
    (installs && !closed).then_some("pip install takes what the index answers: --require-hashes is missing")
}
