//! Which level a rule has under a policy.

use praxis_source::Severity;

use crate::policy::{Policy, Preset};
use crate::rule::{Level, Rule};

/// The level of `rule`; `None` if it does not run.
pub(crate) fn severity(policy: &Policy, rule: &Rule) -> Option<Severity> {
    if let Some(level) = level_of(policy, rule.id) {
        return level.severity();
    }
    match policy.preset {
        Preset::Minimal => rule.minimal.severity(),
        Preset::Adr0032 => rule.level.severity(),
        Preset::Strict => rule.level.severity().map(|_| Severity::Error),
    }
}

/// The level of a check that BuildKit has too.
pub(crate) fn buildkit(policy: &Policy, name: &str, asked_for: bool) -> Option<Severity> {
    match level_of(policy, name) {
        Some(level) => level.severity(),
        None if asked_for || policy.preset == Preset::Strict => Some(Severity::Error),
        None => Some(Severity::Warning),
    }
}

/// The level of a rule of the repository's own: an error where it denies, a warning where it warns.
pub(crate) fn own(policy: &Policy, name: &str, denies: bool) -> Option<Severity> {
    match level_of(policy, name) {
        Some(level) => level.severity(),
        None if denies || policy.preset == Preset::Strict => Some(Severity::Error),
        None => Some(Severity::Warning),
    }
}

fn level_of(policy: &Policy, name: &str) -> Option<Level> {
    let mut named = policy.rules.iter();
    named
        .find(|(rule, _)| rule.get_ref() == name)
        .map(|(_, level)| *level)
}
