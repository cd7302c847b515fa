//! Compose files: each service with `build` is a target.

use std::collections::BTreeMap;

use crate::compose_merge::{interpolated, laid_over};
use crate::decode::valid_name;
use crate::dotenv::Lookup;
use crate::entry::{Attestation, Cache, Entry, Export, Secret, Ssh, Written, merged, unique};
use crate::error::{Outcome, Place, Problem};
use crate::target::{Group, Target, texts as without_doubles};
use crate::yaml::{Content, Node};

const TOP: [&str; 9] = [
    "version", "name", "services", "networks", "volumes", "configs", "secrets", "include", "models",
];

const BUILD: [&str; 24] = [
    "context",
    "dockerfile",
    "dockerfile_inline",
    "args",
    "labels",
    "target",
    "cache_from",
    "cache_to",
    "tags",
    "platforms",
    "secrets",
    "ssh",
    "additional_contexts",
    "network",
    "no_cache",
    "no_cache_filter",
    "pull",
    "shm_size",
    "ulimits",
    "extra_hosts",
    "privileged",
    "entitlements",
    "provenance",
    "sbom",
];

/// Targets of all files together, later files laid over earlier ones, and the group of them.
pub(crate) fn read(files: Vec<Node>, lookup: Lookup<'_>) -> Outcome<(Vec<Target>, Option<Group>)> {
    let mut all: Option<Node> = None;
    for mut file in files {
        interpolated(&mut file, lookup)?;
        check_top(&file)?;
        all = Some(match all {
            Some(below) => laid_over(below, file, ""),
            None => file,
        });
    }
    let Some(all) = all else {
        return Ok((Vec::new(), None));
    };
    let Some(services) = all.get("services") else {
        return Ok((Vec::new(), None));
    };
    let reader = Reader {
        services,
        secrets: all.get("secrets"),
        lookup,
    };
    let mut targets = Vec::new();
    for (key, service) in services.entries() {
        let service = reader.extended(service, &mut vec![key.name.clone()])?;
        if let Some(target) = reader.target(&key.name, key.place, &service)? {
            targets.push(target);
        }
    }
    let group = Group {
        name: "default".into(),
        description: None,
        targets: targets.iter().map(|target| target.name.clone()).collect(),
    };
    Ok((targets, Some(group)))
}

fn check_top(file: &Node) -> Outcome<()> {
    if !matches!(file.content, Content::Map(_)) {
        return Err(Problem::at(file.place, "a compose file is a map with services"));
    }
    for (key, node) in file.entries() {
        if key.name == "include" {
            return Err(Problem::at(key.place, "include is not supported")
                .with_help("name the files with -f, one by one"));
        }
        if !TOP.contains(&key.name.as_str()) && !key.name.starts_with("x-") {
            return Err(
                Problem::at(key.place, format!("there is no {:?} in compose files", key.name))
                    .suggesting(&key.name, &TOP),
            );
        }
        if key.name == "services" && !matches!(node.content, Content::Map(_) | Content::Null) {
            return Err(Problem::at(
                node.place,
                format!("services must be a map, not {}", node.kind()),
            ));
        }
    }
    Ok(())
}

struct Reader<'n> {
    services: &'n Node,
    secrets: Option<&'n Node>,
    lookup: Lookup<'n>,
}

impl Reader<'_> {
    /// A service laid over those it extends.
    fn extended(&self, service: &Node, path: &mut Vec<String>) -> Outcome<Node> {
        let Some(extends) = service.get("extends") else {
            return Ok(service.clone());
        };
        if let Some(file) = extends.get("file") {
            return Err(Problem::at(file.place, "extends with a file is not supported")
                .with_help("name the files with -f, one by one"));
        }
        let name = text(extends.get("service").unwrap_or(extends))?;
        if path.contains(&name) {
            return Err(Problem::at(
                extends.place,
                format!("the service {name:?} extends itself"),
            ));
        }
        let below = self.services.get(&name);
        let below =
            below.ok_or_else(|| Problem::at(extends.place, format!("there is no service {name:?}")))?;
        path.push(name);
        let below = self.extended(below, path)?;
        Ok(laid_over(below, service.clone(), "services"))
    }

    fn target(&self, name: &str, place: Place, service: &Node) -> Outcome<Option<Target>> {
        let Some(build) = service.get("build") else {
            return Ok(None);
        };
        let name = name.replace('.', "_");
        valid_name(&name).map_err(|error| Problem::at(place, error))?;
        let mut target = Target {
            name,
            ..Target::default()
        };
        match &build.content {
            Content::Scalar(context) => target.context = Some(context.clone()),
            Content::Map(_) => self.build(build, service, &mut target)?,
            _ => {
                return Err(Problem::at(
                    build.place,
                    format!("build must be a directory or a map, not {}", build.kind()),
                ));
            }
        }
        if target.tags.as_ref().is_none_or(Vec::is_empty)
            && let Some(image) = service.get("image")
        {
            target.tags = Some(vec![text(image)?]);
        }
        Ok(Some(target))
    }

    fn build(&self, build: &Node, service: &Node, target: &mut Target) -> Outcome<()> {
        for (key, node) in build.entries() {
            if matches!(node.content, Content::Null) || (key.name.starts_with("x-") && key.name != "x-bake") {
                continue;
            }
            match key.name.as_str() {
                "context" => target.context = Some(text(node)?).filter(|it| !it.is_empty()),
                "dockerfile" => target.dockerfile = Some(text(node)?).filter(|it| !it.is_empty()),
                "dockerfile_inline" => target.dockerfile_inline = Some(text(node)?),
                "args" => target.args = self.arguments(node, service)?,
                "labels" => target.labels = pairs(node)?.into_iter().map(filled).collect(),
                "target" => target.target = Some(text(node)?),
                "cache_from" => target.cache_from = unique(caches(node)?),
                "cache_to" => target.cache_to = Some(caches(node)?),
                "tags" => target.tags = Some(texts(node)?),
                "platforms" => target.platforms = Some(texts(node)?),
                "secrets" => target.secrets = self.secrets(node)?,
                "ssh" => target.ssh = ssh(node)?,
                "additional_contexts" => target.contexts = contexts(node)?,
                "network" => target.network = Some(text(node)?),
                "no_cache" => target.no_cache = Some(truth(node)?),
                "no_cache_filter" => target.no_cache_filter = texts(node)?,
                "pull" => target.pull = Some(truth(node)?),
                "shm_size" => target.shm_size = Some(text(node)?),
                "ulimits" => target.ulimits = limits(node)?,
                "extra_hosts" => target.extra_hosts = hosts(node)?,
                "entitlements" => target.entitlements.extend(texts(node)?),
                "privileged" if truth(node)? => target.entitlements.push("security.insecure".into()),
                "privileged" | "isolation" => {}
                "provenance" | "sbom" => {
                    if let Some(entry) = attestation(&key.name, &text(node)?) {
                        target.attest = merged(&target.attest, &[entry]);
                    }
                }
                "x-bake" => {}
                other => {
                    return Err(Problem::at(
                        key.place,
                        format!("there is no {other:?} in build of compose files"),
                    )
                    .suggesting(other, &BUILD));
                }
            }
        }
        match build.get("x-bake") {
            Some(extension) => extend(target, extension),
            None => Ok(()),
        }
    }

    /// Arguments; one without a value takes that of the service's environment, or else of the caller's.
    fn arguments(&self, node: &Node, service: &Node) -> Outcome<BTreeMap<String, String>> {
        let environment = match service.get("environment") {
            Some(environment) => pairs(environment)?.into_iter().collect(),
            None => BTreeMap::new(),
        };
        let resolve = |(name, value): (String, Option<String>)| {
            let value = value
                .or_else(|| environment.get(&name).cloned().flatten())
                .or_else(|| (self.lookup)(&name))?;
            Some((name, value))
        };
        Ok(pairs(node)?.into_iter().filter_map(resolve).collect())
    }

    fn secrets(&self, node: &Node) -> Outcome<Vec<Secret>> {
        items(node)?.iter().map(|item| self.secret(item)).collect()
    }

    fn secret(&self, item: &Node) -> Outcome<Secret> {
        let source = text(item.get("source").unwrap_or(item))?;
        let mut secret = Secret {
            id: source.clone(),
            ..Secret::default()
        };
        let Some(defined) = self.secrets.and_then(|all| all.get(&source)) else {
            return Err(
                Problem::at(item.place, format!("there is no secret {source:?}")).with_help(format!(
                    "define it at the top: secrets: {{ {source}: {{ file: … }} }}"
                )),
            );
        };
        if let Some(external) = defined.get("external")
            && text(external)? != "false"
        {
            return Err(Problem::at(
                external.place,
                format!("the secret {source:?} is external: its value is not known here"),
            ));
        }
        if let Some(file) = defined.get("file") {
            secret.file = text(file)?;
        }
        if let Some(variable) = defined.get("environment") {
            secret.variable = text(variable)?;
        }
        Ok(secret)
    }
}

/// `x-bake`: what bake has and compose files have not.
fn extend(target: &mut Target, extension: &Node) -> Outcome<()> {
    for (key, node) in extension.entries() {
        if matches!(node.content, Content::Null) {
            continue;
        }
        match key.name.as_str() {
            "tags" => target.tags.get_or_insert_default().extend(words(node)?),
            "platforms" => target.platforms.get_or_insert_default().extend(words(node)?),
            "cache-from" => target
                .cache_from
                .extend(written::<Cache>(node)?.into_iter().map(|it| it.0)),
            "cache-to" => {
                let more = written::<Cache>(node)?.into_iter().map(|it| it.0);
                target.cache_to.get_or_insert_default().extend(more);
            }
            "output" => {
                let more = written::<Export>(node)?.into_iter().map(|it| it.0);
                target.outputs.get_or_insert_default().extend(more);
            }
            "attest" => {
                let more: Vec<Entry> = written::<Attestation>(node)?.into_iter().map(|it| it.0).collect();
                target.attest = merged(&target.attest, &more);
            }
            "secret" => target.secrets.extend(written::<Secret>(node)?),
            "ssh" => target.ssh.extend(written::<Ssh>(node)?),
            "pull" => target.pull = Some(truth(node)?),
            "no-cache" => target.no_cache = Some(truth(node)?),
            "no-cache-filter" => target.no_cache_filter.extend(words(node)?),
            "contexts" => {
                for (name, value) in pairs(node)?.into_iter().map(filled) {
                    target.contexts.entry(name).or_insert(value);
                }
            }
            other => {
                let known = [
                    "tags",
                    "platforms",
                    "cache-from",
                    "cache-to",
                    "output",
                    "secret",
                    "ssh",
                    "pull",
                    "no-cache",
                    "no-cache-filter",
                    "contexts",
                ];
                return Err(Problem::at(key.place, format!("there is no {other:?} in x-bake"))
                    .suggesting(other, &known));
            }
        }
    }
    for list in [&mut target.tags, &mut target.platforms].into_iter().flatten() {
        without_doubles(list);
    }
    target.ssh.sort_by(|first, second| first.id.cmp(&second.id));
    Ok(())
}

fn filled((name, value): (String, Option<String>)) -> (String, String) {
    (name, value.unwrap_or_default())
}

fn attestation(kind: &str, value: &str) -> Option<Entry> {
    let fields = match value {
        "false" => format!("type={kind},disabled=true"),
        "true" => format!("type={kind}"),
        options => format!("type={kind},{options}"),
    };
    Attestation::of_text(&fields).ok()?.pop().map(|it| it.0)
}

fn text(node: &Node) -> Outcome<String> {
    match &node.content {
        Content::Scalar(text) => Ok(text.clone()),
        Content::Null => Ok(String::new()),
        _ => Err(Problem::at(
            node.place,
            format!("a text is needed here, not {}", node.kind()),
        )),
    }
}

fn truth(node: &Node) -> Outcome<bool> {
    let value = text(node)?;
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(Problem::at(
            node.place,
            format!("true or false is needed here, not {value:?}"),
        )),
    }
}

fn items(node: &Node) -> Outcome<&[Node]> {
    match &node.content {
        Content::List(items) => Ok(items),
        _ => Err(Problem::at(
            node.place,
            format!("a list is needed here, not {}", node.kind()),
        )),
    }
}

fn texts(node: &Node) -> Outcome<Vec<String>> {
    items(node)?.iter().map(text).collect()
}

/// A list, or one text with spaces.
fn words(node: &Node) -> Outcome<Vec<String>> {
    match &node.content {
        Content::Scalar(text) => Ok(text.split_whitespace().map(String::from).collect()),
        _ => texts(node),
    }
}

fn written<T: Written>(node: &Node) -> Outcome<Vec<T>> {
    let mut all = Vec::new();
    for text in words(node)?.iter().filter(|text| !text.is_empty()) {
        all.extend(T::of_text(text).map_err(|error| Problem::at(node.place, error))?);
    }
    Ok(all)
}

fn caches(node: &Node) -> Outcome<Vec<Entry>> {
    let mut all = Vec::new();
    for item in items(node)? {
        let found = Cache::of_text(&text(item)?).map_err(|error| Problem::at(item.place, error))?;
        all.extend(found.into_iter().map(|it| it.0));
    }
    Ok(all)
}

/// A map, or a list of `NAME=VALUE` and `NAME`.
fn pairs(node: &Node) -> Outcome<Vec<(String, Option<String>)>> {
    match &node.content {
        Content::Map(entries) => entries
            .iter()
            .map(|(key, value)| match value.content {
                Content::Null => Ok((key.name.clone(), None)),
                _ => Ok((key.name.clone(), Some(text(value)?))),
            })
            .collect(),
        Content::List(items) => items
            .iter()
            .map(|item| {
                let text = text(item)?;
                Ok(match text.split_once('=') {
                    Some((name, value)) => (name.to_string(), Some(value.to_string())),
                    None => (text, None),
                })
            })
            .collect(),
        _ => Err(Problem::at(
            node.place,
            format!(
                "a map or a list of NAME=VALUE is needed here, not {}",
                node.kind()
            ),
        )),
    }
}

/// Contexts; that of another service is a target's.
fn contexts(node: &Node) -> Outcome<BTreeMap<String, String>> {
    let of_service = |(name, value): (String, String)| match value.strip_prefix("service:") {
        Some(service) => (name, format!("target:{}", service.replace('.', "_"))),
        None => (name, value),
    };
    Ok(pairs(node)?.into_iter().map(filled).map(of_service).collect())
}

fn ssh(node: &Node) -> Outcome<Vec<Ssh>> {
    let mut keys: Vec<Ssh> = match &node.content {
        Content::Scalar(id) => vec![Ssh {
            id: id.clone(),
            paths: Vec::new(),
        }],
        _ => pairs(node)?
            .into_iter()
            .map(|(id, path)| Ssh {
                id,
                paths: path.into_iter().filter(|path| !path.is_empty()).collect(),
            })
            .collect(),
    };
    keys.sort_by(|first, second| first.id.cmp(&second.id));
    Ok(keys)
}

fn limits(node: &Node) -> Outcome<Vec<String>> {
    let limit = |(key, value): &(crate::yaml::Key, Node)| {
        let (soft, hard) = match (value.get("soft"), value.get("hard")) {
            (Some(soft), Some(hard)) => (text(soft)?, text(hard)?),
            (Some(one), None) | (None, Some(one)) => (text(one)?, text(one)?),
            (None, None) => (text(value)?, text(value)?),
        };
        Ok(format!("{}={soft}:{hard}", key.name))
    };
    node.entries().iter().map(limit).collect()
}

/// `NAME:ADDRESS`, `NAME=ADDRESS`, or a map.
fn hosts(node: &Node) -> Outcome<BTreeMap<String, String>> {
    let Content::List(items) = &node.content else {
        return Ok(pairs(node)?.into_iter().map(filled).collect());
    };
    items
        .iter()
        .map(|item| {
            let text = text(item)?;
            let split = text.split_once('=').or_else(|| text.split_once(':'));
            let (name, address) =
                split.ok_or_else(|| Problem::at(item.place, format!("{text:?} must be NAME:ADDRESS")))?;
            Ok((name.to_string(), address.to_string()))
        })
        .collect()
}
