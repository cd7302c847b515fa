//! The repository of a work tree, with what git's own files say of it.

use praxis_check::{CheckError, Facts, GitFacts, Repository};

use crate::{EngineError, Worktree};

impl Worktree {
    /// Reads the repository, with `today` (UTC, if nobody says) and what git's own files say of it.
    ///
    /// # Errors
    /// If its files cannot be read.
    pub fn repository(&self, today: Option<String>) -> Result<Repository, EngineError> {
        let facts = Facts {
            today: today.unwrap_or_else(self::today),
            git: git(self),
        };
        Ok(Repository::read(self, facts)?)
    }
}

/// Today, in UTC.
fn today() -> String {
    crate::record_time().chars().take("YYYY-MM-DD".len()).collect()
}

/// What git's own files say, without running git.
fn git(tree: &Worktree) -> Option<GitFacts> {
    let head = tree.git("HEAD")?;
    let revision = match head.trim().strip_prefix("ref: ") {
        Some(name) => tree
            .git(name)
            .or_else(|| packed(&tree.git("packed-refs")?, name))?,
        None => head,
    };
    let source = tree.git("config").and_then(|config| origin(&config));
    Some(GitFacts {
        revision: revision.trim().to_string(),
        source,
    })
}

fn packed(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(_, other)| *other == name)
        .map(|(commit, _)| commit.to_string())
        .next()
}

/// The address of the remote `origin`, without a user name or password.
fn origin(config: &str) -> Option<String> {
    let mut lines = config
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[remote \"origin\"]")
        .skip(1);
    let url = lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "url").then(|| value.trim().to_string())
        })?;
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            Some(format!("{scheme}://{host}/{path}"))
        }
        None => Some(url),
    }
}

impl From<CheckError> for EngineError {
    fn from(error: CheckError) -> EngineError {
        EngineError::user(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_has_no_credentials() {
        let config =
            "[core]\n\turl = x\n[remote \"origin\"]\n\turl = https://user:token@example.org/a/b.git\n";
        assert_eq!(origin(config).as_deref(), Some("https://example.org/a/b.git"));
        assert_eq!(
            packed("# pack-refs\nabc refs/heads/main\n", "refs/heads/main").as_deref(),
            Some("abc")
        );
    }
}
