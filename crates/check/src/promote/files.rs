//! Which files a promotion may write.

use praxis_dockerfile::Pattern;

use crate::{CheckError, Entry, EntryKind};

/// The files where `promote.files` of praxis.toml says nothing.
pub(crate) const USUAL: [&str; 7] = [
    "deploy/helm/*/values*.yaml",
    "deploy/helm/*/values*.yml",
    "deploy/**/zarf.yaml",
    "deploy/**/kustomization.yaml",
    "deploy/**/compose*.yaml",
    "compose*.yaml",
    "docker-compose*.yaml",
];

/// The files that the patterns name, in order of their paths. A link where a pattern could lead through is an error: what
/// is behind it is no part of the repository.
pub(super) fn chosen(entries: &[Entry], patterns: &[String]) -> Result<Vec<String>, CheckError> {
    let usual = USUAL.map(String::from);
    let patterns = if patterns.is_empty() { &usual[..] } else { patterns };
    let mut found = Vec::new();
    for text in patterns {
        let pattern = parse(text)?;
        refuse_links(entries, text)?;
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let before = found.len();
        found.extend(
            files
                .filter(|entry| pattern.matches(&entry.path))
                .map(|entry| entry.path.clone()),
        );
        if found.len() == before && !text.contains(['*', '?', '[']) {
            return Err(refused(text, "promote.files names it, and there is no such file"));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn parse(text: &str) -> Result<Pattern, CheckError> {
    let outside = text.starts_with('/') || text.split('/').any(|part| part == "..");
    if outside || text.starts_with('!') || text.is_empty() {
        return Err(refused(
            text,
            "promote.files has patterns of paths inside the repository only",
        ));
    }
    Pattern::parse(text).map_err(|error| refused(text, &error.to_string()))
}

/// A link is in the way if it matches the pattern, or as many names of it as it has itself.
fn refuse_links(entries: &[Entry], pattern: &str) -> Result<(), CheckError> {
    let names: Vec<&str> = pattern.split('/').collect();
    for link in entries.iter().filter(|entry| entry.kind == EntryKind::Link) {
        let head = names.get(..link.path.split('/').count()).unwrap_or(&names);
        let leads = !head.contains(&"**") && parse(&head.join("/"))?.matches(&link.path);
        if leads || parse(pattern)?.matches(&link.path) {
            return Err(refused(
                &link.path,
                "it is a symbolic link; deploy files are written where they are only",
            ));
        }
    }
    Ok(())
}

fn refused(path: &str, reason: &str) -> CheckError {
    CheckError::Read {
        path: path.into(),
        reason: reason.into(),
    }
}
