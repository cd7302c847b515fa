//! SARIF 2.1.0, as code scanning services read it.

use serde_json::{Value, json};

use super::place;
use crate::{Finding, RULES, Repository};

pub(super) fn write(repository: &Repository, findings: &[Finding]) -> String {
    let mut rules: Vec<Value> = RULES.iter().map(rule).collect();
    rules.extend(crate::rules::BUILDKIT.iter().map(
        |name| json!({ "id": name, "shortDescription": { "text": format!("BuildKit's check {name}") } }),
    ));
    let own: std::collections::BTreeSet<&str> = findings
        .iter()
        .filter(|finding| crate::own_rules::is_name(&finding.rule))
        .map(|finding| finding.rule.as_str())
        .collect();
    rules.extend(
        own.into_iter().filter(|name| !crate::policy::is_rule(name)).map(
            |name| json!({ "id": name, "shortDescription": { "text": "A rule of the repository's own" } }),
        ),
    );
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| result(repository, finding))
        .collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "praxis check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{document:#}\n")
}

fn rule(rule: &crate::Rule) -> Value {
    let page = rule.page();
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": { "text": page.title },
        "fullDescription": { "text": page.why },
        "help": { "text": page.fix },
    })
}

fn result(repository: &Repository, finding: &Finding) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&finding.path) } });
    if let Some(place) = place(repository, finding) {
        physical["region"] = json!({
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        });
    }
    json!({
        "ruleId": finding.rule,
        "level": finding.severity.to_string(),
        "message": { "text": finding.message },
        "locations": [{ "physicalLocation": physical }],
        "properties": { "confidence": finding.confidence.name() },
    })
}

/// A path as a relative URI.
fn uri(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                text.push(byte as char)
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}
