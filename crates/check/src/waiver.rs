//! Findings that somebody accepted: `# praxis: allow PX204 until=2027-01-31 because …`.

use praxis_dockerfile::Patterns;
use praxis_source::{Severity, SourceFile, Span};

use crate::facts::is_date;
use crate::policy::{self, FILE, Policy};
use crate::{Confidence, Finding, Repository};

/// What one waiver says.
#[derive(Clone, Debug)]
struct Waiver {
    path: Scope,
    rules: Vec<String>,
    until: Option<String>,
    /// Where it is written.
    file: String,
    span: Span,
}

/// Where a waiver counts.
#[derive(Clone, Debug)]
enum Scope {
    /// A part of its own file.
    Part(Span),
    /// All files that the patterns match.
    Files(String),
}

const MARK: &str = "praxis: allow ";
const HELP: &str = "write: # praxis: allow PX204 until=2027-01-31 because the mirror has no hashes";

/// Every waiver that can be read, as rules of the repository's own see it.
pub(crate) fn listed(repository: &Repository) -> Vec<serde_json::Value> {
    let listed = collect(repository, &mut Vec::new()).into_iter().map(|waiver| {
        let file = repository.file(&waiver.file);
        let files = match &waiver.path {
            Scope::Part(_) => None,
            Scope::Files(pattern) => Some(pattern),
        };
        serde_json::json!({
            "rules": waiver.rules,
            "until": waiver.until,
            "file": waiver.file,
            "line": file.map(|file| file.position(waiver.span.start).line),
            "files": files,
        })
    });
    listed.collect()
}

/// Leaves out what is waived, and adds findings about waivers that are wrong, too old or not needed.
pub(crate) fn apply(repository: &Repository, findings: Vec<Finding>) -> Vec<Finding> {
    let mut own = Vec::new();
    let waivers = collect(repository, &mut own);
    let mut used = vec![false; waivers.len()];
    let mut left = Vec::new();
    for finding in findings {
        let expired = |waiver: &Waiver| {
            waiver
                .until
                .as_deref()
                .is_some_and(|until| until < &*repository.facts.today)
        };
        let mut waived = directive(repository, &finding);
        for (index, waiver) in waivers.iter().enumerate() {
            if covers(waiver, &finding) {
                used[index] = true;
                waived |= !expired(waiver);
            }
        }
        if !waived {
            left.push(finding);
        }
    }
    for (waiver, used) in waivers.iter().zip(used) {
        let until = waiver.until.as_deref().unwrap_or("9999-12-31");
        if until < repository.facts.today.as_str() {
            let message = format!("this waiver of {} ended on {until}", waiver.rules.join(", "));
            own.push(note(repository, "PX003", waiver, message));
        } else if !used {
            let message = format!(
                "nothing here breaks {}: the waiver is not needed",
                waiver.rules.join(", ")
            );
            own.push(note(repository, "PX004", waiver, message));
        }
    }
    left.extend(own.into_iter().filter(|finding| !directive(repository, finding)));
    left
}

/// Whether a `# check=skip=…` of the file or above the instruction leaves the finding out.
fn directive(repository: &Repository, finding: &Finding) -> bool {
    let views = &repository.dockerfiles;
    let Some(view) = views.iter().find(|view| view.path == finding.path) else {
        return false;
    };
    let mut diagnostic = praxis_source::Diagnostic::warning(&finding.rule, "", Span::default());
    diagnostic.span = finding.span;
    view.tree
        .filter_findings(&view.options, vec![diagnostic])
        .is_empty()
}

fn covers(waiver: &Waiver, finding: &Finding) -> bool {
    if !waiver.rules.contains(&finding.rule) {
        return false;
    }
    match &waiver.path {
        Scope::Part(part) => {
            let span = finding.span.unwrap_or_default();
            finding.path == waiver.file && part.start <= span.start && span.start < part.end
        }
        Scope::Files(pattern) => Patterns::parse([pattern.clone()]).is_ok_and(|it| it.matches(&finding.path)),
    }
}

fn note(repository: &Repository, rule: &str, waiver: &Waiver, message: String) -> Finding {
    let found = crate::RULES.iter().find(|one| one.id == rule);
    let severity = found.and_then(|rule| crate::preset::severity(&repository.policy, rule));
    let page = found.map(|rule| rule.page()).unwrap_or_default();
    Finding {
        rule: rule.into(),
        severity: severity.unwrap_or(Severity::Note),
        confidence: Confidence::High,
        path: waiver.file.clone(),
        span: Some(waiver.span),
        message,
        why: page.why,
        help: page.fix,
        page: format!("docs/rules/{rule}.md"),
        fix: None,
    }
}

fn collect(repository: &Repository, own: &mut Vec<Finding>) -> Vec<Waiver> {
    let mut waivers = Vec::new();
    for (path, file) in repository.commented() {
        for line in 1..=file.line_count() {
            let text = file.line(line);
            let Some(at) = text.find(MARK) else { continue };
            let comment = text[..at].trim_end();
            if !comment.ends_with('#') && !comment.ends_with("<!--") {
                continue;
            }
            let Some(whole) = file.line_span(line) else {
                continue;
            };
            let span = Span::new(whole.start + at, whole.start + text.len());
            let own_line = comment.trim_start().len() <= 4;
            let Some(part) = part(repository, path, file, line, own_line) else {
                continue;
            };
            let mut waiver = Waiver {
                path: Scope::Part(part),
                rules: Vec::new(),
                until: None,
                file: path.to_string(),
                span,
            };
            let said = text[at + MARK.len()..].trim_end_matches("-->").trim();
            match read(&repository.policy, said, &mut waiver) {
                Ok(()) => waivers.push(waiver),
                Err(message) => {
                    let mut finding = note(repository, "PX002", &waiver, message);
                    finding.help = HELP.into();
                    own.push(finding);
                }
            }
        }
    }
    waivers.extend(repository.policy.waivers.iter().map(|entry| Waiver {
        path: Scope::Files(entry.path.clone()),
        rules: vec![entry.rule.get_ref().clone()],
        until: entry.until.clone(),
        file: FILE.into(),
        span: policy::span(&entry.rule),
    }));
    waivers
}

/// Reads `PX204[,PX205] [until=DATE] because REASON`.
fn read(policy: &Policy, text: &str, waiver: &mut Waiver) -> Result<(), String> {
    let (head, reason) = text.split_once("because").unwrap_or((text, ""));
    if reason.trim().len() < 3 {
        return Err("the waiver does not say why: because …".into());
    }
    for word in head.split([' ', ',']).filter(|word| !word.is_empty()) {
        match word.strip_prefix("until=") {
            Some(date) if is_date(date) => waiver.until = Some(date.into()),
            Some(date) => return Err(format!("{date:?} is not a date such as 2027-01-31")),
            None if policy.knows(word) => waiver.rules.push(word.into()),
            None => return Err(policy::unknown_rule(word)),
        }
    }
    if waiver.rules.is_empty() {
        return Err("the waiver names no rule".into());
    }
    Ok(())
}

/// The part of a file that a waiver in `line` is about: the instruction it stands in or above, or its own line and
/// the next that is no comment. `None` where the line is text, not a comment.
fn part(repository: &Repository, path: &str, file: &SourceFile, line: usize, own_line: bool) -> Option<Span> {
    let start = file.line_span(line)?.start;
    let mut next = line;
    while own_line && next < file.line_count() && is_comment(file.line(next)) {
        next += 1;
    }
    let end = file.line_span(next)?.end;
    let Some(view) = repository.dockerfiles.iter().find(|view| view.path == path) else {
        return Some(Span::new(start, end));
    };
    let from = view.tree.stages.iter().map(|stage| (stage.from.span, false));
    let others = view
        .tree
        .instructions()
        .map(|one| (one.span, file.slice(one.span).contains("<<")));
    let spans: Vec<(Span, bool)> = from.chain(others).collect();
    let inside = spans
        .iter()
        .find(|(span, _)| span.start <= start && start < span.end);
    match inside {
        Some((_, true)) => None,
        Some((span, false)) => Some(*span),
        None => {
            let below = file.line_span(next)?;
            let starts = |span: &Span| below.start <= span.start && span.start < below.end;
            let found = spans.iter().find(|(span, _)| starts(span));
            Some(found.map_or(Span::new(start, end), |(span, _)| Span::new(start, span.end)))
        }
    }
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#') || line.starts_with("<!--")
}
