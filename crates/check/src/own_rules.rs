//! Rules that a repository brings with it: which files they are in, and what they may say.

use praxis_source::{SourceFile, Span};
use serde::Deserialize;
use toml::Spanned;

use crate::policy::{FILE, Policy, wrong};
use crate::{CheckError, Confidence, EntryKind, FileTree, Finding, Repository, preset};

/// A file of rules may be this long.
const LONGEST: usize = 256 << 10;
/// All files of rules together may be this long.
const LONGEST_TOGETHER: usize = 2 << 20;
/// There may be this many files of rules.
const MOST_FILES: usize = 200;
/// Rules may find this much.
const MOST_FINDINGS: usize = 10_000;

/// What a praxis without the rules' language says.
#[cfg(not(feature = "rego"))]
const LEFT_OUT: &str = "the rules in Rego that praxis.toml names under [policy] cannot be run: this praxis was built \
                        without the cargo feature \"rego\"; use one that was built with --features rego";

/// A file of rules.
#[derive(Clone, Debug)]
pub(crate) struct RuleFile {
    /// Relative to the top.
    pub path: String,
    /// Its text.
    #[cfg_attr(
        not(feature = "rego"),
        expect(dead_code, reason = "only the interpreter reads it")
    )]
    pub text: String,
}

impl RuleFile {
    /// Whether it tests rules and has none of its own.
    #[cfg(feature = "rego")]
    pub(crate) fn is_test(&self) -> bool {
        self.path.ends_with("_test.rego")
    }
}

/// How one test of the repository's own rules went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTest {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The rule, with its package.
    pub name: String,
    /// Why it failed; `None` if it passed.
    pub failure: Option<String>,
}

/// What a rule says about the repository.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verdict {
    rule: String,
    message: String,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    help: Option<String>,
}

/// What one package says, and whether it denies or warns.
pub(crate) struct Said {
    pub package: String,
    pub denies: bool,
    pub verdict: Verdict,
}

/// Whether a name is one that rules of a repository's own may have: capitals and a number, such as `ORG001` or
/// `ACME-12`, and no prefix of praxis' own.
pub(crate) fn is_name(name: &str) -> bool {
    let letters = name.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let digits = letters.strip_prefix('-').unwrap_or(letters);
    let length = name.len() - letters.len();
    (2..=12).contains(&length)
        && (1..=6).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !name.starts_with("PX")
}

/// The files that the policy names, in the order of their paths. Links are not followed.
pub(crate) fn read(tree: &dyn FileTree, policy: &Policy) -> Result<Vec<RuleFile>, CheckError> {
    if policy.policy.rego.is_empty() || cfg!(not(feature = "rego")) {
        return Ok(Vec::new());
    }
    let file = SourceFile::new(FILE, tree.read(FILE)?);
    let mut files: Vec<RuleFile> = Vec::new();
    let mut length = 0;
    for named in &policy.policy.rego {
        let failed = |reason: String| wrong(&file, named.span().start, &format!("policy.rego: {reason}"));
        for path in paths(tree, named).map_err(failed)? {
            if files.iter().any(|other| other.path == path) {
                continue;
            }
            let text = tree.read(&path).map_err(|error| failed(error.to_string()))?;
            length += text.len();
            if text.len() > LONGEST {
                return Err(failed(format!("{path}: it is longer than {LONGEST} bytes")));
            }
            files.push(RuleFile { path, text });
            if length > LONGEST_TOGETHER || files.len() > MOST_FILES {
                return Err(failed(format!(
                    "more than {MOST_FILES} files, or more than {LONGEST_TOGETHER} bytes of rules"
                )));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The files of one entry: itself, or those below it that end in `.rego`.
fn paths(tree: &dyn FileTree, named: &Spanned<String>) -> Result<Vec<String>, String> {
    let path = named.get_ref().trim_end_matches('/');
    let outside = |part: &str| matches!(part, "" | "." | "..");
    if path.split('/').any(outside) {
        return Err(format!(
            "{:?} is no path below the repository, such as \"policy/\" or \"policy/image.rego\"",
            named.get_ref()
        ));
    }
    if path.ends_with(".rego") {
        return Ok(vec![path.into()]);
    }
    let below = tree.below(path).map_err(|error| error.to_string())?;
    let rules = below
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::File && entry.path.ends_with(".rego"));
    let paths: Vec<String> = rules.map(|entry| entry.path).collect();
    match paths.is_empty() {
        true => Err(format!("no file that ends in .rego is below {path}")),
        false => Ok(paths),
    }
}

/// What the repository's own rules find.
pub(crate) fn findings(repository: &Repository) -> Result<Vec<Finding>, CheckError> {
    if repository.policy.policy.rego.is_empty() {
        return Ok(Vec::new());
    }
    let said = said(repository)?;
    if said.len() > MOST_FINDINGS {
        return Err(failed(format!("they find more than {MOST_FINDINGS} things")));
    }
    let mut findings = Vec::new();
    for one in said {
        findings.extend(finding(repository, one)?);
    }
    Ok(findings)
}

/// Runs the tests of the repository's own rules: what begins with `test_` in files that end in `_test.rego`.
///
/// # Errors
/// If the rules cannot be read, or this praxis cannot run them.
pub fn test_own_rules(repository: &Repository) -> Result<Vec<RuleTest>, CheckError> {
    if repository.policy.policy.rego.is_empty() {
        let reason = "praxis.toml names none: [policy] rego = [\"policy/\"]";
        return Err(failed(reason.into()));
    }
    tests(repository)
}

#[cfg(feature = "rego")]
fn said(repository: &Repository) -> Result<Vec<Said>, CheckError> {
    crate::rego::evaluate(&repository.own_rules, &crate::policy_input(repository)).map_err(failed)
}

#[cfg(feature = "rego")]
fn tests(repository: &Repository) -> Result<Vec<RuleTest>, CheckError> {
    crate::rego::test(&repository.own_rules).map_err(failed)
}

#[cfg(not(feature = "rego"))]
fn said(repository: &Repository) -> Result<Vec<Said>, CheckError> {
    Err(left_out(repository))
}

#[cfg(not(feature = "rego"))]
fn tests(repository: &Repository) -> Result<Vec<RuleTest>, CheckError> {
    Err(left_out(repository))
}

#[cfg(not(feature = "rego"))]
fn left_out(repository: &Repository) -> CheckError {
    let place = repository.policy.policy.rego.first();
    match (repository.file(FILE), place) {
        (Some(file), Some(named)) => wrong(file, named.span().start, LEFT_OUT),
        _ => failed(LEFT_OUT.into()),
    }
}

fn failed(reason: String) -> CheckError {
    CheckError::OwnRules { reason }
}

/// A verdict as a finding; `None` where the policy has turned its rule off.
fn finding(repository: &Repository, said: Said) -> Result<Option<Finding>, CheckError> {
    let Said {
        package,
        denies,
        verdict,
    } = said;
    let refused = |reason: String| {
        Err(failed(format!(
            "{package} finds {:?}, but {reason}",
            verdict.rule
        )))
    };
    if !is_name(&verdict.rule) {
        return refused("a rule's name is capitals and a number, such as ORG001, and not PX…".into());
    }
    if verdict.message.trim().is_empty() {
        return refused("with an empty message".into());
    }
    let Some(severity) = preset::own(&repository.policy, &verdict.rule, denies) else {
        return Ok(None);
    };
    let path = verdict.file.clone().unwrap_or_default();
    let mut message = verdict.message.clone();
    let mut span = None;
    if !path.is_empty() && !repository.has(&path) {
        return refused(format!("the repository has no {path:?}"));
    }
    match (repository.file(&path), verdict.line) {
        (_, None) => {}
        (Some(file), Some(line)) => match place(file, line, verdict.column) {
            Some(found) => span = Some(found),
            None => return refused(format!("{path} has no line {line}")),
        },
        (None, Some(_)) if path.is_empty() => return refused("a line is of a file".into()),
        // The file was not read: its line cannot be shown.
        (None, Some(line)) => message.push_str(&format!(" (line {line})")),
    }
    Ok(Some(Finding {
        rule: verdict.rule,
        severity,
        confidence: Confidence::High,
        path,
        span,
        message,
        why: format!("A rule of this repository's own, in {package}."),
        help: verdict.help.unwrap_or_default(),
        page: "docs/policy.md".into(),
        fix: None,
    }))
}

/// From a column, or the first character that is not blank, to the end of the line.
fn place(file: &SourceFile, line: usize, column: Option<usize>) -> Option<Span> {
    let whole = file.line_span(line)?;
    let text = file.line(line).trim_end();
    let blank = text.len() - text.trim_start().len();
    let offset = match column {
        Some(column) => text.char_indices().nth(column.checked_sub(1)?).map(|(at, _)| at),
        None => Some(blank),
    };
    Some(Span::new(whole.start + offset?, whole.start + text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_own_rules_are_told_from_praxis_rules() {
        for good in ["ORG001", "ACME-12", "AB1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "PX101",
            "PXY1",
            "ORG",
            "A1",
            "org1",
            "StageNameCasing",
            "ORG1x",
            "ORG--1",
            "",
            "ÄÖ1",
            "ORG1234567",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn names_of_own_rules_are_known_only_where_there_are_some() {
        let levels = "[rules]\nORG001 = \"note\"\n";
        let error = Policy::parse(levels).unwrap_err().to_string();
        assert!(
            error.starts_with("praxis.toml:2:1: there is no rule \"ORG001\""),
            "{error}"
        );
        Policy::parse(&format!("[policy]\nrego = [\"policy/\"]\n{levels}")).unwrap();
        let error = Policy::parse("[policy]\nrego = [\"policy/\"]\n[rules]\nPX999 = \"note\"\n").unwrap_err();
        assert!(
            error.to_string().contains("there is no rule \"PX999\""),
            "{error}"
        );
    }
}
