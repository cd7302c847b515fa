//! `praxis test`.

use std::path::Path;

use praxis_engine::{Policy, SmokeReport, SmokeRequest, SmokeResult, read_policy};

use super::{Outcome, Surroundings, result};
use crate::arguments::TestOptions;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;

/// Lines shown of what a failed test wrote.
const SHOWN: usize = 20;

/// Runs the smoke tests of an image.
pub fn run(options: &TestOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let policy = policy(&options.config)?;
    let request = SmokeRequest {
        image: options.image.clone(),
        platform: options.platform.platform.clone(),
        tests: policy.smoke,
        user: policy.image.user,
        variant: options.variant.clone(),
        writable: false,
    };
    let (engine, warning) = surroundings.engine_for(&[])?;
    if let Some(warning) = warning {
        eprintln!("warning: {warning}");
    }
    let cancel = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    let report = engine.0.smoke_test(&request, &cancel)?;
    let style = surroundings.style();
    result(options.format.json, &report, || as_text(&report, style))?;
    Ok(match report.passed {
        true => Outcome::Done,
        false => Outcome::Found,
    })
}

/// The policy in `path`; the empty one where the file that nobody named is not there.
fn policy(path: &Path) -> Result<Policy, Failure> {
    let usual = path == Path::new("praxis.toml");
    match usual && path.symlink_metadata().is_err() {
        true => Ok(Policy::default()),
        false => Ok(read_policy(path)?),
    }
}

fn as_text(report: &SmokeReport, style: Style) -> String {
    let mut text: String = report.tests.iter().map(|test| test_text(test, style)).collect();
    let passed = report.tests.iter().filter(|test| test.passed).count();
    text.push_str(&format!(
        "{passed} of {} tests passed: {}\n",
        report.tests.len(),
        report.digest
    ));
    text
}

fn test_text(test: &SmokeResult, style: Style) -> String {
    let mark = |holds: bool| {
        if holds {
            style.good("✔")
        } else {
            style.bad("✘")
        }
    };
    let mut text = format!(
        "{} {} ({:.2} s)\n",
        mark(test.passed),
        sanitize(&test.name),
        test.seconds
    );
    for assertion in &test.assertions {
        text.push_str(&format!(
            "    {} {}\n",
            mark(assertion.holds),
            sanitize(&assertion.what)
        ));
        if let Some(instead) = &assertion.instead {
            text.push_str(&format!("      {}\n", sanitize(instead)));
        }
    }
    for limit in &test.unenforced {
        text.push_str(&format!(
            "    {} not enforced here: {}\n",
            style.notable("!"),
            sanitize(limit)
        ));
    }
    if !test.passed {
        for (name, said) in [("stdout", &test.stdout), ("stderr", &test.stderr)] {
            let lines: Vec<&str> = said.lines().collect();
            for line in &lines[lines.len().saturating_sub(SHOWN)..] {
                text.push_str(&format!("      {name}: {}\n", sanitize(line)));
            }
        }
    }
    text
}
