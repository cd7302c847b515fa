//! Actions and reusable workflows that a workflow names, and which commits they are.

use std::collections::BTreeMap;

use praxis_source::Span;

use crate::pin::edit;
use crate::repository::YamlKind;
use crate::rules::deployed::{inner, verbatim};
use crate::workflow::jobs;
use crate::yaml::Node;
use crate::{Edit, Pin, PinState, Policy, Resolver, YamlFile};

/// Where GitHub's workflows find actions when neither they nor the policy say it.
const GITHUB: &str = "https://github.com";

/// Every `uses` of a workflow, or of an action that is made of steps.
pub(crate) fn uses(file: &YamlFile) -> Vec<&Node> {
    let mut found = Vec::new();
    match file.kind {
        YamlKind::Workflow => {
            for job in jobs(file) {
                found.extend(job.steps().iter().filter_map(|step| step.get("uses")));
                found.extend(job.node.get("uses"));
            }
        }
        YamlKind::Action => {
            let document = file.documents.first();
            let steps = document.and_then(|document| document.at(&["runs", "steps"]));
            let steps = steps.map(Node::items).unwrap_or_default();
            found.extend(steps.iter().filter_map(|step| step.get("uses")));
        }
        _ => {}
    }
    found
}

/// Whether a text is a whole commit.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What stands behind a node in its line.
fn behind<'f>(file: &'f YamlFile, node: &Node) -> &'f str {
    let rest = &file.file.text()[node.span.end..];
    rest.split(['\r', '\n']).next().unwrap_or_default()
}

/// The comment behind a node in its line.
pub(crate) fn comment<'f>(file: &'f YamlFile, node: &Node) -> Option<&'f str> {
    let rest = behind(file, node);
    let at = rest.find(" #").map(|at| at + 2);
    at.map(|at| &rest[at..])
}

/// The version that the comment behind an action names.
fn named_version<'f>(file: &'f YamlFile, node: &Node) -> Option<&'f str> {
    let mut words = comment(file, node)?.split_whitespace();
    words.find(|word| {
        word.trim_start_matches('v')
            .starts_with(|c: char| c.is_ascii_digit())
    })
}

/// An action from outside the repository.
struct Action<'f> {
    file: &'f YamlFile,
    node: &'f Node,
    /// `owner/name`, or an address with a scheme.
    repository: &'f str,
    /// What it is pinned to.
    reference: &'f str,
}

impl<'f> Action<'f> {
    /// `None`: an action of this repository, or an image.
    fn of(file: &'f YamlFile, node: &'f Node) -> Option<Action<'f>> {
        let text = node.text()?;
        if text.starts_with("./") || text.starts_with("docker://") {
            return None;
        }
        let (whole, reference) = text.rsplit_once('@').unwrap_or((text, ""));
        let scheme = whole.find("://").map_or(0, |at| at + 3);
        let parts = if scheme == 0 { 2 } else { 3 };
        let end = whole[scheme..].match_indices('/').nth(parts - 1);
        let end = end.map_or(whole.len(), |(at, _)| scheme + at);
        Some(Action {
            file,
            node,
            repository: &whole[..end],
            reference,
        })
    }

    fn address(&self, policy: &Policy) -> Result<String, String> {
        if self.repository.contains("://") {
            return Ok(self.repository.into());
        }
        match policy.actions.server.as_deref() {
            Some(server) => Ok(format!("{}/{}", server.trim_end_matches('/'), self.repository)),
            None if self.file.path.starts_with(".github/") || self.file.kind == YamlKind::Action => {
                Ok(format!("{GITHUB}/{}", self.repository))
            }
            None => Err(
                "where its actions are is a setting of the server: say it in praxis.toml as actions.server"
                    .into(),
            ),
        }
    }

    fn references(
        &self,
        policy: &Policy,
        resolver: &dyn Resolver,
    ) -> Result<BTreeMap<String, String>, String> {
        resolver.references(&self.address(policy)?)
    }

    fn pin(&self, policy: &Policy, resolver: &dyn Resolver, update: bool) -> (PinState, Vec<Edit>) {
        let settled = is_commit(self.reference);
        let version = named_version(self.file, self.node);
        let asked = match (settled, version) {
            (true, Some(version)) if update => version,
            (true, _) => return (PinState::Pinned, Vec::new()),
            (false, _) if self.reference.is_empty() => {
                return (PinState::Unresolved("it has no version".into()), Vec::new());
            }
            (false, _) => self.reference,
        };
        let found = self
            .references(policy, resolver)
            .and_then(|references| Ok((commit(&references, asked)?, references)));
        let (commit, references) = match found {
            Ok(found) => found,
            Err(reason) => return (PinState::Unresolved(reason), Vec::new()),
        };
        if settled && commit == self.reference {
            return (PinState::Pinned, Vec::new());
        }
        let Some(mut edits) = self.edits(&commit) else {
            let reason = "it is written so that other parts of the file share it, or over several lines";
            return (PinState::Unresolved(reason.into()), Vec::new());
        };
        if settled {
            let from = self.reference.into();
            return (PinState::Moved { from, to: commit }, edits);
        }
        edits.extend(self.told(&version_tag(&references, asked, &commit)));
        (PinState::Unpinned(commit), edits)
    }

    /// The commit in the place of the reference.
    fn edits(&self, commit: &str) -> Option<Vec<Edit>> {
        let end = verbatim(self.node).then(|| inner(self.node).end)?;
        let span = Span::new(end - self.reference.len(), end);
        Some(vec![edit(&self.file.path, span, commit.into())])
    }

    /// The comment with the version, where the line has room for one and has none yet.
    fn told(&self, version: &str) -> Option<Edit> {
        let rest = behind(self.file, self.node);
        let free = rest.trim().is_empty() || rest.trim_start().starts_with('#');
        let mut words = comment(self.file, self.node)
            .unwrap_or_default()
            .split_whitespace();
        let told = words.any(|word| word == version);
        let end = self.node.span.end;
        (free && !told).then(|| edit(&self.file.path, Span::new(end, end), format!(" # {version}")))
    }
}

/// The commit that a tag or branch stands for.
fn commit(references: &BTreeMap<String, String>, name: &str) -> Result<String, String> {
    let tag = references.get(&format!("refs/tags/{name}"));
    let branch = references.get(&format!("refs/heads/{name}"));
    let found = match (tag, branch) {
        (Some(tag), Some(branch)) if tag != branch => {
            return Err(format!(
                "{name} is a tag and a branch, and they are different commits"
            ));
        }
        (Some(commit), _) | (None, Some(commit)) => commit,
        (None, None) => return Err(format!("its repository has no tag or branch {name:?}")),
    };
    match is_commit(found) {
        true => Ok(found.clone()),
        false => Err(format!("{name} is {found}, which is no commit of 40 digits")),
    }
}

/// The most exact version that a commit is tagged with: one that goes on where `asked` ends, else any.
fn version_tag(references: &BTreeMap<String, String>, asked: &str, commit: &str) -> String {
    let tags = references.iter().filter(|(_, has)| *has == commit);
    let tags = tags.filter_map(|(name, _)| name.strip_prefix("refs/tags/"));
    let versions = tags.filter_map(|name| Some((numbers(name)?, name)));
    let goes_on =
        |name: &str| name == asked || name.strip_prefix(asked).is_some_and(|rest| rest.starts_with('.'));
    let best = versions.max_by_key(|(numbers, name)| (goes_on(name), numbers.len(), numbers.clone()));
    best.map_or(asked, |(_, name)| name).to_string()
}

/// `4`, `2` and `1` of `v4.2.1`.
fn numbers(name: &str) -> Option<Vec<u64>> {
    let plain = name.strip_prefix('v').unwrap_or(name);
    plain.split('.').map(|part| part.parse().ok()).collect()
}

/// The actions of a file, as pins.
pub(crate) fn pins(file: &YamlFile, policy: &Policy, resolver: &dyn Resolver, update: bool) -> Vec<Pin> {
    let actions = uses(file).into_iter().filter_map(|node| Action::of(file, node));
    let pins = actions.map(|action| {
        let (state, edits) = action.pin(policy, resolver, update);
        Pin {
            path: file.path.clone(),
            span: action.node.span,
            written: action.node.text().unwrap_or_default().into(),
            state,
            edits,
        }
    });
    pins.collect()
}

#[cfg(test)]
#[path = "action_tests.rs"]
mod tests;
