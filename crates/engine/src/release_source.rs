//! What may be released: a commit with the version's tag, and nothing beside it.

use std::path::Path;

use crate::sources::{git, git_lines};
use crate::{Engine, EngineError};

impl Engine {
    /// Whether the work tree is its commit and nothing else: no file changed, added or removed. Files that git ignores do
    /// not count, nor does `except`.
    ///
    /// # Errors
    /// With the first such files, or if `directory` is in no repository.
    pub fn clean(directory: &Path, except: Option<&Path>) -> Result<(), EngineError> {
        let lines = git_lines(
            directory,
            &[
                "status",
                "--porcelain=v1",
                "--untracked-files=all",
                "--no-renames",
                "-z",
            ],
        )
        .ok_or_else(|| EngineError::user(format!("{}: not in a git repository", directory.display())))?;
        let name = except
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned());
        let excepted = |line: &&str| {
            let path = line.get(3..).unwrap_or_default();
            line.starts_with("?? ")
                && name
                    .as_deref()
                    .is_some_and(|name| path.rsplit('/').next() == Some(name))
        };
        let changed: Vec<&str> = lines
            .split('\0')
            .filter(|line| !line.is_empty())
            .filter(|line| !excepted(line))
            .collect();
        match changed.as_slice() {
            [] => Ok(()),
            [first, ..] => {
                let path = first.get(3..).unwrap_or_default().escape_debug();
                let count = changed.len();
                Err(EngineError::user(format!(
                    "{}: the work tree is not its commit alone: {count} files differ, {path} among them",
                    directory.display()
                ))
                .with_hint("git status"))
            }
        }
    }

    /// The commit to release as `version`: HEAD, which has to have the tag `version` or `v` + `version`, with a clean work
    /// tree. The record of the release may lie in it.
    ///
    /// # Errors
    /// With what is missing.
    pub fn release_commit(directory: &Path, version: &str, record: &Path) -> Result<String, EngineError> {
        if !is_tag(version) {
            return Err(
                EngineError::user(format!("{version:?} cannot be the tag of an image"))
                    .with_hint("letters, digits, dots, dashes and underscores, at most 128"),
            );
        }
        let commit = git(directory, &["rev-parse", "--verify", "HEAD"]).ok_or_else(|| {
            EngineError::user(format!(
                "{}: not in a git repository with a commit",
                directory.display()
            ))
        })?;
        let tags = [version.to_string(), format!("v{version}")];
        let at = |tag: &String| {
            git(
                directory,
                &["rev-parse", "--verify", &format!("refs/tags/{tag}^{{commit}}")],
            )
        };
        let found: Vec<(&String, String)> = tags.iter().filter_map(|tag| Some((tag, at(tag)?))).collect();
        if found.iter().all(|(_, at)| *at != commit) {
            let why = match found.first() {
                None => format!("no tag {version} or v{version} is at it"),
                Some((tag, at)) => format!("the tag {tag} is at {at}"),
            };
            return Err(
                EngineError::user(format!("{version} cannot be released from {commit}: {why}"))
                    .with_hint("check out the tag that is to be released"),
            );
        }
        Engine::clean(directory, Some(record))?;
        Ok(commit)
    }
}

/// Whether a text can be a tag in a registry.
fn is_tag(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= 128
        && text.bytes().all(known)
        && text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn run(directory: &Path, arguments: &[&str]) {
        let done = Command::new("git")
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b.test",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(arguments)
            .current_dir(directory)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    #[test]
    fn only_a_clean_tag_is_released() {
        let place = tempfile::tempdir().unwrap();
        let top = place.path();
        let record = top.join("release-1.0.json");
        let why = |version: &str| Engine::release_commit(top, version, &record).unwrap_err().message;
        assert!(why("1.0").contains("not in a git repository"));
        run(top, &["init", "-q"]);
        std::fs::write(top.join("file"), "one").unwrap();
        run(top, &["add", "."]);
        run(top, &["commit", "-qm", "one"]);
        assert!(why("1.0").contains("no tag 1.0 or v1.0"), "{}", why("1.0"));
        run(top, &["tag", "-am", "x", "v1.0"]);
        let commit = Engine::release_commit(top, "1.0", &record).unwrap();
        assert_eq!(commit.len(), 40);
        std::fs::write(&record, "{}").unwrap();
        assert_eq!(Engine::release_commit(top, "1.0", &record).unwrap(), commit);
        std::fs::write(top.join("new"), "").unwrap();
        assert!(
            why("1.0").contains("1 files differ, new among them"),
            "{}",
            why("1.0")
        );
        std::fs::remove_file(top.join("new")).unwrap();
        std::fs::write(top.join("file"), "two").unwrap();
        assert!(why("1.0").contains("file among them"));
        run(top, &["commit", "-qam", "two"]);
        assert!(why("1.0").contains("the tag v1.0 is at"), "{}", why("1.0"));
        assert!(why("a b").contains("cannot be the tag"));
    }
}
