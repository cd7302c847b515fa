//! Rules, and running them.

use praxis_source::{Severity, Span};
use serde::Deserialize;

use crate::{CheckError, Confidence, Finding, Page, RULES, Repository, own_rules, preset, waiver};

/// How much a rule's findings matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The rule does not run.
    Off,
    /// Good to know.
    Note,
    /// Likely wrong.
    Warning,
    /// Wrong.
    Error,
}

impl Level {
    /// The severity of findings.
    pub(crate) fn severity(self) -> Option<Severity> {
        match self {
            Level::Off => None,
            Level::Note => Some(Severity::Note),
            Level::Warning => Some(Severity::Warning),
            Level::Error => Some(Severity::Error),
        }
    }
}

/// A rule.
pub struct Rule {
    /// `PX101`.
    pub id: &'static str,
    /// Its name in words, such as `unpinned-image`.
    pub name: &'static str,
    /// Its level under the preset `adr-0032`.
    pub level: Level,
    /// Its level under the preset `minimal`.
    pub minimal: Level,
    /// How sure its findings are.
    pub confidence: Confidence,
    /// Its source, whose comment is its page.
    pub(crate) source: &'static str,
    /// Looks for findings.
    pub(crate) run: fn(&Repository, &mut Report),
}

impl Rule {
    /// Its page: what it says, why, examples and how to mend it.
    pub fn page(&self) -> Page {
        Page::of(self.source)
    }
}

/// Takes the findings of one rule.
pub struct Report {
    rule: &'static Rule,
    severity: Severity,
    page: Page,
    findings: Vec<Finding>,
}

impl Report {
    /// Notes a finding at `span` of the file `path`.
    pub fn add(&mut self, path: &str, span: Span, message: impl Into<String>) -> &mut Finding {
        self.findings.push(Finding {
            rule: self.rule.id.into(),
            severity: self.severity,
            confidence: self.rule.confidence,
            path: path.into(),
            span: Some(span),
            message: message.into(),
            why: self.page.why.clone(),
            help: self.page.fix.clone(),
            page: format!("docs/rules/{}.md", self.rule.id),
            fix: None,
        });
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

/// Every finding that is not waived, in the order of files and lines.
///
/// # Errors
/// If the rules of the repository's own cannot be run, or say what is no finding.
pub fn check(repository: &Repository) -> Result<Vec<Finding>, CheckError> {
    let mut findings = Vec::new();
    for rule in RULES {
        let Some(severity) = preset::severity(&repository.policy, rule) else {
            continue;
        };
        let mut report = Report {
            rule,
            severity,
            page: rule.page(),
            findings: Vec::new(),
        };
        (rule.run)(repository, &mut report);
        findings.append(&mut report.findings);
    }
    findings.extend(buildkit(repository));
    findings.extend(own_rules::findings(repository)?);
    findings = waiver::apply(repository, findings);
    findings
        .sort_by(|a, b| (&a.path, a.span, &a.rule, &a.message).cmp(&(&b.path, b.span, &b.rule, &b.message)));
    findings.dedup();
    Ok(findings)
}

/// What the planner finds: the checks that BuildKit has too, under its names.
fn buildkit(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for view in &repository.dockerfiles {
        let asked_for = view.checks_are_errors();
        for diagnostic in view.diagnostics.iter().filter(|one| one.code.is_some()) {
            let name = diagnostic.code.clone().unwrap_or_default();
            let Some(severity) = preset::buildkit(&repository.policy, &name, asked_for) else {
                continue;
            };
            findings.push(Finding {
                severity,
                confidence: Confidence::High,
                path: view.path.clone(),
                span: diagnostic.span,
                message: diagnostic.message.clone(),
                why: format!("BuildKit's check {name}."),
                help: diagnostic.help.clone().unwrap_or_default(),
                page: "docs/rules/buildkit.md".into(),
                fix: None,
                rule: name,
            });
        }
    }
    findings
}
