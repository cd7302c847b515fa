//! What `praxis ci` found, and how it is written.

mod html;
mod junit;
mod markdown;

pub use html::html;
pub use junit::junit;
pub use markdown::markdown;

use praxis_engine::{Assertion, SmokeReport};
use praxis_oci::Digest;
use serde::Serialize;

use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;

/// Everything that was done, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct CiReport {
    /// Version of praxis.
    pub praxis: String,
    /// Whether everything passes.
    pub passed: bool,
    /// The directory.
    pub context: String,
    /// The commit, where there is one.
    pub revision: Option<String>,
    /// Whether the work tree was that commit and nothing else.
    pub clean: bool,
    /// When it ended, RFC 3339.
    pub time: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Whether this command can publish anything: never.
    pub can_push: bool,
    /// Credentials that were in reach all the same, because they were allowed.
    pub credentials_in_reach: Vec<String>,
    /// The check.
    pub check: CheckOutcome,
    /// The images.
    pub images: Vec<ImageOutcome>,
}

/// What the rules found.
#[derive(Clone, Debug, Serialize)]
pub struct CheckOutcome {
    /// Whether nothing reaches the threshold.
    pub passed: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// The findings.
    pub findings: Vec<FoundAt>,
}

/// A finding and its place.
#[derive(Clone, Debug, Serialize)]
pub struct FoundAt {
    /// The rule.
    pub rule: String,
    /// error, warning or note.
    pub severity: String,
    /// Whether it makes the check fail.
    pub fails: bool,
    /// The file.
    pub path: String,
    /// Line and column, from 1; 0 for the whole file.
    pub line: usize,
    /// Column.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// One image, built and tested.
#[derive(Clone, Debug, Serialize)]
pub struct ImageOutcome {
    /// The variant; none for the default image.
    pub variant: Option<String>,
    /// The name in the store.
    pub name: String,
    /// Digest of the manifest or index.
    pub digest: Option<Digest>,
    /// Steps, and how many of them were in the store.
    pub steps: usize,
    /// Steps that were in the store.
    pub cached: usize,
    /// How long building took, in seconds.
    pub seconds: f64,
    /// Why it could not be built or tested.
    pub error: Option<String>,
    /// Its smoke tests.
    pub test: Option<SmokeReport>,
    /// What a release will want to know of it.
    pub verified: Vec<Assertion>,
}

impl ImageOutcome {
    /// Whether it was built and all its tests pass.
    pub fn passed(&self) -> bool {
        let tested = self.test.as_ref().is_some_and(|test| test.passed);
        self.error.is_none() && tested && self.verified.iter().all(|one| one.holds)
    }

    /// How it is called in reports.
    pub fn label(&self) -> String {
        self.variant.clone().unwrap_or_else(|| "default".into())
    }
}

impl CiReport {
    /// A few lines for a terminal.
    pub fn text(&self, style: Style) -> String {
        let mark = |passed: bool| {
            if passed {
                style.good("✔")
            } else {
                style.bad("✘")
            }
        };
        let count = |severity: &str| {
            self.check
                .findings
                .iter()
                .filter(|it| it.severity == severity)
                .count()
        };
        let mut text = format!(
            "{} check  {} errors, {} warnings\n",
            mark(self.check.passed),
            count("error"),
            count("warning")
        );
        for finding in self.check.findings.iter().filter(|it| it.fails) {
            text.push_str(&format!(
                "    {}:{}:{}: {} {}\n",
                sanitize(&finding.path),
                finding.line,
                finding.column,
                finding.rule,
                sanitize(&finding.message)
            ));
        }
        for image in &self.images {
            let built = image
                .digest
                .map_or_else(|| "not built".to_string(), |digest| digest.to_string());
            text.push_str(&format!(
                "{} build  {} {built}, {} of {} steps cached\n",
                mark(image.digest.is_some()),
                sanitize(&image.name),
                image.cached,
                image.steps
            ));
            if let Some(error) = &image.error {
                text.push_str(&format!("    {}\n", sanitize(error)));
            }
            let Some(test) = &image.test else { continue };
            let passed = test.tests.iter().filter(|it| it.passed).count();
            text.push_str(&format!(
                "{} test   {passed} of {} passed\n",
                mark(test.passed),
                test.tests.len()
            ));
            let failed = test
                .tests
                .iter()
                .flat_map(|it| it.assertions.iter().map(move |one| (it, one)));
            for (test, assertion) in failed.filter(|(_, assertion)| !assertion.holds) {
                let instead = assertion.instead.clone().unwrap_or_default();
                text.push_str(&format!(
                    "    {}: {}: {}\n",
                    sanitize(&test.name),
                    sanitize(&assertion.what),
                    sanitize(&instead)
                ));
            }
            let wrong: Vec<&Assertion> = image.verified.iter().filter(|one| !one.holds).collect();
            text.push_str(&format!("{} verify {}\n", mark(wrong.is_empty()), verdict(image)));
            for one in wrong {
                let instead = one.instead.as_deref().unwrap_or_default();
                text.push_str(&format!("    {}: {}\n", sanitize(&one.what), sanitize(instead)));
            }
        }
        for name in &self.credentials_in_reach {
            text.push_str(&format!(
                "{} credentials in reach: {}\n",
                style.notable("!"),
                sanitize(name)
            ));
        }
        let outcome = if self.passed { "passed" } else { "failed" };
        text.push_str(&format!("{outcome} in {:.1} s\n", self.seconds));
        text
    }
}

/// How much of what is verified holds.
fn verdict(image: &ImageOutcome) -> String {
    let holds = image.verified.iter().filter(|one| one.holds).count();
    format!("{holds} of {} hold", image.verified.len())
}

/// A text for XML and HTML: no markup, no control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in sanitize(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report with something hostile in every text.
    pub fn hostile() -> CiReport {
        let evil = "<script>alert(1)</script>&\"'|`\u{1b}[2J";
        let digest = Digest::of(b"x");
        CiReport {
            praxis: "0".into(),
            passed: false,
            context: evil.into(),
            revision: Some(evil.into()),
            time: "2026-11-25T12:00:00Z".into(),
            seconds: 1.0,
            clean: true,
            can_push: false,
            credentials_in_reach: vec![evil.into()],
            check: CheckOutcome {
                passed: false,
                seconds: 0.1,
                findings: vec![FoundAt {
                    rule: "PX101".into(),
                    severity: "error".into(),
                    fails: true,
                    path: evil.into(),
                    line: 3,
                    column: 1,
                    message: evil.into(),
                    help: evil.into(),
                }],
            },
            images: vec![ImageOutcome {
                verified: vec![Assertion {
                    what: evil.into(),
                    holds: false,
                    instead: Some(evil.into()),
                }],
                variant: Some(evil.into()),
                name: evil.into(),
                digest: Some(digest),
                steps: 3,
                cached: 1,
                seconds: 0.5,
                error: Some(evil.into()),
                test: Some(SmokeReport {
                    digest,
                    passed: false,
                    tests: vec![praxis_engine::SmokeResult {
                        name: evil.into(),
                        passed: false,
                        seconds: 0.2,
                        assertions: vec![praxis_engine::Assertion {
                            what: evil.into(),
                            holds: false,
                            instead: Some(evil.into()),
                        }],
                        stdout: evil.into(),
                        stderr: evil.into(),
                        unenforced: vec![evil.into()],
                    }],
                }),
            }],
        }
    }

    #[test]
    fn nothing_that_was_found_becomes_markup() {
        let report = hostile();
        for text in [html(&report), junit(&report)] {
            assert!(!text.contains("<script>") && !text.contains('\u{1b}'), "{text}");
            assert!(
                text.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;"),
                "{text}"
            );
        }
        let text = markdown(&report);
        assert!(
            !text.contains("<script>") && !text.contains('\u{1b}') && !text.contains("'|`"),
            "{text}"
        );
        assert!(!report.text(Style::none()).contains('\u{1b}'));
    }
}
