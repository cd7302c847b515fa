//! # Tools of CI are pinned and verified
//!
//! A workflow that downloads a tool names its version and compares its hash; nothing is piped into a shell.
//!
//! # Why
//! The tool that builds or signs the image decides what is in it. Downloaded as "latest", it is whatever the other
//! side serves at that moment.
//!
//! # Bad
//! ```yaml bad .github/workflows/ci.yml
//! on: push
//! jobs:
//!   test:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: curl -sSfL https://example.org/install.sh | sh
//! ```
//! # Good
//! ```yaml good .github/workflows/ci.yml
//! on: push
//! jobs:
//!   test:
//!     runs-on: ubuntu-24.04
//!     steps:
//!       - run: |
//!           curl -sSfLo tool https://example.org/1.2.3/tool
//!           echo "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  tool" | sha256sum --check
//! ```
//! # Fix
//! Name the version in the address and compare the hash with `sha256sum --check`; `pip install --require-hashes`.

use crate::command::{SimpleCommand, of_line};
use crate::repository::YamlKind;
use crate::rule::Report;
use crate::workflow::{jobs, run as script};
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for workflow in repository.of_kind(YamlKind::Workflow) {
        for step in jobs(workflow).iter().flat_map(|job| job.steps()) {
            let text = script(step).replace("\\\n", " ");
            let commands = of_line(&text);
            let place = step.get("run").map_or(step.span, |node| node.span);
            if let Some(message) = unverified(&commands) {
                report.add(&workflow.path, place, message);
            }
        }
    }
}

/// What is not verified about downloads among the commands of one script.
pub(super) fn unverified(commands: &[SimpleCommand]) -> Option<String> {
    let fetches = |command: &SimpleCommand| matches!(command.program(), "curl" | "wget");
    let shell = |command: &SimpleCommand| matches!(command.program(), "sh" | "bash" | "zsh" | "python" | "python3");
    let mut pairs = commands.windows(2);
    if pairs.any(|pair| pair[0].piped && fetches(&pair[0]) && shell(&pair[1])) {
        return Some("a download is run without looking at it".into());
    }
    let checks = |command: &SimpleCommand| {
        let program = command.program();
        let sums = program.ends_with("sum") && (command.has("-c") || command.has("--check") || command.has_prefix("-c"));
        sums || matches!(program, "gpg" | "gpgv" | "cosign" | "minisign" | "slsa-verifier")
    };
    let keeps = |command: &&SimpleCommand| {
        let saves = command.has("-O") || command.has("-o") || command.has_prefix("-o") || command.program() == "wget";
        let flags = command.words.iter().any(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with(['o', 'O']));
        fetches(command) && (saves || flags || command.piped) && !command.has_prefix("http://localhost")
    };
    let download = commands.iter().find(keeps)?;
    let address = download.words.iter().find(|word| word.contains("://"))?;
    (!commands.iter().any(checks)).then(|| format!("{address} is used without comparing a hash or signature"))
}
