//! Nothing of the catalogue is missing: neither a check of BuildKit's nor a rule of ours.

use super::{BUILDKIT, buildkit};
use crate::{Facts, MemoryTree, RULES, Repository, check};

/// The rules that the catalogue demands, by group: base, stages, user, labels, deployment, CI, runtime, attestation.
const CATALOGUE: [(u32, u32); 8] = [
    (101, 110),
    (201, 208),
    (301, 307),
    (401, 406),
    (501, 507),
    (601, 607),
    (701, 703),
    (801, 804),
];

/// Rules of the catalogue that are not there yet.
const MISSING: [&str; 0] = [];

#[test]
fn every_rule_of_the_catalogue_is_there_or_named_as_missing() {
    let wanted = CATALOGUE.into_iter().flat_map(|(first, last)| first..=last);
    let absent: Vec<String> = wanted
        .map(|number| format!("PX{number}"))
        .filter(|id| RULES.iter().all(|rule| rule.id != id))
        .collect();
    assert_eq!(absent, MISSING);
}

#[test]
fn every_check_of_buildkit_has_a_page_and_finds_its_example() {
    assert_eq!(BUILDKIT.len(), 22);
    let in_builds = include_str!("../../../plan/src/check_tests.rs");
    for name in BUILDKIT {
        let known = buildkit::CHECKS.iter().find(|check| check.name == name);
        let known = known.unwrap_or_else(|| panic!("{name} has no page and no example"));
        if known.in_builds {
            assert!(in_builds.contains(name), "{name} has no test");
            continue;
        }
        let tree = MemoryTree::default()
            .with("Dockerfile", known.bad)
            .with(".dockerignore", "ignored\n");
        let facts = Facts {
            today: "2026-11-25".into(),
            git: None,
        };
        let found = check(&Repository::read(&tree, facts).unwrap()).unwrap();
        let names: Vec<&str> = found
            .iter()
            .map(|finding| finding.rule.as_str())
            .filter(|rule| !rule.starts_with("PX"))
            .collect();
        assert_eq!(names, [name], "{}", known.bad);
    }
    assert_eq!(buildkit::CHECKS.len(), 22, "a check has two pages");
}
