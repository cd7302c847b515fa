//! `--set target.key=value`.

use std::collections::BTreeMap;

use praxis_dockerfile::Glob;

use crate::decode;
use crate::entry::{Attestation, Cache, Entry, Export, Written, merged, unique};
use crate::error::{Outcome, Problem};
use crate::target::Target;
use crate::value::Value;

/// What one key of one target is set to.
#[derive(Clone, Debug, Default)]
struct Override {
    values: Vec<String>,
    adds: bool,
}

/// What the command line sets, by target and key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides(BTreeMap<String, Vec<(String, Override)>>);

/// Keys that take several values.
const LISTS: [&str; 12] = [
    "output",
    "cache-to",
    "cache-from",
    "tags",
    "platform",
    "secrets",
    "ssh",
    "attest",
    "entitlements",
    "annotations",
    "no-cache-filter",
    "ulimits",
];

/// Keys with a name after them.
const NAMED: [&str; 4] = ["args", "contexts", "labels", "extra-hosts"];

const SINGLE: [&str; 8] = [
    "context",
    "dockerfile",
    "target",
    "call",
    "no-cache",
    "pull",
    "shm-size",
    "network",
];

impl Overrides {
    /// Reads the options. `environment` gives arguments without a value theirs.
    pub fn parse(
        options: &[String],
        targets: &[Target],
        environment: &BTreeMap<String, String>,
    ) -> Outcome<Overrides> {
        let mut overrides = Overrides::default();
        for option in options {
            overrides.add(option, targets, environment)?;
        }
        Ok(overrides)
    }

    fn add(
        &mut self,
        option: &str,
        targets: &[Target],
        environment: &BTreeMap<String, String>,
    ) -> Outcome<()> {
        let wrong = |why: String| Problem::general(format!("--set {option}: {why}"));
        let (left, value) = match option.split_once('=') {
            Some((left, value)) => (left, Some(value.to_string())),
            None => (option, None),
        };
        let (path, adds) = match left.strip_suffix('+') {
            Some(path) => (path, true),
            None => (left, false),
        };
        let (pattern, key) = path
            .split_once('.')
            .ok_or_else(|| wrong("expected TARGET.KEY=VALUE".into()))?;
        let (first, name) = match key.split_once('.') {
            Some((first, name)) => (first, Some(name)),
            None => (key, None),
        };
        let known: Vec<&str> = LISTS.iter().chain(&NAMED).chain(&SINGLE).copied().collect();
        if !known.contains(&first) {
            // Names of attributes where the option has another.
            let meant = match first {
                "platforms" => Some("platform"),
                "secret" => Some("secrets"),
                "tag" => Some("tags"),
                _ => praxis_dockerfile::nearest(first, &known),
            };
            let problem = wrong(format!("there is no key {first:?}"));
            return Err(match meant {
                Some(meant) => problem.with_help(format!("did you mean {meant}?")),
                None => problem,
            });
        }
        if NAMED.contains(&first) != name.is_some_and(|name| !name.is_empty()) {
            return Err(wrong(if NAMED.contains(&first) {
                format!("{first} needs a name: TARGET.{first}.NAME=VALUE")
            } else {
                format!("{first} has no names below it: TARGET.{first}=VALUE")
            }));
        }
        let value = match (value, name) {
            (Some(value), _) => value,
            (None, Some(name)) if first == "args" => match environment.get(name) {
                Some(value) => value.clone(),
                None => return Ok(()),
            },
            (None, _) => return Err(wrong("expected TARGET.KEY=VALUE".into())),
        };
        for target in matching(pattern, targets).map_err(wrong)? {
            let keys = self.0.entry(target).or_default();
            let known = keys.iter().position(|(known, _)| known == key);
            let at = known.unwrap_or_else(|| {
                keys.push((key.to_string(), Override::default()));
                keys.len() - 1
            });
            let set = &mut keys[at].1;
            set.adds = adds;
            if !LISTS.contains(&first) {
                set.values.clear();
            }
            set.values.push(value.clone());
        }
        Ok(())
    }

    /// Lays what is set for a target over it.
    pub fn apply(&self, target: &mut Target) -> Outcome<()> {
        for (key, set) in self.0.get(&target.name).into_iter().flatten() {
            apply(target, key, set)
                .map_err(|error| Problem::general(format!("--set {}.{key}: {error}", target.name)))?;
        }
        Ok(())
    }
}

/// Names of the targets that a pattern means.
fn matching(pattern: &str, targets: &[Target]) -> Result<Vec<String>, String> {
    let names = || targets.iter().map(|target| target.name.as_str());
    if names().any(|name| name == pattern) {
        return Ok(vec![pattern.into()]);
    }
    let glob = Glob::parse(pattern).map_err(|error| format!("{pattern:?} is no pattern: {error}"))?;
    let found: Vec<String> = names()
        .filter(|name| glob.matches(name))
        .map(String::from)
        .collect();
    if found.is_empty() {
        let all: Vec<&str> = names().collect();
        let meant = praxis_dockerfile::nearest(pattern, &all);
        let meant = meant.map_or_else(String::new, |name| format!("; did you mean {name}?"));
        return Err(format!("there is no target like {pattern:?}{meant}"));
    }
    Ok(found)
}

fn apply(target: &mut Target, key: &str, set: &Override) -> Result<(), String> {
    let value = set.values.last().cloned().unwrap_or_default();
    let list = |below: Option<&Vec<String>>| -> Vec<String> {
        let below = below.filter(|_| set.adds).cloned().unwrap_or_default();
        below.into_iter().chain(set.values.iter().cloned()).collect()
    };
    if let Some((map, name)) = key.split_once('.') {
        let map = match map {
            "args" => &mut target.args,
            "contexts" => &mut target.contexts,
            "labels" => &mut target.labels,
            _ => &mut target.extra_hosts,
        };
        map.insert(name.into(), value);
        return Ok(());
    }
    match key {
        "tags" => target.tags = Some(list(target.tags.as_ref())),
        "platform" => target.platforms = Some(list(target.platforms.as_ref())),
        "no-cache-filter" => target.no_cache_filter = list(Some(&target.no_cache_filter)),
        "ulimits" => target.ulimits = list(Some(&target.ulimits)),
        "entitlements" => target.entitlements.extend(set.values.iter().cloned()),
        "annotations" => target.annotations.extend(set.values.iter().cloned()),
        "cache-from" => target.cache_from = more(&target.cache_from, set, |it: Cache| it.0)?,
        "cache-to" => {
            let below = target.cache_to.take().unwrap_or_default();
            target.cache_to = Some(more(&below, set, |it: Cache| it.0)?);
        }
        "output" => {
            let below = target.outputs.take().unwrap_or_default();
            target.outputs = Some(more(&below, set, |it: Export| it.0)?);
        }
        "attest" => {
            let given: Vec<Entry> = more(&[], set, |it: Attestation| it.0)?;
            target.attest = merged(&target.attest, &given);
        }
        "secrets" => target.secrets = more(&target.secrets, set, |it| it)?,
        "ssh" => target.ssh = more(&target.ssh, set, |it| it)?,
        single => {
            let value = match single {
                "no-cache" | "pull" => Value::Bool(crate::csv::boolean(single, &value)?),
                _ => Value::Text(value),
            };
            decode::set(target, single, &value)?;
        }
    }
    Ok(())
}

fn more<W: Written, T: Clone + PartialEq>(
    below: &[T],
    set: &Override,
    inside: impl Fn(W) -> T,
) -> Result<Vec<T>, String> {
    let mut all = if set.adds { below.to_vec() } else { Vec::new() };
    for text in set.values.iter().filter(|text| !text.is_empty()) {
        all.extend(W::of_text(text)?.into_iter().map(&inside));
    }
    Ok(unique(all))
}
