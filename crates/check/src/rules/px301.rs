//! # The image runs as the declared user
//!
//! The last USER of the final image is `image.user` of praxis.toml, as numbers. Without a declaration there must be a
//! numeric user other than 0 under the preset `adr-0032`.
//!
//! # Why
//! An orchestrator can check a number against its policy, but not a name: `runAsNonRoot` refuses to start an image
//! whose user is a name.
//!
//! # Bad
//! ```toml both praxis.toml
//! preset = "adr-0032"
//! [image]
//! user = "10001:10001"
//! required-labels = []
//! ```
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! USER app
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! USER 10001:10001
//! ```
//! # Fix
//! Write `USER` with the declared numbers; `praxis check --fix=unsafe` does.

use praxis_dockerfile::Kind;

use crate::policy::Preset;
use crate::rule::Report;
use crate::{DockerfileView, Edit, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let policy = &repository.policy;
    for view in repository.dockerfiles.iter().filter(|view| view.config.is_some()) {
        match &policy.image.user {
            Some(declared) => declared_user(view, declared, report),
            None if policy.preset != Preset::Minimal => any_number(view, report),
            None => {}
        }
    }
}

fn declared_user(view: &DockerfileView, declared: &str, report: &mut Report) {
    let user = view.user();
    let uid = declared.split(':').next().unwrap_or(declared);
    let same = user == declared || !declared.contains(':') && user.split(':').next() == Some(uid);
    if same {
        return;
    }
    let Some(instruction) = view.user_instruction() else {
        report.add(&view.path, view.last_from(), format!("no USER; praxis.toml declares {declared}"));
        return;
    };
    let Kind::User(written) = &instruction.kind else {
        return;
    };
    let span = view.place(instruction.span, written);
    let finding = report.add(&view.path, span, format!("USER is {user:?}; praxis.toml declares {declared}"));
    finding.unsafely(vec![Edit {
        path: view.path.clone(),
        span,
        text: declared.into(),
    }]);
}

fn any_number(view: &DockerfileView, report: &mut Report) {
    let user = view.user();
    let uid = user.split(':').next().unwrap_or_default();
    let place = view.user_instruction().map_or(view.last_from(), |instruction| instruction.span);
    match uid.parse::<u32>() {
        Ok(0) => _ = report.add(&view.path, place, "the image runs as root"),
        Ok(_) => {}
        Err(_) if user.is_empty() => _ = report.add(&view.path, place, "no USER: the image runs as its base does"),
        Err(_) => _ = report.add(&view.path, place, format!("USER {user} is a name, not a number")),
    }
}
