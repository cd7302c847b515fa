//! # Variants are declared and labelled
//!
//! Every variant of `[variants]` has its stage, and the stage says so in the label `io.praxis.variant`. A stage that
//! nothing uses is a variant that nobody declared.
//!
//! # Why
//! An image whose optional parts cannot be told from its labels is taken for the default one.
//!
//! # Bad
//! ```toml both praxis.toml
//! [variants.tsa]
//! stage = "runtime-tsa"
//! extras = ["tsa"]
//! ```
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS runtime-tsa
//! RUN true
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa AS runtime-tsa
//! LABEL io.praxis.variant="tsa"
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! Add `LABEL io.praxis.variant="NAME"` to the stage, or declare the stage in `[variants]`.

use praxis_dockerfile::{Kind, Stage};

use crate::images::BaseView;
use crate::policy::{FILE, span};
use crate::rule::Report;
use crate::{DockerfileView, Repository};

const LABEL: &str = "io.praxis.variant";

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let variants = &repository.policy.variants;
    if variants.is_empty() {
        return;
    }
    for (name, variant) in variants {
        let mut all = repository.dockerfiles.iter().flat_map(|view| {
            let stages = view.tree.stages.iter();
            stages.map(move |stage| (view, stage))
        });
        let found = all.find(|(_, stage)| stage.from.name.as_deref() == Some(&variant.stage));
        match found {
            None => {
                let message = format!("no Dockerfile has the stage {:?} of the variant", variant.stage);
                report.add(FILE, span(name), message);
            }
            Some((view, stage)) if !labelled(stage, name.get_ref()) => {
                let message = format!("the stage has no label {LABEL}={:?}", name.get_ref());
                report.add(&view.path, stage.from.span, message);
            }
            Some(_) => {}
        }
    }
    for view in &repository.dockerfiles {
        for (index, stage) in view.tree.stages.iter().enumerate() {
            let Some(name) = &stage.from.name else { continue };
            let declared = variants.values().any(|variant| &variant.stage == name);
            if !declared && index + 1 < view.tree.stages.len() && !used(view, index, name) {
                report.add(&view.path, stage.from.span, format!("the stage {name} is no declared variant"));
            }
        }
    }
}

fn labelled(stage: &Stage, variant: &str) -> bool {
    stage.instructions.iter().any(|one| match &one.kind {
        Kind::Label(pairs) => pairs.iter().any(|pair| {
            pair.key.trim_matches('"') == LABEL && pair.value.trim_matches('"') == variant
        }),
        _ => false,
    })
}

/// Whether another stage starts or copies from it.
fn used(view: &DockerfileView, index: usize, name: &str) -> bool {
    let number = index.to_string();
    let by_name = |from: &str| from.eq_ignore_ascii_case(name) || from == number;
    view.bases.contains(&BaseView::Stage(index))
        || view.tree.instructions().any(|one| match &one.kind {
            Kind::Copy(transfer) => transfer.from.as_deref().is_some_and(by_name),
            Kind::Run(run) => run.mounts.iter().any(|mount| mount.from().as_deref().is_some_and(by_name)),
            _ => false,
        })
}
