//! Edits to texts: by span, everything else byte for byte.

use std::collections::BTreeMap;

use crate::{CheckError, Edit, Finding, Repository};

/// A file's old and new text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// The file.
    pub path: String,
    /// What it holds.
    pub old: String,
    /// What it is to hold.
    pub new: String,
}

/// What mending the findings makes of the files. Fixes that are not safe count only with `unsafe_too`. A fix that
/// overlaps one before it is left for the next run.
pub fn patches(
    repository: &Repository,
    findings: &[Finding],
    unsafe_too: bool,
) -> Result<Vec<Patch>, CheckError> {
    let mut taken: BTreeMap<String, Vec<Edit>> = BTreeMap::new();
    let fixes = findings.iter().filter_map(|finding| finding.fix.as_ref());
    for fix in fixes.filter(|fix| fix.safe || unsafe_too) {
        let free = |edit: &Edit| {
            let others = taken.get(&edit.path).map(Vec::as_slice).unwrap_or_default();
            !others.iter().any(|other| other != edit && overlap(other, edit))
        };
        if fix.edits.iter().all(free) {
            for edit in &fix.edits {
                let edits = taken.entry(edit.path.clone()).or_default();
                if !edits.contains(edit) {
                    edits.push(edit.clone());
                }
            }
        }
    }
    let patch = |(path, edits): (String, Vec<Edit>)| {
        let old = repository.text(&path).unwrap_or_default().to_string();
        let new = apply(&path, &old, edits)?;
        Ok(Patch { path, old, new })
    };
    taken.into_iter().map(patch).collect()
}

fn overlap(left: &Edit, right: &Edit) -> bool {
    left.span.start < right.span.end && right.span.start < left.span.end
        || left.span.start == right.span.start
}

/// The text with the edits made; they may not overlap.
pub(crate) fn apply(path: &str, text: &str, mut edits: Vec<Edit>) -> Result<String, CheckError> {
    edits.sort_by_key(|edit| edit.span);
    let wrong = |reason: &str| CheckError::Edit {
        path: path.into(),
        reason: reason.into(),
    };
    let mut result = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        if edit.span.start < at {
            return Err(wrong("two edits overlap"));
        }
        let before = text.get(at..edit.span.start);
        let covered = text.get(edit.span.start..edit.span.end);
        let (Some(before), Some(_)) = (before, covered) else {
            return Err(wrong("an edit points outside of the file"));
        };
        result.push_str(before);
        result.push_str(&edit.text);
        at = edit.span.end;
    }
    result.push_str(&text[at..]);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use praxis_source::Span;

    use super::*;

    fn edit(start: usize, end: usize, text: &str) -> Edit {
        Edit {
            path: "f".into(),
            span: Span::new(start, end),
            text: text.into(),
        }
    }

    #[test]
    fn edits_change_their_spans_only() {
        let text = apply("f", "a\r\n\tbc é\n", vec![edit(5, 6, "X"), edit(0, 1, "")]).unwrap();
        assert_eq!(text, "\r\n\tbX é\n");
        assert!(apply("f", "abc", vec![edit(0, 2, ""), edit(1, 3, "")]).is_err());
        assert!(apply("f", "abc", vec![edit(2, 9, "")]).is_err());
        assert!(apply("f", "é", vec![edit(1, 2, "")]).is_err());
    }
}
