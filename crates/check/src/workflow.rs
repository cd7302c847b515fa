//! Workflows as rules see them.

use crate::YamlFile;
use crate::yaml::Node;

/// A job of a workflow.
pub(crate) struct Job<'w> {
    /// Its id.
    pub id: &'w str,
    /// Where the id stands.
    pub key: &'w Node,
    /// All of it.
    pub node: &'w Node,
}

impl<'w> Job<'w> {
    /// Its steps.
    pub fn steps(&self) -> &'w [Node] {
        self.node.get("steps").map(Node::items).unwrap_or_default()
    }

    /// The permission of that name: the job's, else the workflow's.
    pub fn permission(&self, workflow: &'w YamlFile, name: &str) -> Option<&'w Node> {
        let whole = workflow
            .documents
            .first()
            .and_then(|document| document.get("permissions"));
        let node = self.node.get("permissions").or(whole)?;
        node.get(name)
            .or_else(|| (node.text() == Some("write-all")).then_some(node))
    }
}

/// Whether a job's or a step's condition keeps it from running for pull requests.
pub(crate) fn guarded(node: &Node) -> bool {
    node.get("if").and_then(Node::text).is_some_and(keeps_out)
}

/// Whether a condition is false for pull requests.
fn keeps_out(condition: &str) -> bool {
    let plain: String = condition.chars().filter(|c| !c.is_whitespace()).collect();
    [
        "!='pull_request'",
        "==\"push\"",
        "=='push'",
        "refs/tags/",
        "=='release'",
        "ref_type=='tag'",
        "refs/heads/main",
    ]
    .iter()
    .any(|part| plain.contains(part))
}

/// The jobs of a workflow.
pub(crate) fn jobs(workflow: &YamlFile) -> Vec<Job<'_>> {
    let jobs = workflow
        .documents
        .first()
        .and_then(|document| document.get("jobs"));
    let entries = jobs.map(Node::entries).unwrap_or_default();
    entries
        .iter()
        .filter_map(|(id, node)| {
            Some(Job {
                id: id.text()?,
                key: id,
                node,
            })
        })
        .collect()
}

/// Whether the workflow starts by an event of that name.
pub(crate) fn starts_on(workflow: &YamlFile, event: &str) -> bool {
    let Some(on) = workflow.documents.first().and_then(|document| document.get("on")) else {
        return false;
    };
    on.text() == Some(event)
        || on.items().iter().any(|item| item.text() == Some(event))
        || on.entries().iter().any(|(key, _)| key.text() == Some(event))
}

/// Whether a workflow releases: by its name, or because the policy says so.
pub(crate) fn releases(workflow: &YamlFile, named: &[String]) -> bool {
    if !named.is_empty() {
        return named.contains(&workflow.path);
    }
    let name = workflow.path.rsplit('/').next().unwrap_or_default();
    ["release", "publish"].iter().any(|word| name.contains(word))
}

/// What a step does: the text of `run`, or the action it uses.
pub(crate) fn run(step: &Node) -> &str {
    step.get("run").and_then(Node::text).unwrap_or_default()
}

/// The action of a step, without its version.
pub(crate) fn action(step: &Node) -> &str {
    let uses = step.get("uses").and_then(Node::text).unwrap_or_default();
    uses.split('@').next().unwrap_or_default()
}
