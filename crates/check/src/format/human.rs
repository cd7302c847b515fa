use std::fmt::Write;

use praxis_source::{Diagnostic, Severity, SourceFile, render};

use crate::{Finding, Repository};

pub(super) fn write(repository: &Repository, findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let diagnostic = Diagnostic {
            severity: finding.severity,
            code: Some(finding.rule.clone()),
            message: finding.message.clone(),
            span: finding.span,
            help: Some(finding.help.clone()).filter(|help| !help.is_empty()),
        };
        let unknown = SourceFile::new(&finding.path, "");
        let file = repository.file(&finding.path).unwrap_or(&unknown);
        text.push_str(&render(&diagnostic, file));
        let why = Diagnostic::general("").with_help(&finding.why);
        let lines = render(&why, &unknown);
        let why = lines
            .lines()
            .nth(1)
            .unwrap_or_default()
            .replacen("= help: ", "= why: ", 1);
        let _ = writeln!(text, "{why}\n  = page: {}\n", finding.page);
    }
    let count = |severity| {
        findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let errors = count(Severity::Error);
    let fixable = findings
        .iter()
        .filter(|finding| finding.fix.as_ref().is_some_and(|fix| fix.safe))
        .count();
    let _ = writeln!(
        text,
        "{errors} errors, {} warnings, {} notes in {} Dockerfiles and {} YAML files",
        count(Severity::Warning),
        count(Severity::Note),
        repository.dockerfiles.len(),
        repository.yaml.len()
    );
    if fixable > 0 {
        let _ = writeln!(text, "{fixable} can be mended with --fix");
    }
    text
}
