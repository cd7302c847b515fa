//! A COPY, ADD or WORKDIR step: its key and its layer.

use std::collections::HashMap;
use std::sync::Arc;

use praxis_layer::{Listing, Timestamp, TreePath};
use praxis_oci::{Digest, Hasher};
use praxis_plan::{Copy, Mode, Source, Workdir};

use crate::SolveError;
use crate::archive;
use crate::copy::{Placement, copy};
use crate::download::download;
use crate::draft::{Draft, Made};
use crate::layers::Workshop;
use crate::matching::Patterns;
use crate::mode::ModeChange;
use crate::mounts::Origins;
use crate::remote::{Access, GitAddress, Local, fetch_git};
use crate::select::{SelectOptions, Selected, add_to_key, select};
use crate::single::SingleFile;
use crate::source::{Content, SourceTree};
use crate::state::State;

/// A COPY or ADD with its sources found.
pub(crate) struct PreparedCopy<'a> {
    copy: &'a Copy,
    parts: Vec<Part<'a>>,
    pub warnings: Vec<String>,
}

/// One source: where it is, and what of it is copied.
struct Part<'a> {
    tree: Box<dyn SourceTree + 'a>,
    selected: Vec<Selected>,
    unpack: bool,
}

impl<'a> PreparedCopy<'a> {
    pub fn new(
        workshop: &Arc<Workshop>,
        copy: &'a Copy,
        origins: &'a dyn Origins,
        access: &Access<'_>,
        epoch: Timestamp,
    ) -> Result<PreparedCopy<'a>, SolveError> {
        let patterns = if copy.excludes.is_empty() {
            None
        } else {
            Some(Patterns::new(&copy.excludes)?)
        };
        let mut prepared = PreparedCopy {
            copy,
            parts: Vec::new(),
            warnings: Vec::new(),
        };
        for source in &copy.sources {
            let part = match source {
                Source::Path(path) => {
                    let tree = origins.tree(&copy.origin)?;
                    let options = SelectOptions {
                        excludes: patterns.as_ref(),
                        parents: copy.parents,
                    };
                    let selected = select(tree.as_ref(), path, &options)?;
                    prepared.warn_of_excluded(&selected, patterns.as_ref());
                    let unpack = copy.add.as_ref().is_some_and(|add| add.unpack.unwrap_or(true));
                    Part {
                        tree,
                        selected,
                        unpack,
                    }
                }
                Source::Inline { name, content } => {
                    Part::single(SingleFile::inline(name, content, epoch), false)
                }
                Source::Url(url) => {
                    let file = download(workshop, access.site, url, epoch)?;
                    prepared.check(url, &file.digest)?;
                    let unpack = copy.add.as_ref().is_some_and(|add| add.unpack == Some(true));
                    Part::single(file, unpack)
                }
                Source::Git(repository) => {
                    let (part, warnings) =
                        repository_part(workshop, copy, repository, access, patterns.as_ref())?;
                    prepared.warnings.extend(warnings);
                    part
                }
            };
            prepared.parts.push(part);
        }
        Ok(prepared)
    }

    /// BuildKit passes over a file named directly; so does praxis, and says so.
    fn warn_of_excluded(&mut self, selected: &[Selected], patterns: Option<&Patterns>) {
        let Some(patterns) = patterns else { return };
        for one in selected
            .iter()
            .filter(|one| !one.node.is_directory() && patterns.matches(&one.name))
        {
            let name = String::from_utf8_lossy(&one.name);
            self.warnings.push(format!(
                "--exclude does not apply to {name}, which is named as a source itself"
            ));
        }
    }

    fn check(&self, url: &str, digest: &Digest) -> Result<(), SolveError> {
        let Some(expected) = self.copy.add.as_ref().and_then(|add| add.checksum.as_deref()) else {
            return Ok(());
        };
        let wanted: Digest = expected
            .parse()
            .map_err(|error| SolveError::user(format!("--checksum: {error}")))?;
        if wanted != *digest {
            return Err(SolveError::user(format!(
                "digest mismatch for {url}: {digest} instead of {wanted} (--checksum)"
            )));
        }
        Ok(())
    }

    /// The key of the step on `state`.
    pub fn key(&self, state: &State, epoch: Timestamp) -> Digest {
        let copy = self.copy;
        let mut hasher = Hasher::new();
        hasher.field(b"copy 1");
        hasher.update(state.identity().as_bytes());
        let flags = (
            copy.link,
            copy.parents,
            copy.destination_is_directory,
            &copy.owner,
            &copy.mode,
        );
        hasher.field(copy.destination.as_bytes());
        hasher.field(format!("{flags:?}").as_bytes());
        for part in &self.parts {
            hasher.update(&[u8::from(part.unpack)]);
            add_to_key(&part.selected, &mut hasher);
        }
        hasher.update(&epoch.seconds.to_le_bytes());
        hasher.finish()
    }

    /// The layer's listing and where its content is.
    pub fn build(
        &mut self,
        workshop: &Arc<Workshop>,
        state: &mut State,
        epoch: Timestamp,
    ) -> Result<(Listing, HashMap<TreePath, Content>), SolveError> {
        let copy_step = self.copy;
        let owner = match &copy_step.owner {
            None => None,
            Some(text) => {
                let (uid, gid, unknown) = state.accounts()?.owner(text);
                let says = |name: String| {
                    format!(
                        "--chown={text}: no {name} in the image's passwd or group file: it counts as 0 (root)"
                    )
                };
                self.warnings.extend(unknown.into_iter().map(says));
                Some((uid, gid))
            }
        };
        let mode = match &copy_step.mode {
            None => None,
            Some(Mode::Octal(bits)) => Some(ModeChange::Octal(*bits)),
            Some(Mode::Symbolic(text)) => Some(ModeChange::symbolic(text)?),
        };
        let slash = if copy_step.destination_is_directory && !copy_step.destination.ends_with('/') {
            "/"
        } else {
            ""
        };
        let destination = format!("{}{slash}", copy_step.destination);
        let placement = Placement {
            destination: &destination,
            owner,
            mode: mode.as_ref(),
        };
        let tree = state.tree()?;
        // As in BuildKit, --chmod switches --link off.
        let detached = copy_step.link && copy_step.mode.is_none();
        let mut draft = Draft::new(&tree, epoch, detached);
        for part in &mut self.parts {
            for selected in &mut part.selected {
                let is_file =
                    matches!(selected.node.kind, crate::source::NodeKind::File { size } if size > 0);
                if part.unpack && is_file {
                    let content = part.tree.content(&selected.path)?;
                    if archive::is_archive(&content)? {
                        let name = String::from_utf8_lossy(&selected.name);
                        archive::unpack(workshop, &mut draft, &content, &name, &placement)?;
                        continue;
                    }
                }
                copy(&mut draft, part.tree.as_ref(), selected, &placement)?;
            }
        }
        Ok(draft.finish())
    }
}

impl<'a> Part<'a> {
    fn single(file: SingleFile, unpack: bool) -> Part<'a> {
        Part {
            selected: vec![file.selected()],
            tree: Box::new(file),
            unpack,
        }
    }
}

/// The content of a git repository's directory, as BuildKit copies it: without `.git` unless it is asked for.
fn repository_part<'a>(
    workshop: &Arc<Workshop>,
    copy: &Copy,
    repository: &str,
    access: &Access<'_>,
    excludes: Option<&Patterns>,
) -> Result<(Part<'a>, Vec<String>), SolveError> {
    let mut address = GitAddress::parse(repository, Local::Refused)?;
    if let Some(add) = &copy.add {
        address = address.keeping_git_directory(add.keep_git_directory);
        if let Some(commit) = &add.checksum {
            address = address.with_commit(commit)?;
        }
    }
    let checkout = fetch_git(&workshop.store, &address, access)?;
    let tree = Arc::new(checkout.context()?);
    let options = SelectOptions {
        excludes,
        parents: false,
    };
    let part = Part {
        selected: select(&tree, "/", &options)?,
        tree: Box::new(tree),
        unpack: false,
    };
    Ok((part, checkout.warnings))
}

/// The key of a WORKDIR step.
pub(crate) fn workdir_key(workdir: &Workdir, state: &State, epoch: Timestamp) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(b"workdir 1");
    hasher.update(state.identity().as_bytes());
    hasher.field(workdir.path.as_bytes());
    hasher.field(workdir.user.as_bytes());
    hasher.update(&epoch.seconds.to_le_bytes());
    hasher.finish()
}

/// The listing of a WORKDIR step: the directories that were missing, owned by the user.
pub(crate) fn workdir(workdir: &Workdir, state: &mut State, epoch: Timestamp) -> Result<Listing, SolveError> {
    let owner = if workdir.user.is_empty() {
        None
    } else {
        let (uid, gid, _) = state.accounts()?.owner(&workdir.user);
        Some((uid, gid))
    };
    let tree = state.tree()?;
    let mut draft = Draft::new(&tree, epoch, false);
    let path = draft.resolve(workdir.path.as_bytes())?;
    draft.make_directories(&path, Made { owner, mode: None })?;
    Ok(draft.finish().0)
}
