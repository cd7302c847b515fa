//! What an image says about itself: annotations always, labels where praxis.toml says so.

use std::collections::BTreeMap;
use std::path::Path;

use praxis_check::Policy;
use praxis_dockerfile::{Dockerfile, Kind};
use praxis_oci::Reference;
use praxis_plan::{Plan, StageBase};
use praxis_source::{Diagnostic, SourceFile, Span};

use crate::sources::git;
use crate::{BuildRequest, ContextSource, EngineError, SentContext};

const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
pub(crate) const REVISION: &str = "org.opencontainers.image.revision";
pub(crate) const SOURCE: &str = "org.opencontainers.image.source";
const CREATED: &str = "org.opencontainers.image.created";
/// No policy is larger.
const LARGEST: u64 = 1 << 20;

/// What is known about a target before it is built.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    pub revision: Option<String>,
    pub source: Option<String>,
    /// The text of the policy, if there is one.
    pub policy_text: Option<String>,
    policy: Policy,
}

impl Origin {
    /// Reads the policy of the context's directory and asks git for the commit. Other contexts have neither.
    pub fn of(request: &BuildRequest) -> Result<Origin, EngineError> {
        let directory = match &request.context {
            ContextSource::Directory(directory) => directory,
            ContextSource::Received(received) => return Origin::sent(received.context()),
            _ => return Ok(Origin::default()),
        };
        let policy_text = policy_text(directory)?;
        Ok(Origin {
            policy: policy(policy_text.as_deref())?,
            policy_text,
            revision: git(
                directory,
                &["log", "-1", "--no-show-signature", "--format=%H", "HEAD", "--"],
            ),
            source: git(directory, &["config", "--get", "remote.origin.url"]).and_then(|url| address(&url)),
        })
    }

    /// What the machine says of it that has the directory.
    fn sent(context: &SentContext) -> Result<Origin, EngineError> {
        Ok(Origin {
            revision: context.revision.clone(),
            source: context.source.clone(),
            policy: policy(context.policy.as_deref())?,
            policy_text: context.policy.clone(),
        })
    }

    /// The facts about the image of a plan. What is not known is left out.
    fn facts(&self, plan: &Plan) -> BTreeMap<String, String> {
        let base = base(plan);
        let created = plan.stages[plan.target].config.created.clone();
        let all = [
            (BASE_NAME, base.as_ref().map(|(name, _)| name.clone())),
            (BASE_DIGEST, base.map(|(_, digest)| digest)),
            (REVISION, self.revision.clone()),
            (SOURCE, self.source.clone()),
            (CREATED, created),
        ];
        let known = all
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_string(), value?)));
        known.collect()
    }

    /// The annotations of the manifest; what the request says is stronger.
    pub fn annotations(&self, plan: &Plan) -> BTreeMap<String, String> {
        self.facts(plan)
    }

    /// Sets the labels that the policy asks for.
    ///
    /// # Errors
    /// If there is a policy and a label of the Dockerfile says something else than is true.
    pub fn label(
        &self,
        plan: &mut Plan,
        request: &BuildRequest,
        tree: &Dockerfile,
        file: &SourceFile,
    ) -> Result<(), Diagnostic> {
        if !self.policy.present {
            return Ok(());
        }
        let mut facts = self.facts(plan);
        if let Some(governance) = &self.policy.image.governance {
            facts.insert(self.policy.governance_label().into(), governance.clone());
        }
        let target = plan.target;
        let labels = &mut plan.stages[target].config.config.labels;
        for (key, value) in facts {
            let written = labels
                .get(&key)
                .filter(|written| !matches!(written.as_str(), "" | "unknown"));
            let given = request.labels.contains_key(&key) || key == CREATED;
            match written {
                Some(written) if *written != value && !given => {
                    let message = format!("the label {key} says {written}, but it is {value}");
                    let help = "correct the label (praxis check --fix), or leave it to praxis build";
                    return Err(Diagnostic::error(message, place(tree, file, &key)).with_help(help));
                }
                None if self.policy.sets_labels() => _ = labels.insert(key, value),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Name and digest of the image that the target starts from, itself or through other stages.
fn base(plan: &Plan) -> Option<(String, String)> {
    let mut stage = &plan.stages[plan.target];
    while let StageBase::Stage(index) = &stage.base {
        stage = &plan.stages[*index];
    }
    let StageBase::Image(image) = &stage.base else {
        return None;
    };
    let reference: Reference = image.reference.parse().ok()?;
    let digest = reference.digest().unwrap_or(&image.manifest).to_string();
    let tagged = match reference.tag() {
        Some(tag) => format!("{}:{tag}", reference.name()),
        None if reference.digest().is_some() => reference.name(),
        None => format!("{}:latest", reference.name()),
    };
    Some((tagged, digest))
}

/// The policy of a context: the empty one where it has no such file.
fn policy(text: Option<&str>) -> Result<Policy, EngineError> {
    match text {
        Some(text) => parse_policy(text),
        None => Ok(Policy::default()),
    }
}

fn policy_text(directory: &Path) -> Result<Option<String>, EngineError> {
    let path = directory.join("praxis.toml");
    // A link could lead out of the context.
    let is_file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| read_policy_text(&path)).transpose()
}

/// Reads a `praxis.toml`.
///
/// # Errors
/// If it is not there, no file, over 1 MiB long, or not a policy.
pub fn read_policy(path: &Path) -> Result<Policy, EngineError> {
    parse_policy(&read_policy_text(path)?)
}

fn parse_policy(text: &str) -> Result<Policy, EngineError> {
    Policy::parse(text).map_err(|error| EngineError::user(error.to_string()))
}

fn read_policy_text(path: &Path) -> Result<String, EngineError> {
    let wrong = |why: String| EngineError::user(format!("{}: {why}", path.display()));
    let metadata = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(wrong("it is no file of at most 1 MiB".into()));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

/// Where the label is written.
fn place(tree: &Dockerfile, file: &SourceFile, key: &str) -> Span {
    let labels = tree
        .instructions()
        .filter(|one| matches!(one.kind, Kind::Label(_)));
    let found = labels.filter_map(|one| Some((one.span, file.slice(one.span).rfind(key)?)));
    let found = found.map(|(span, at)| Span::new(span.start + at, span.start + at + key.len()));
    found.last().unwrap_or_default()
}

/// The address without user and password; nothing if it is a path of this machine.
fn address(url: &str) -> Option<String> {
    if let Some((scheme, rest)) = url.split_once("://") {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let known = ["https", "http", "ssh", "git"].contains(&scheme);
        return known.then(|| format!("{scheme}://{host}/{path}"));
    }
    let (host, path) = url.split_once(':').filter(|(host, _)| !host.contains('/'))?;
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Some(format!("ssh://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_no_credentials_and_no_paths() {
        for (url, expected) in [
            (
                "https://user:token@example.org/a/b.git",
                Some("https://example.org/a/b.git"),
            ),
            ("git@example.org:a/b.git", Some("ssh://example.org/a/b.git")),
            ("ssh://git@example.org/a", Some("ssh://example.org/a")),
            ("/home/somebody/a", None),
            ("file:///home/somebody/a", None),
        ] {
            assert_eq!(address(url).as_deref(), expected, "{url}");
        }
    }
}
