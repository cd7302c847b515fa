//! `praxis check`.

use praxis_check::{CheckError, Finding, Format, Patch, Repository, patches};

use praxis_engine::Worktree;
use praxis_registry::Client;

use super::{Outcome, Surroundings, write_stdout};
use crate::arguments::{CheckFormat, CheckOptions, FixLevel, Threshold};
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;

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
    let mut findings = praxis_check::check(&repository)?;
    if let (Some(image), Some((engine, _))) = (&options.image, &engine) {
        let cancel = crate::interrupt::cancel_flag()
            .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
        let request = super::check_image::request(options, image, &repository, surroundings)?;
        let view = engine.0.image_view(&request, &cancel)?;
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
            findings = praxis_check::check(&repository)?;
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
    let mut repository = tree.repository(options.today.clone())?;
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
