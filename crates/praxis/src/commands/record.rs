//! What commands write into the ledger that do not build.

use std::collections::BTreeMap;
use std::path::PathBuf;

use praxis_check::{Finding, Pin, PinState};
use praxis_engine::{Entry, RecordKind, record_time};
use praxis_source::Severity;
use serde_json::{Value, json};

use super::Surroundings;
use crate::ci::CiReport;
use crate::progress::sanitize::sanitize;

/// Writes down that a repository was checked.
pub fn check(surroundings: &Surroundings, path: &std::path::Path, findings: &[Finding], success: bool) {
    let count = |severity: Severity| findings.iter().filter(|it| it.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    findings
        .iter()
        .for_each(|finding| *rules.entry(&finding.rule).or_default() += 1);
    let summary = format!("checked {}: {errors} errors, {warnings} warnings", path.display());
    let body = json!({
        "path": absolute(path),
        "errors": errors,
        "warnings": warnings,
        "notes": count(Severity::Note),
        "rules": rules,
    });
    write(surroundings, entry(RecordKind::Check, success, summary, body));
}

/// Writes down what `praxis ci` tested: `praxis release` publishes that and nothing else.
pub fn ci(surroundings: &Surroundings, report: &CiReport) {
    let images: Vec<Value> = report
        .images
        .iter()
        .map(|image| json!({"variant": image.variant, "name": image.name, "digest": image.digest}))
        .collect();
    let summary = match report.passed {
        true => format!("praxis ci passed: {}", report.context),
        false => format!("praxis ci did not pass: {}", report.context),
    };
    let body = json!({"ci": true, "revision": report.revision, "clean": report.clean, "images": images});
    let subject = report.images.first().and_then(|image| image.digest);
    let entry = Entry {
        subject,
        ..entry(RecordKind::Test, report.passed, summary, body)
    };
    write(surroundings, entry);
}

/// Writes down that the images of a repository were pinned.
pub fn pin(surroundings: &Surroundings, path: &std::path::Path, pins: &[Pin], success: bool) {
    let changes: Vec<Value> = pins.iter().filter_map(change).collect();
    let summary = format!("pinned {} images in {}", changes.len(), path.display());
    let body = json!({"path": absolute(path), "changes": changes});
    write(surroundings, entry(RecordKind::Pin, success, summary, body));
}

fn change(pin: &Pin) -> Option<Value> {
    let digest = match &pin.state {
        PinState::Unpinned(digest) => digest,
        PinState::Moved { to, .. } => to,
        _ => return None,
    };
    Some(json!({"path": pin.path, "image": pin.written, "digest": digest}))
}

fn absolute(path: &std::path::Path) -> String {
    let absolute = std::path::absolute(path);
    absolute
        .unwrap_or_else(|_| path.to_path_buf())
        .display()
        .to_string()
}

fn entry(kind: RecordKind, success: bool, summary: String, body: Value) -> Entry {
    Entry {
        time: record_time(),
        kind,
        subject: None,
        success,
        summary,
        body,
    }
}

/// That something cannot be written down is worth a warning, not a failure.
fn write(surroundings: &Surroundings, entry: Entry) {
    // A repository can be checked on a machine that builds nothing, without a trace.
    let kept = |root: PathBuf| root.is_dir();
    if !surroundings.shares_books() && !surroundings.store_root().is_ok_and(kept) {
        return;
    }
    let kind = entry.kind;
    let written = surroundings.books().and_then(|books| Ok(books.write(entry)?));
    if let Err(error) = written {
        eprintln!(
            "warning: this {kind} is not in the ledger: {}",
            sanitize(&error.message)
        );
    }
}
