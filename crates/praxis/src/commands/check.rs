//! `praxis check`.

use praxis_check::{CheckError, Facts, Finding, Format, GitFacts, Patch, Repository, patches};

use praxis_registry::Client;

use super::{Outcome, Surroundings, write_stdout};
use crate::arguments::{CheckFormat, CheckOptions, FixLevel, Threshold};
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::worktree::Worktree;

/// Checks a repository.
pub fn run(options: &CheckOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    if let Some(rule) = &options.explain {
        return explain(rule);
    }
    // An ordinary user enters a user namespace for the store: before anything else.
    let engine = options
        .image
        .as_ref()
        .map(|_| surroundings.engine())
        .transpose()?;
    let tree = Worktree::open(&options.path)?;
    let repository = examined(&tree, options, surroundings)?;
    let mut findings = praxis_check::check(&repository);
    if let (Some(image), Some((engine, _))) = (&options.image, &engine) {
        let view = engine.0.image_view(image, options.platform.as_ref())?;
        findings.extend(praxis_check::check_image(&repository.policy, &view));
        return show(options, &repository, findings, surroundings);
    }
    if options.fix.is_some() || options.diff {
        let unsafe_too = options.fix == Some(FixLevel::Unsafe);
        let patches = patches(&repository, &findings, unsafe_too)?;
        if options.diff {
            write_stdout(patches.iter().map(patch).collect::<String>().as_bytes())?;
            return Ok(Outcome::Done);
        }
        for patch in &patches {
            tree.write(patch)?;
            eprintln!("mended {}", sanitize(&patch.path));
        }
        if !patches.is_empty() {
            let repository = examined(&tree, options, surroundings)?;
            findings = praxis_check::check(&repository);
            return show(options, &repository, findings, surroundings);
        }
    }
    show(options, &repository, findings, surroundings)
}

/// The repository, with what registries say where they are to be asked.
fn examined(
    tree: &Worktree,
    options: &CheckOptions,
    surroundings: &Surroundings,
) -> Result<Repository, Failure> {
    let mut repository = read(tree, options.today.clone())?;
    if options.online {
        let settings = crate::registries::settings(&options.registries, surroundings)?;
        let client = Client::new(crate::registries::interruptible(settings)?);
        repository.registries =
            super::online::ask(&client, &repository).map_err(crate::registries::failure)?;
    }
    Ok(repository)
}

fn show(
    options: &CheckOptions,
    repository: &Repository,
    findings: Vec<Finding>,
    surroundings: &Surroundings,
) -> Result<Outcome, Failure> {
    let failing = findings
        .iter()
        .filter(|finding| reaches(finding, options.fail_on))
        .count();
    super::record::check(surroundings, &options.path, &findings, failing == 0);
    let shown: Vec<Finding> = findings
        .into_iter()
        .filter(|finding| reaches(finding, options.severity))
        .collect();
    write_stdout(praxis_check::write(format(options.format), repository, &shown).as_bytes())?;
    match failing {
        0 => Ok(Outcome::Done),
        count => Ok(Outcome::Shown(Failure::failed(format!("{count} findings")))),
    }
}

fn format(format: CheckFormat) -> Format {
    match format {
        CheckFormat::Human => Format::Human,
        CheckFormat::Json => Format::Json,
        CheckFormat::Sarif => Format::Sarif,
        CheckFormat::Github => Format::Github,
        CheckFormat::Junit => Format::Junit,
    }
}

/// Whether a finding is of this severity or a greater one.
pub fn reaches(finding: &Finding, threshold: Threshold) -> bool {
    use praxis_source::Severity;
    match threshold {
        Threshold::Note => true,
        Threshold::Warning => finding.severity >= Severity::Warning,
        Threshold::Error => finding.severity >= Severity::Error,
        Threshold::Never => false,
    }
}

fn explain(rule: &str) -> Result<Outcome, Failure> {
    let known = praxis_check::RULES
        .iter()
        .find(|known| known.id.eq_ignore_ascii_case(rule));
    let known = known.ok_or_else(|| {
        Failure::usage(format!("there is no rule {rule:?}")).with_hint("docs/rules/README.md lists them")
    })?;
    write_stdout(known.page().text.as_bytes())?;
    Ok(Outcome::Done)
}

/// Reads the repository of a work tree.
pub fn read(tree: &Worktree, today: Option<String>) -> Result<Repository, Failure> {
    let facts = Facts {
        today: today.unwrap_or_else(self::today),
        git: git(tree),
    };
    Ok(Repository::read(tree, facts)?)
}

/// Today, in UTC.
fn today() -> String {
    praxis_engine::record_time()
        .chars()
        .take("YYYY-MM-DD".len())
        .collect()
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

/// A patch as `git apply` and `patch -p1` read it.
pub fn patch(patch: &Patch) -> String {
    let path = &patch.path;
    let (before, after) = (format!("a/{path}"), format!("b/{path}"));
    let diff = similar::TextDiff::from_lines(&patch.old, &patch.new);
    diff.unified_diff()
        .context_radius(3)
        .header(&before, &after)
        .to_string()
}

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Failure {
        Failure::failed(error.to_string())
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
