use serde_json::{Value, json};

use super::place;
use crate::{Finding, Repository};

pub(super) fn write(repository: &Repository, findings: &[Finding]) -> String {
    let findings: Vec<Value> = findings.iter().map(|finding| one(repository, finding)).collect();
    let document = json!({ "version": 1, "findings": findings });
    format!("{document:#}\n")
}

fn one(repository: &Repository, finding: &Finding) -> Value {
    let place = place(repository, finding).unwrap_or_default();
    let fix = finding.fix.as_ref().map(|fix| {
        let edits = fix.edits.iter().map(|edit| {
            json!({ "path": edit.path, "start": edit.span.start, "end": edit.span.end, "text": edit.text })
        });
        json!({ "safe": fix.safe, "edits": edits.collect::<Vec<Value>>() })
    });
    json!({
        "rule": finding.rule,
        "severity": finding.severity.to_string(),
        "confidence": finding.confidence.name(),
        "path": finding.path,
        "line": place.line,
        "column": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
        "message": finding.message,
        "why": finding.why,
        "help": finding.help,
        "page": finding.page,
        "fix": fix,
    })
}
