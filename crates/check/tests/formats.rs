//! What programs read: SARIF by the schema of its standard, JUnit as XML, JSON.

use praxis_check::{Facts, Finding, Format, MemoryTree, Repository, check, write};
use serde_json::Value;

/// The schema of OASIS, "Static Analysis Results Format (SARIF) Version 2.1.0", as the crate serde-sarif (MIT) carries it.
const SCHEMA: &str = include_str!("schemas/sarif-2.1.0.json");

/// Files with findings of every severity, some without a place, and texts that mean something to each format.
fn drifted() -> (Repository, Vec<Finding>) {
    let tree = MemoryTree::default()
        .with("praxis.toml", "preset = \"strict\"\n[image]\nuser = \"10001:10001\"\n")
        .with("Dockerfile", "FROM debian:12\nMAINTAINER <a&\"b\">\nRUN cd /x && sudo true\nENV TOKEN=ghp_0123456789012345678901234567890123456\n")
        .with("a,b:c%\n]]>/Dockerfile", "FROM a\u{1b}[2J\nFROM debian:12\n# \u{e9}\nCOPPY \u{202e}<&\" /x\n")
        .with("deploy/values.yaml", "image:\n  repository: ghcr.io/x/y\n  tag: latest\n")
        .with(".github/workflows/x.yml", "on: pull_request_target\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n");
    let facts = Facts {
        today: "2026-11-25".into(),
        git: None,
    };
    let repository = Repository::read(&tree, facts).unwrap();
    let findings = check(&repository).unwrap();
    assert!(findings.len() > 8, "{findings:?}");
    (repository, findings)
}

#[test]
fn sarif_follows_the_schema_of_its_standard() {
    let (repository, findings) = drifted();
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
    // A pattern with a bracket too many, of fields that are not written here; some engines refuse it.
    for of in ["run", "toolComponent"] {
        let language = schema.pointer_mut(&format!("/definitions/{of}/properties/language"));
        assert!(
            language
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove("pattern")
                .is_some()
        );
    }
    let validator = jsonschema::draft7::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap();
    let mut document: Value = serde_json::from_str(&write(Format::Sarif, &repository, &findings)).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        document["runs"][0]["results"].as_array().unwrap().len(),
        findings.len()
    );
    // The validator does find what is wrong.
    document["runs"][0]["results"][0]["level"] = "fatal".into();
    assert!(!validator.is_valid(&document));
}

#[test]
fn every_rule_that_sarif_names_is_described_in_it() {
    let (repository, findings) = drifted();
    let document: Value = serde_json::from_str(&write(Format::Sarif, &repository, &findings)).unwrap();
    let rules = document["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    for finding in &findings {
        let described = rules.iter().any(|rule| rule["id"] == finding.rule.as_str());
        assert!(described, "{}", finding.rule);
    }
}

#[test]
fn junit_is_xml_and_counts_what_it_holds() {
    let (repository, findings) = drifted();
    let text = write(Format::Junit, &repository, &findings);
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    let all = |name: &str| root.descendants().filter(|node| node.has_tag_name(name)).count();
    assert_eq!(
        root.attribute("failures"),
        Some(all("failure").to_string().as_str())
    );
    assert_eq!(
        root.attribute("tests"),
        Some(all("testcase").to_string().as_str())
    );
    assert_eq!(all("failure") + all("system-out"), findings.len());
    let messages: Vec<_> = root
        .descendants()
        .filter_map(|node| node.attribute("message"))
        .collect();
    assert!(
        findings
            .iter()
            .any(|one| messages.contains(&one.message.as_str()))
    );
}

#[test]
fn json_is_one_document() {
    let (repository, findings) = drifted();
    let document: Value = serde_json::from_str(&write(Format::Json, &repository, &findings)).unwrap();
    assert_eq!(document["findings"].as_array().unwrap().len(), findings.len());
}
