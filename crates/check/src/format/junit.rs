use std::collections::BTreeMap;

use praxis_source::Severity;

use super::place;
use crate::junit::{Case, Outcome, Report, Suite};
use crate::{Finding, Repository};

/// A suite for every file that was read, with a case for every finding.
pub(super) fn write(repository: &Repository, findings: &[Finding]) -> String {
    let mut files: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    let read = repository.dockerfiles.iter().map(|view| view.path.as_str());
    for path in read.chain(repository.yaml.iter().map(|file| file.path.as_str())) {
        files.insert(path, Vec::new());
    }
    for finding in findings {
        files
            .entry(&finding.path)
            .or_default()
            .push(case(repository, finding));
    }
    let suites = files.into_iter().map(|(path, mut cases)| {
        if cases.is_empty() {
            cases.push(Case {
                name: "all rules".into(),
                outcome: Outcome::Passed,
            });
        }
        Suite {
            name: path.into(),
            seconds: None,
            cases,
        }
    });
    let report = Report {
        name: "praxis check".into(),
        seconds: None,
        suites: suites.collect(),
    };
    report.to_xml()
}

fn case(repository: &Repository, finding: &Finding) -> Case {
    let place = place(repository, finding).unwrap_or_default();
    Case {
        name: format!("{} {}:{}", finding.rule, place.line, place.column),
        outcome: match finding.severity {
            Severity::Note => Outcome::Noted(finding.message.clone()),
            _ => Outcome::Failed {
                kind: finding.severity.to_string(),
                message: finding.message.clone(),
                help: finding.help.clone(),
            },
        },
    }
}
