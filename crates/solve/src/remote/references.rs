//! What a remote repository calls its commits.

use std::collections::BTreeMap;

use praxis_store::Store;

use crate::SolveError;
use crate::remote::Access;
use crate::remote::address::{GitAddress, is_commit};
use crate::remote::git::{Git, Reach};

/// The branches and tags of a remote by their full names, with the commits they stand for: of a tag with a message,
/// the commit and not the message. Nothing is fetched.
///
/// # Errors
/// If the repository cannot be reached or is not there.
pub fn remote_references(
    store: &Store,
    address: &GitAddress,
    access: &Access<'_>,
) -> Result<BTreeMap<String, String>, SolveError> {
    let scratch = store.scratch()?;
    let git = Git::new(scratch.directory("home")?, address, access)?;
    let arguments = [
        "ls-remote",
        "--quiet",
        "--",
        "origin",
        "refs/heads/*",
        "refs/tags/*",
    ];
    Ok(read(&git.run(scratch.path(), Reach::Address, &arguments)?))
}

/// `HASH<TAB>NAME` lines; `NAME^{}` is what the tag `NAME` is about.
fn read(answer: &str) -> BTreeMap<String, String> {
    let mut references = BTreeMap::new();
    let lines = answer.lines().filter_map(|line| line.split_once('\t'));
    for (hash, name) in lines.filter(|(hash, _)| is_commit(hash)) {
        match name.strip_suffix("^{}") {
            Some(tag) => _ = references.insert(tag.to_string(), hash.to_string()),
            None => _ = references.entry(name.to_string()).or_insert_with(|| hash.into()),
        }
    }
    references
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_stand_for_what_they_are_about() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let lines =
            format!("{a}\trefs/tags/v1\n{b}\trefs/tags/v1^{{}}\n{b}\trefs/heads/main\nwarning\trefs/x\n");
        let found = read(&lines);
        assert_eq!(found.len(), 2);
        assert!(
            found["refs/tags/v1"] == b && found["refs/heads/main"] == b,
            "{found:?}"
        );
    }
}
