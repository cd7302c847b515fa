//! A repository: its files, read once and sorted by what they are.

use std::collections::BTreeMap;

use praxis_dockerfile::{IgnoreFile, Patterns};
use praxis_source::{SourceFile, Span};

use crate::own_rules::{self, RuleFile};
use crate::policy::{FILE, Policy};
use crate::records::{self, Decision, ItemStatus};
use crate::yaml::{self, Node};
use crate::{CheckError, DockerfileView, Entry, EntryKind, Facts, FileTree};

/// Dockerfiles longer than this are not read.
const LONGEST: usize = 4 << 20;

/// What a YAML file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YamlKind {
    /// A workflow.
    Workflow,
    /// An action that workflows use.
    Action,
    /// Values of a chart.
    Values,
    /// A chart.
    Chart,
    /// A Zarf package.
    Zarf,
    /// Compose.
    Compose,
    /// A Kustomization.
    Kustomization,
}

/// A YAML file.
pub struct YamlFile {
    /// The file.
    pub path: String,
    /// What it is for.
    pub kind: YamlKind,
    /// Its text.
    pub file: SourceFile,
    /// Its documents; empty if it cannot be read.
    pub documents: Vec<Node>,
    /// Why it cannot be read.
    pub error: Option<(String, Span)>,
}

/// Everything that rules look at.
pub struct Repository {
    /// What the repository promises.
    pub policy: Policy,
    /// Its Dockerfiles.
    pub dockerfiles: Vec<DockerfileView>,
    /// Its YAML files of known kinds.
    pub yaml: Vec<YamlFile>,
    /// What the caller knows besides.
    pub facts: Facts,
    /// What registries say about pinned images, by the images' full names; empty where none was asked.
    pub registries: BTreeMap<String, crate::RegistryAnswer>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) ignores: BTreeMap<String, IgnoreFile>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) backlog: Option<BTreeMap<String, ItemStatus>>,
    /// Version of the project, with the file that says so.
    pub(crate) version: Option<(String, String)>,
    /// The files of the repository's own rules.
    #[cfg_attr(
        not(feature = "rego"),
        expect(dead_code, reason = "only the interpreter reads it")
    )]
    pub(crate) own_rules: Vec<RuleFile>,
    files: BTreeMap<String, SourceFile>,
}

impl Repository {
    /// Reads a repository.
    pub fn read(tree: &dyn FileTree, facts: Facts) -> Result<Repository, CheckError> {
        let all = tree.entries()?;
        let has = |path: &str| {
            all.iter()
                .any(|entry| entry.path == path && entry.kind == EntryKind::File)
        };
        let policy = match has(FILE) {
            true => Policy::parse(&tree.read(FILE)?)?,
            false => Policy::default(),
        };
        let own_rules = own_rules::read(tree, &policy)?;
        let excluded = Patterns::parse(policy.paths.exclude.clone()).map_err(|error| CheckError::Policy {
            path: FILE.into(),
            line: 1,
            column: 1,
            reason: format!("paths.exclude: {error}"),
        })?;
        let kept = |entry: &Entry| excluded.is_empty() || !matched(&excluded, &entry.path);
        let mut repository = Repository {
            policy,
            dockerfiles: Vec::new(),
            yaml: Vec::new(),
            facts,
            registries: BTreeMap::new(),
            entries: all.into_iter().filter(kept).collect(),
            ignores: BTreeMap::new(),
            decisions: Vec::new(),
            backlog: None,
            version: None,
            own_rules,
            files: BTreeMap::new(),
        };
        repository.fill(tree)?;
        Ok(repository)
    }

    fn fill(&mut self, tree: &dyn FileTree) -> Result<(), CheckError> {
        let files = self.entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let paths: Vec<String> = files.map(|entry| entry.path.clone()).collect();
        for path in paths.iter().filter(|path| path.ends_with(".dockerignore")) {
            if let Ok(ignore) = IgnoreFile::parse(&tree.read(path)?) {
                self.ignores.insert(path.clone(), ignore);
            }
        }
        for path in &paths {
            let name = path.rsplit('/').next().unwrap_or_default();
            if is_dockerfile(name) {
                self.dockerfile(path, tree)?;
            } else if let Some(kind) = yaml_kind(path, name, &paths) {
                let file = SourceFile::new(path, tree.read(path)?);
                let (documents, error) = match yaml::parse(&file) {
                    Ok(documents) => (documents, None),
                    Err(error) => (Vec::new(), Some(error)),
                };
                self.files.insert(path.clone(), file.clone());
                self.yaml.push(YamlFile {
                    path: path.clone(),
                    kind,
                    file,
                    documents,
                    error,
                });
            } else if path == FILE {
                self.files
                    .insert(path.clone(), SourceFile::new(path, tree.read(path)?));
            } else if self.is_decision(path) {
                self.decisions.push(records::decision(path, &tree.read(path)?));
            } else if self.is_backlog(path) {
                self.backlog = Some(records::backlog(&tree.read(path)?));
            } else if matches!(path.as_str(), "pyproject.toml" | "Cargo.toml") && self.version.is_none() {
                self.version = version(&tree.read(path)?).map(|version| (version, path.clone()));
            }
        }
        Ok(())
    }

    fn dockerfile(&mut self, path: &str, tree: &dyn FileTree) -> Result<(), CheckError> {
        let text = tree.read(path)?;
        if text.len() > LONGEST {
            return Ok(());
        }
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let context = self
            .policy
            .paths
            .contexts
            .get(path)
            .cloned()
            .unwrap_or_else(|| directory.into());
        let ignore = self.ignore_of(path, &context);
        let view = DockerfileView::new(path, &text, &context, ignore);
        self.files.insert(path.into(), view.file.clone());
        self.dockerfiles.push(view);
        Ok(())
    }

    /// The ignore file that counts for a Dockerfile.
    pub(crate) fn ignore_of(&self, path: &str, context: &str) -> Option<&IgnoreFile> {
        let own = self.ignores.get(&format!("{path}.dockerignore"));
        own.or_else(|| self.ignores.get(&join(context, ".dockerignore")))
    }

    fn is_decision(&self, path: &str) -> bool {
        let given = &self.policy.records.decisions;
        let usual = ["docs/adr", "docs/adrs", "docs/decisions", "adr"];
        let given = given.iter().map(String::as_str);
        let below = |directory: &str| {
            path.strip_prefix(directory)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let named = self.policy.records.decisions.is_empty();
        path.ends_with(".md")
            && path
                .rsplit('/')
                .next()
                .is_some_and(|name| name.contains(|c: char| c.is_ascii_digit()))
            && (given.into_iter().any(below) || named && usual.into_iter().any(below))
    }

    fn is_backlog(&self, path: &str) -> bool {
        match &self.policy.records.backlog {
            Some(given) => path == given,
            None => matches!(path, "BACKLOG.md" | "docs/BACKLOG.md" | "docs/backlog.md"),
        }
    }

    /// The text of a file that was read.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(SourceFile::text)
    }

    /// A file that was read.
    pub fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.get(path)
    }

    /// Whether a file or directory of that name is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        self.entries
            .iter()
            .any(|entry| entry.path == path || entry.path.starts_with(&below))
    }

    /// Files that may hold waivers.
    pub(crate) fn commented(&self) -> impl Iterator<Item = (&str, &SourceFile)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// The YAML files of a kind.
    pub(crate) fn of_kind(&self, kind: YamlKind) -> impl Iterator<Item = &YamlFile> {
        self.yaml.iter().filter(move |file| file.kind == kind)
    }
}

/// Two parts of a path in one.
pub(crate) fn join(directory: &str, name: &str) -> String {
    match directory.trim_matches('/') {
        "" | "." => name.into(),
        directory => format!("{directory}/{name}"),
    }
}

/// Whether a path or a directory it is in matches.
fn matched(patterns: &Patterns, path: &str) -> bool {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    ends.into_iter().any(|end| patterns.matches(&path[..end]))
}

/// Endings of files that are about Dockerfiles and are none.
const OTHERS: [&str; 14] = [
    "dockerignore",
    "md",
    "j2",
    "tmpl",
    "tpl",
    "rs",
    "go",
    "py",
    "js",
    "ts",
    "sh",
    "yml",
    "yaml",
    "json",
];

fn is_dockerfile(name: &str) -> bool {
    let lower = name.to_lowercase();
    let other = lower
        .rsplit_once('.')
        .is_some_and(|(_, ending)| OTHERS.contains(&ending));
    let named = ["dockerfile", "containerfile"].into_iter().any(|word| {
        lower == word || lower.starts_with(&format!("{word}.")) || lower.ends_with(&format!(".{word}"))
    });
    named && !other
}

fn yaml_kind(path: &str, name: &str, paths: &[String]) -> Option<YamlKind> {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"))?;
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let workflows = [".github/workflows", ".forgejo/workflows", ".gitea/workflows"];
    let is_compose = ["compose", "docker-compose"].iter().any(|word| {
        stem.strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
    });
    match stem {
        _ if workflows.contains(&directory) => Some(YamlKind::Workflow),
        "action" => Some(YamlKind::Action),
        "Chart" => Some(YamlKind::Chart),
        "zarf" => Some(YamlKind::Zarf),
        "kustomization" => Some(YamlKind::Kustomization),
        _ if is_compose => Some(YamlKind::Compose),
        _ if stem.starts_with("values") => {
            let chart = [directory, directory.rsplit_once('/').map_or("", |(up, _)| up)];
            let beside = chart.iter().any(|one| paths.contains(&join(one, "Chart.yaml")));
            (beside || directory.contains("deploy") || directory.contains("helm")).then_some(YamlKind::Values)
        }
        _ => None,
    }
}

/// The version that a project's manifest declares.
fn version(text: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(text).ok()?;
    for path in [
        &["project"][..],
        &["package"],
        &["workspace", "package"],
        &["tool", "poetry"],
    ] {
        let mut at = Some(&table);
        for key in path {
            at = at.and_then(|table| table.get(*key)?.as_table());
        }
        if let Some(version) = at.and_then(|table| table.get("version")?.as_str()) {
            return Some(version.into());
        }
    }
    None
}
