use super::{CiReport, ImageOutcome, escape};

/// The report as JUnit reads it: one suite for the check, one for each image.
pub fn junit(report: &CiReport) -> String {
    let mut suites = vec![check(report)];
    suites.extend(report.images.iter().map(image));
    let failures = |suite: &Suite| suite.cases.iter().filter(|case| case.failure.is_some()).count();
    let all: usize = suites.iter().map(failures).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"praxis ci\" failures=\"{all}\" time=\"{:.3}\">\n",
        report.seconds
    );
    for suite in &suites {
        text.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" time=\"{:.3}\">\n",
            escape(&suite.name),
            suite.cases.len(),
            failures(suite),
            suite.seconds
        ));
        for case in &suite.cases {
            let head = format!(
                "    <testcase classname=\"{}\" name=\"{}\"",
                escape(&suite.name),
                escape(&case.name)
            );
            text.push_str(&match &case.failure {
                None => format!("{head}/>\n"),
                Some(why) => format!(
                    "{head}>\n      <failure message=\"{}\"/>\n    </testcase>\n",
                    escape(why)
                ),
            });
        }
        text.push_str("  </testsuite>\n");
    }
    text + "</testsuites>\n"
}

struct Suite {
    name: String,
    seconds: f64,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    failure: Option<String>,
}

fn check(report: &CiReport) -> Suite {
    let mut cases: Vec<Case> = report
        .check
        .findings
        .iter()
        .map(|finding| Case {
            name: format!("{} {}:{}", finding.rule, finding.path, finding.line),
            failure: finding.fails.then(|| finding.message.clone()),
        })
        .collect();
    if cases.is_empty() {
        cases.push(Case {
            name: "all rules".into(),
            failure: None,
        });
    }
    Suite {
        name: "check".into(),
        seconds: report.check.seconds,
        cases,
    }
}

fn image(image: &ImageOutcome) -> Suite {
    let mut cases = vec![Case {
        name: "build".into(),
        failure: image.error.clone(),
    }];
    for test in image.test.iter().flat_map(|test| &test.tests) {
        cases.extend(test.assertions.iter().map(|assertion| Case {
            name: format!("{}: {}", test.name, assertion.what),
            failure: assertion.instead.clone(),
        }));
    }
    cases.extend(image.verified.iter().map(|one| Case {
        name: format!("verify: {}", one.what),
        failure: one.instead.clone(),
    }));
    Suite {
        name: format!("image {}", image.label()),
        seconds: image.seconds,
        cases,
    }
}
