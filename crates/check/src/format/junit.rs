use std::collections::BTreeMap;

use praxis_source::Severity;

use super::place;
use crate::{Finding, Repository};

pub(super) fn write(repository: &Repository, findings: &[Finding]) -> String {
    let mut files: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for view in &repository.dockerfiles {
        files.insert(&view.path, Vec::new());
    }
    for file in &repository.yaml {
        files.insert(&file.path, Vec::new());
    }
    for finding in findings {
        files.entry(&finding.path).or_default().push(finding);
    }
    let failed = findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .count();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text.push_str(&format!(
        "<testsuites name=\"praxis check\" failures=\"{failed}\">\n"
    ));
    for (path, findings) in files {
        let failures = findings
            .iter()
            .filter(|finding| finding.severity != Severity::Note)
            .count();
        let tests = findings.len().max(1);
        let name = escape(path);
        text.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">\n"
        ));
        if findings.is_empty() {
            text.push_str(&format!(
                "    <testcase classname=\"{name}\" name=\"all rules\"/>\n"
            ));
        }
        for finding in findings {
            case(repository, finding, &name, &mut text);
        }
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

fn case(repository: &Repository, finding: &Finding, class: &str, text: &mut String) {
    let place = place(repository, finding).unwrap_or_default();
    let name = format!("{} {}:{}", escape(&finding.rule), place.line, place.column);
    text.push_str(&format!("    <testcase classname=\"{class}\" name=\"{name}\">\n"));
    let (message, body) = (escape(&finding.message), escape(&finding.help));
    let element = if finding.severity == Severity::Note {
        "system-out"
    } else {
        "failure"
    };
    match element {
        "failure" => {
            let kind = finding.severity;
            text.push_str(&format!(
                "      <failure type=\"{kind}\" message=\"{message}\">{body}</failure>\n"
            ));
        }
        _ => text.push_str(&format!("      <system-out>{message}</system-out>\n")),
    }
    text.push_str("    </testcase>\n");
}

fn escape(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'));
    let mut escaped = String::new();
    for character in kept {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push_str(&format!("&#{};", character as u32)),
            other => escaped.push(other),
        }
    }
    escaped
}
