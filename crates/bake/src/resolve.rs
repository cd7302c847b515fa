//! Names of the command line to targets with all that they inherit.

use std::collections::BTreeMap;

use praxis_dockerfile::Glob;
use serde::Serialize;

use crate::entry::Entry;
use crate::error::{BakeError, Outcome, Problem};
use crate::overrides::Overrides;
use crate::path;
use crate::read::Bake;
use crate::target::{Group, Target, texts};

/// What is to be built. Serialises as `buildx bake --print` shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resolved {
    /// The groups that were named, and `default` with what the command line names.
    #[serde(rename = "group", skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Group>,
    /// The targets, with those that others need as contexts.
    #[serde(rename = "target")]
    pub targets: BTreeMap<String, Target>,
}

impl Resolved {
    /// As it is printed: what looks like an interpolation is escaped, so that the result can be read again.
    pub fn escaped(&self) -> Resolved {
        let escape = |(name, target): (&String, &Target)| (name.clone(), target.escaped());
        Resolved {
            groups: self.groups.clone(),
            targets: self.targets.iter().map(escape).collect(),
        }
    }
}

impl Bake {
    /// The targets that `names` stand for (none: `default`), with `--set` options applied.
    ///
    /// # Errors
    /// If there is no such target, or an option is wrong.
    pub fn resolve(
        &self,
        names: &[String],
        options: &[String],
        environment: &BTreeMap<String, String>,
    ) -> Result<Resolved, BakeError> {
        let outcome = Overrides::parse(options, &self.targets, environment).and_then(|overrides| {
            let resolver = Resolver {
                bake: self,
                overrides,
            };
            resolver.resolve(names)
        });
        outcome.map_err(|problem| problem.told(&[]))
    }
}

struct Resolver<'b> {
    bake: &'b Bake,
    overrides: Overrides,
}

impl Resolver<'_> {
    fn resolve(&self, names: &[String]) -> Outcome<Resolved> {
        let mut wanted = Vec::new();
        for name in names {
            wanted.extend(self.named(&name.replace('.', "_"))?);
        }
        if names.is_empty() {
            wanted.push("default".into());
        }
        texts(&mut wanted);
        let mut resolved = Resolved::default();
        for name in &wanted {
            let (targets, groups) = self.members(name, &mut BTreeMap::new());
            for target in targets {
                let made = self.target(&target)?;
                resolved.targets.insert(target, made);
            }
            for group in groups.iter().filter_map(|name| self.group(name)) {
                resolved.groups.insert(group.name.clone(), group.clone());
            }
        }
        default_group(&mut resolved, &wanted);
        let names: Vec<String> = resolved.targets.keys().cloned().collect();
        for name in names {
            self.link(&name, &mut resolved.targets, &mut Vec::new())?;
        }
        for target in resolved.targets.values_mut() {
            target.context = target.context.take().map(|context| cleaned(&context));
        }
        Ok(resolved)
    }

    fn group(&self, name: &str) -> Option<&Group> {
        self.bake.groups.iter().find(|group| group.name == name)
    }

    /// Names that a pattern matches.
    fn named(&self, pattern: &str) -> Outcome<Vec<String>> {
        if !pattern.contains(['*', '?', '[', ']']) {
            return Ok(vec![pattern.into()]);
        }
        let glob = Glob::parse(pattern)
            .map_err(|error| Problem::general(format!("{pattern:?} is no pattern: {error}")))?;
        let groups = self.bake.groups.iter().map(|group| &group.name);
        let all = groups.chain(self.bake.targets.iter().map(|target| &target.name));
        let found: Vec<String> = all.filter(|name| glob.matches(name)).cloned().collect();
        if found.is_empty() {
            return Err(Problem::general(format!("there is no target like {pattern:?}")));
        }
        Ok(found)
    }

    /// The targets of a group, and the groups that lead to them.
    fn members(
        &self,
        name: &str,
        visited: &mut BTreeMap<String, (Vec<String>, Vec<String>)>,
    ) -> (Vec<String>, Vec<String>) {
        if let Some(known) = visited.get(name) {
            return known.clone();
        }
        let Some(group) = self.group(name) else {
            return (vec![name.into()], Vec::new());
        };
        visited.insert(name.into(), Default::default());
        let (mut targets, mut groups) = (Vec::new(), vec![name.to_string()]);
        for member in &group.targets {
            let (inside, through) = self.members(member, visited);
            // A name that is a group around itself can only be a target.
            if inside.is_empty() && through.is_empty() && (member == name || self.is_target(member)) {
                targets.push(member.clone());
            }
            targets.extend(inside);
            groups.extend(through);
        }
        texts(&mut targets);
        texts(&mut groups);
        visited.insert(name.into(), (targets.clone(), groups.clone()));
        (targets, groups)
    }

    fn is_target(&self, name: &str) -> bool {
        self.bake.targets.iter().any(|target| target.name == name)
    }

    fn target(&self, name: &str) -> Outcome<Target> {
        let made = self.inherited(name, &mut BTreeMap::new())?;
        let mut target =
            made.ok_or_else(|| Problem::general(format!("target {name:?} inherits from itself")))?;
        target.inherits.clear();
        target.context.get_or_insert_with(|| ".".into());
        if target.dockerfile.as_deref().is_none_or(str::is_empty) {
            target.dockerfile = Some("Dockerfile".into());
        }
        Ok(target)
    }

    fn inherited(
        &self,
        name: &str,
        visited: &mut BTreeMap<String, Option<Target>>,
    ) -> Outcome<Option<Target>> {
        if let Some(known) = visited.get(name) {
            return Ok(known.clone());
        }
        visited.insert(name.into(), None);
        let Some(own) = self.bake.targets.iter().find(|target| target.name == name) else {
            return Err(self.missing(name));
        };
        let mut target = Target::default();
        for parent in &own.inherits {
            let parent = self.inherited(parent, visited).map_err(|problem| Problem {
                message: format!("{}, which {name:?} inherits", problem.message),
                ..problem
            })?;
            if let Some(parent) = parent {
                target.merge(&parent);
            }
        }
        target.merge(own);
        target.name = name.into();
        self.overrides.apply(&mut target)?;
        target.normalize();
        visited.insert(name.into(), Some(target.clone()));
        Ok(Some(target))
    }

    fn missing(&self, name: &str) -> Problem {
        let groups = self.bake.groups.iter().map(|group| group.name.as_str());
        let targets = self.bake.targets.iter().map(|target| target.name.as_str());
        let known: Vec<&str> = groups.chain(targets).collect();
        let problem = Problem::general(format!("there is no target {name:?}"));
        if known.is_empty() {
            return problem;
        }
        let shown = known.iter().filter(|name| !name.starts_with('_'));
        let shown: Vec<&str> = shown.take(20).copied().collect();
        match praxis_dockerfile::nearest(name, &known) {
            Some(name) => problem.with_help(format!("did you mean {name}?")),
            None => problem.with_help(format!("there are: {}", shown.join(", "))),
        }
    }

    /// Adds the targets that `name` uses as contexts.
    fn link(
        &self,
        name: &str,
        targets: &mut BTreeMap<String, Target>,
        path: &mut Vec<String>,
    ) -> Outcome<()> {
        path.push(name.into());
        let links = targets.get(name).map(links).unwrap_or_default();
        for link in links {
            if path.contains(&link) {
                let way = format!("{} → {link}", path.join(" → "));
                return Err(Problem::general(format!(
                    "targets cannot be contexts of each other in a circle: {way}"
                )));
            }
            if !targets.contains_key(&link) {
                let mut made = self.target(&link).map_err(|problem| Problem {
                    message: format!("{}, which {name:?} has as a context", problem.message),
                    ..problem
                })?;
                let nowhere = ("type".to_string(), "cacheonly".to_string());
                made.outputs = Some(vec![Entry([nowhere].into())]);
                made.linked = true;
                targets.insert(link.clone(), made);
            }
            self.link(&link, targets, path)?;
            share(name, &link, targets)?;
        }
        path.pop();
        Ok(())
    }
}

/// Names of the targets that a target has as contexts.
fn links(target: &Target) -> Vec<String> {
    let contexts = target.contexts.values();
    contexts
        .filter_map(|value| value.strip_prefix("target:"))
        .map(String::from)
        .collect()
}

/// What a target takes over from one that is its context.
fn share(name: &str, link: &str, targets: &mut BTreeMap<String, Target>) -> Outcome<()> {
    let Some(linked) = targets.get(link).cloned() else {
        return Ok(());
    };
    let Some(target) = targets.get_mut(name) else {
        return Ok(());
    };
    for entitlement in &linked.entitlements {
        if !target.entitlements.contains(entitlement) {
            target.entitlements.push(entitlement.clone());
        }
    }
    let (Some(own), Some(below)) = (&target.platforms, &linked.platforms) else {
        return Ok(());
    };
    if own.len() > 1 && below.len() > 1 && own.iter().any(|platform| !below.contains(platform)) {
        return Err(Problem::general(format!(
            "target {name:?} is for {}, but its context {link:?} only for {}",
            own.join(", "),
            below.join(", ")
        )));
    }
    Ok(())
}

/// The group `default` with what the command line names.
fn default_group(resolved: &mut Resolved, wanted: &[String]) {
    for name in wanted {
        if name == "default" && resolved.groups.contains_key("default") {
            continue;
        }
        let group = resolved.groups.entry("default".into()).or_insert_with(|| Group {
            name: "default".into(),
            ..Group::default()
        });
        group.targets.push(name.clone());
    }
    if let Some(group) = resolved.groups.get_mut("default") {
        texts(&mut group.targets);
        group.targets.sort();
    }
}

/// A context as it is printed and built: a directory without what adds nothing.
fn cleaned(context: &str) -> String {
    match context.strip_prefix("cwd://") {
        Some(directory) => path::clean(directory),
        None if is_remote(context) => context.into(),
        None => path::clean(context),
    }
}

/// Whether a context is an address and no directory.
pub fn is_remote(context: &str) -> bool {
    let address = ["http://", "https://", "git://", "ssh://", "git@", "github.com/"];
    address.iter().any(|start| context.starts_with(start)) || context.contains("://")
}
