//! # The default image has no extras
//!
//! The final stage and what it copies from install no extra of the project, and no package that only an extra needs.
//!
//! # Why
//! Extras are optional because they bring their own risks: a network client, a database driver. The default image
//! must be the one that the record describes; an extra belongs to a declared variant.
//!
//! # Bad
//! ```toml both praxis.toml
//! [extras.tsa]
//! packages = ["rfc3161-client"]
//! ```
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN pip install --require-hashes -r requirements.txt && pip install --no-deps .[tsa]
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN pip install --require-hashes -r requirements.txt && pip install --no-deps .
//! ```
//! # Fix
//! Install the extra in the stage of a variant, and declare it in `[variants]` of praxis.toml.

use crate::command::commands;
use crate::rule::Report;
use crate::{DockerfileView, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let policy = &repository.policy;
    for view in &repository.dockerfiles {
        let variants: Vec<&str> = policy.variants.values().map(|variant| variant.stage.as_str()).collect();
        let last = view.tree.stages.last().and_then(|stage| stage.from.name.as_deref());
        if last.is_some_and(|name| variants.contains(&name)) {
            continue;
        }
        for (extra, declared) in &policy.extras {
            for stage in stages(view, &variants) {
                for instruction in &view.tree.stages[stage].instructions {
                    for command in commands(instruction) {
                        let words = command.words.iter().skip(1);
                        let found = words.clone().find(|word| asks_for(word, extra) || named(word, &declared.packages));
                        let by_option = command.option(&["--extra"]) == Some(extra.as_str());
                        if let Some(word) = found.or(words.clone().find(|word| by_option && *word == extra)) {
                            let span = view.place(instruction.span, word);
                            report.add(&view.path, span, format!("the extra {extra} is in the default image"));
                        }
                    }
                }
            }
        }
    }
}

/// The stages that the default image is made from: all but those of variants.
fn stages(view: &DockerfileView, variants: &[&str]) -> Vec<usize> {
    let all = view.tree.stages.iter().enumerate();
    let kept = all.filter(|(_, stage)| !stage.from.name.as_deref().is_some_and(|name| variants.contains(&name)));
    kept.map(|(index, _)| index).collect()
}

/// Whether a word is a requirement with the extra: `.[tsa]`, `praxis[tsa,postgres]`.
fn asks_for(word: &str, extra: &str) -> bool {
    let inside = word.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    inside.is_some_and(|(names, _)| names.split(',').any(|name| name.trim() == extra))
}

fn named(word: &str, packages: &[String]) -> bool {
    let name = word.split(['=', '<', '>', '~', '[', '!', ';']).next().unwrap_or(word);
    packages.iter().any(|package| package == name)
}
