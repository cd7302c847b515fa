use crate::progress::sanitize::sanitize;
use praxis_check::junit::{Case, Outcome, Report, Suite};

use super::{CiReport, ImageOutcome};

/// The report as JUnit reads it: one suite for the check, one for each image.
pub fn junit(report: &CiReport) -> String {
    let mut suites = vec![check(report)];
    suites.extend(report.images.iter().map(image));
    let report = Report {
        name: "praxis ci".into(),
        seconds: Some(report.seconds),
        suites,
    };
    report.to_xml()
}

fn case(name: &str, failure: Option<&str>, help: &str) -> Case {
    Case {
        name: sanitize(name).into(),
        outcome: match failure {
            None => Outcome::Passed,
            Some(why) => Outcome::Failed {
                kind: "error".into(),
                message: sanitize(why).into(),
                help: sanitize(help).into(),
            },
        },
    }
}

fn check(report: &CiReport) -> Suite {
    let found = report.check.findings.iter().map(|finding| {
        let name = format!("{} {}:{}", finding.rule, finding.path, finding.line);
        let failure = finding.fails.then_some(finding.message.as_str());
        case(&name, failure, &finding.help)
    });
    let mut cases: Vec<Case> = found.collect();
    if cases.is_empty() {
        cases.push(case("all rules", None, ""));
    }
    Suite {
        name: "check".into(),
        seconds: Some(report.check.seconds),
        cases,
    }
}

fn image(image: &ImageOutcome) -> Suite {
    let mut cases = vec![case("build", image.error.as_deref(), "")];
    for test in image.test.iter().flat_map(|test| &test.tests) {
        cases.extend(test.assertions.iter().map(|assertion| {
            let name = format!("{}: {}", test.name, assertion.what);
            case(&name, assertion.instead.as_deref(), "")
        }));
    }
    cases.extend(
        image
            .verified
            .iter()
            .map(|one| case(&format!("verify: {}", one.what), one.instead.as_deref(), "")),
    );
    Suite {
        name: sanitize(&format!("image {}", image.label())).into(),
        seconds: Some(image.seconds),
        cases,
    }
}
