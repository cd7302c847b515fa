//! The Dockerfile of a build, with what the rules of its repository say on its own lines.

use std::path::{Path, PathBuf};

use praxis_check::{Facts, FileTree, Finding, MemoryTree, Repository};
use praxis_engine::{BuildRecord, EngineError, Worktree, record_time};
use praxis_oci::Digest;
use praxis_source::SourceFile;

use crate::{Caller, Toolbox};

/// The longest Dockerfile that is shown.
const LONGEST: u64 = 1 << 20;
/// The file of a repository's own rules.
const POLICY: &str = "praxis.toml";
/// What a Dockerfile is called that is looked at without its directory.
const ALONE: &str = "Dockerfile";

/// A Dockerfile and what is said of it.
pub(super) struct Source {
    /// Its text.
    pub file: SourceFile,
    /// What is said, each of a line from 1.
    pub findings: Vec<(usize, Finding)>,
    /// Whether the repository has rules of its own.
    pub own_rules: bool,
    /// Why nothing could be said.
    pub wrong: Option<String>,
}

impl Source {
    /// A Dockerfile of which nothing else is at hand than perhaps the rules of its repository.
    pub fn new(text: String, policy: Option<&str>) -> Source {
        let mut tree = MemoryTree::default().with(ALONE, &text);
        if let Some(policy) = policy {
            tree = tree.with(POLICY, policy);
        }
        let facts = Facts {
            today: record_time().chars().take(10).collect(),
            git: None,
        };
        let repository = Repository::read(&tree, facts).map_err(EngineError::from);
        Source::judged(text, ALONE, policy.is_some(), repository)
    }

    /// The text, with what the rules say of the file at `path` of the repository.
    fn judged(
        text: String,
        path: &str,
        own_rules: bool,
        repository: Result<Repository, EngineError>,
    ) -> Source {
        let found = repository.and_then(|repository| Ok(praxis_check::check(&repository)?));
        let file = SourceFile::new(path, text);
        let line = |finding: &Finding| finding.span.map_or(1, |span| file.position(span.start).line);
        let (findings, wrong) = match found {
            Ok(findings) => {
                let own = findings.into_iter().filter(|finding| finding.path == path);
                (own.map(|finding| (line(&finding), finding)).collect(), None)
            }
            Err(error) => (Vec::new(), Some(error.message)),
        };
        Source {
            file,
            findings,
            own_rules,
            wrong,
        }
    }
}

/// The text that was built, from what the store noted of the image, or from where it was if it is still the same. What is
/// said of it is what `praxis check` says of the repository, as far as that is still there and the caller may read it.
pub(super) fn of(toolbox: &Toolbox, caller: &Caller, record: &BuildRecord) -> Option<Source> {
    let noted = record
        .images
        .iter()
        .find_map(|image| toolbox.engine.image_origin(&image.digest).ok()?);
    let at_hand = at_hand(toolbox, caller, record);
    let same = at_hand
        .as_ref()
        .filter(|(_, text)| record.dockerfile_digest == Some(Digest::of(text.as_bytes())));
    let text = match (&noted, same) {
        (Some(origin), _) => origin.dockerfile.text.clone(),
        (None, Some((_, text))) => text.clone(),
        (None, None) => return None,
    };
    let Some((path, now)) = at_hand else {
        return Some(Source::new(text, None));
    };
    let top = top(toolbox, caller, &path);
    if now == text
        && let Some(source) = in_place(&path, top.as_deref(), &text)
    {
        return Some(source);
    }
    let policy = top.and_then(|top| Worktree::open(&top).ok()?.read(POLICY).ok());
    Some(Source::new(text, policy.as_deref()))
}

/// Where the Dockerfile was, and what is there now, if the caller may read it.
fn at_hand(toolbox: &Toolbox, caller: &Caller, record: &BuildRecord) -> Option<(PathBuf, String)> {
    let context = toolbox.path(caller, &record.context).ok()?;
    let name = record.dockerfile.as_deref()?;
    let path = toolbox.path(caller, context.join(name).to_str()?).ok()?;
    let meta = path.metadata().ok()?;
    let text = (meta.is_file() && meta.len() <= LONGEST).then(|| std::fs::read_to_string(&path).ok())??;
    Some((path, text))
}

/// The nearest directory with rules of its own, of those that the caller may read.
fn top(toolbox: &Toolbox, caller: &Caller, path: &Path) -> Option<PathBuf> {
    let readable = |directory: &&Path| {
        directory
            .to_str()
            .is_some_and(|text| toolbox.path(caller, text).is_ok())
    };
    let mut above = path.ancestors().skip(1).take_while(readable);
    above
        .find(|directory| directory.join(POLICY).is_file())
        .map(Path::to_path_buf)
}

/// What the rules say where the file is: its ignore file and what else is beside it count.
fn in_place(path: &Path, top: Option<&Path>, text: &str) -> Option<Source> {
    let (opened, name) = match top {
        Some(top) => (top, path.strip_prefix(top).ok()?.to_str()?),
        None => (path, path.file_name()?.to_str()?),
    };
    let repository = Worktree::open(opened).ok()?.repository(None);
    let seen = repository
        .as_ref()
        .map_or(true, |repository| repository.text(name).is_some());
    // A file that rules do not take for a Dockerfile by its name is one all the same.
    seen.then(|| Source::judged(text.into(), name, top.is_some(), repository))
}
