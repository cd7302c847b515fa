//! Every rule has a page, and its examples say what they claim.

use std::path::Path;

use praxis_source::Severity;

use crate::{Facts, Finding, ImageView, MemoryTree, RULES, Repository, check, check_image};

fn findings(tree: &MemoryTree) -> Vec<Finding> {
    let facts = Facts {
        today: "2026-11-25".into(),
        git: None,
    };
    let mut repository = Repository::read(tree, facts).unwrap();
    if let Ok(text) = crate::FileTree::read(tree, "registry.json") {
        repository.registries = serde_json::from_str(&text).unwrap();
    }
    let mut found = check(&repository).unwrap();
    if let Ok(text) = crate::FileTree::read(tree, "image.json") {
        let image = ImageView {
            name: "image".into(),
            evidence: serde_json::from_str(&text).unwrap(),
            ..ImageView::default()
        };
        found.extend(check_image(&repository.policy, &image));
    }
    found
}

#[test]
fn every_rule_has_a_page() {
    for rule in RULES {
        let page = rule.page();
        for (what, text) in [("title", &page.title), ("why", &page.why), ("fix", &page.fix)] {
            assert!(!text.is_empty(), "{} has no {what}", rule.id);
        }
        assert!(page.has_examples(), "{} has no bad or no good example", rule.id);
        assert!(page.why.len() > 60, "{}: the reason is too short", rule.id);
    }
}

#[test]
fn bad_examples_break_their_rule_and_good_ones_do_not() {
    for rule in RULES {
        let by_rule = |bad| {
            let tree = rule.page().example(bad);
            let tree = with_rule_on(tree, rule.id);
            let found = findings(&tree);
            found
                .into_iter()
                .filter(|finding| finding.rule == rule.id)
                .collect::<Vec<_>>()
        };
        let bad = by_rule(true);
        assert!(!bad.is_empty(), "{}: nothing found in the bad example", rule.id);
        let good = by_rule(false);
        assert!(
            good.is_empty(),
            "{}: found in the good example: {good:?}",
            rule.id
        );
        for finding in bad {
            let placed = finding.span.is_some() || finding.path == "image";
            assert!(placed && !finding.path.is_empty(), "{finding:?}");
        }
    }
}

/// A rule that the default policy leaves out is switched on for its own example.
fn with_rule_on(tree: MemoryTree, id: &str) -> MemoryTree {
    let has = crate::FileTree::read(&tree, "praxis.toml").unwrap_or_default();
    let text = match has.contains("[rules]") {
        true => has,
        false => format!("rules.{id} = \"error\"\n{has}"),
    };
    tree.with("praxis.toml", &text)
}

/// The pages under `docs/rules` are those of the sources. `WRITE_PAGES=1` writes them.
#[test]
fn pages_are_written_down() {
    let directory = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules"));
    let write = std::env::var_os("WRITE_PAGES").is_some();
    let mut expected = vec![("README.md".to_string(), crate::page::index())];
    expected.push(("buildkit.md".into(), crate::page::buildkit()));
    expected.extend(
        RULES
            .iter()
            .map(|rule| (format!("{}.md", rule.id), crate::page::whole(rule))),
    );
    for (name, text) in expected {
        let path = directory.join(&name);
        if write {
            std::fs::create_dir_all(directory).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == text,
            "docs/rules/{name} is not current: run scripts/rules"
        );
    }
}

/// Other tools' rules are mapped to rules that are there.
#[test]
fn the_mapping_names_rules_that_exist() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules/mapping.md");
    let text = std::fs::read_to_string(path).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let named: Vec<&str> = words
        .filter(|word| word.len() == 5 && word.starts_with("PX"))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(RULES.iter().any(|rule| rule.id == name), "{name}");
    }
}

#[test]
fn a_clean_file_is_clean() {
    let tree = MemoryTree::default().with("Dockerfile", "FROM scratch\nCOPY a /a\n");
    assert_eq!(findings(&tree), []);
}

#[test]
fn checks_of_buildkit_come_under_their_names() {
    let text = "from scratch as A\nCOPY a /a\nWORKDIR x\n";
    let found = findings(&MemoryTree::default().with("Dockerfile", text));
    let names: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
    assert!(
        names.contains(&"StageNameCasing") && names.contains(&"WorkdirRelativePath"),
        "{names:?}"
    );
    assert!(found.iter().all(|finding| finding.severity == Severity::Warning));
    let error = findings(&MemoryTree::default().with("Dockerfile", &format!("# check=error=true\n{text}")));
    assert!(error.iter().any(|finding| finding.severity == Severity::Error));
    let skip = findings(&MemoryTree::default().with("Dockerfile", &format!("# check=skip=all\n{text}")));
    assert_eq!(skip, []);
}

#[test]
fn waivers_count_for_their_instruction() {
    let waived = "# praxis: allow PX101 because of the mirror\nFROM debian:12\nFROM debian:13\n";
    let found = findings(&MemoryTree::default().with("Dockerfile", waived));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("debian:13"));
    let skipped = "# check=skip=PX101\nFROM debian:12\n";
    assert_eq!(findings(&MemoryTree::default().with("Dockerfile", skipped)), []);
    let heredoc = "FROM scratch\nCOPY <<E /a\n# praxis: allow PX101 because this is text\nE\n";
    assert_eq!(findings(&MemoryTree::default().with("Dockerfile", heredoc)), []);
}
