use std::collections::BTreeMap;

use serde::Serialize;

use crate::entry::{Entry, Secret, Ssh, merged, unique};

/// A target, all that it inherits and all variables resolved. Serialises as `buildx bake --print` shows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the fields are the attributes of bake files
pub struct Target {
    #[serde(skip)]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip)]
    pub inherits: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attest: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile_inline: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "absent")]
    pub tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache_from: Vec<Entry>,
    #[serde(skip_serializing_if = "absent")]
    pub cache_to: Option<Vec<Entry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(rename = "secret", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh: Vec<Ssh>,
    #[serde(skip_serializing_if = "absent")]
    pub platforms: Option<Vec<String>>,
    #[serde(rename = "output", skip_serializing_if = "absent")]
    pub outputs: Option<Vec<Entry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_cache: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_cache_filter: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_hosts: BTreeMap<String, String>,
    /// Whether it is built only because another target uses it as a context.
    #[serde(skip)]
    pub linked: bool,
}

/// A group of targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// The name.
    #[serde(skip)]
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Names of targets and groups.
    pub targets: Vec<String>,
}

fn absent<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

/// Each text once, without empty ones.
pub(crate) fn texts(texts: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    texts.retain(|text| !text.is_empty() && seen.insert(text.clone()));
}

fn replace<T: Clone>(place: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        place.clone_from(given);
    }
}

fn extend(map: &mut BTreeMap<String, String>, given: &BTreeMap<String, String>) {
    map.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
}

impl Target {
    /// Lays `over` over this: lists that say where results go replace, others add.
    pub(crate) fn merge(&mut self, over: &Target) {
        replace(&mut self.description, &over.description);
        replace(&mut self.context, &over.context);
        replace(&mut self.dockerfile, &over.dockerfile);
        replace(&mut self.dockerfile_inline, &over.dockerfile_inline);
        replace(&mut self.target, &over.target);
        replace(&mut self.call, &over.call);
        replace(&mut self.pull, &over.pull);
        replace(&mut self.no_cache, &over.no_cache);
        replace(&mut self.network, &over.network);
        replace(&mut self.shm_size, &over.shm_size);
        replace(&mut self.tags, &over.tags);
        replace(&mut self.platforms, &over.platforms);
        replace(&mut self.cache_to, &over.cache_to);
        replace(&mut self.outputs, &over.outputs);
        extend(&mut self.args, &over.args);
        extend(&mut self.contexts, &over.contexts);
        extend(&mut self.labels, &over.labels);
        extend(&mut self.extra_hosts, &over.extra_hosts);
        self.annotations.extend_from_slice(&over.annotations);
        self.no_cache_filter.extend_from_slice(&over.no_cache_filter);
        self.ulimits.extend_from_slice(&over.ulimits);
        self.entitlements.extend_from_slice(&over.entitlements);
        self.inherits.extend_from_slice(&over.inherits);
        self.cache_from = unique([self.cache_from.as_slice(), &over.cache_from].concat());
        self.secrets = unique([self.secrets.as_slice(), &over.secrets].concat());
        self.ssh = unique([self.ssh.as_slice(), &over.ssh].concat());
        self.attest = merged(&self.attest, &over.attest);
    }

    /// Takes out what is there twice and what is empty.
    pub(crate) fn normalize(&mut self) {
        for list in [
            &mut self.annotations,
            &mut self.no_cache_filter,
            &mut self.ulimits,
        ] {
            texts(list);
        }
        for list in [&mut self.tags, &mut self.platforms].into_iter().flatten() {
            texts(list);
        }
        for list in [&mut self.cache_to, &mut self.outputs].into_iter().flatten() {
            *list = unique(std::mem::take(list));
        }
        if self.network.as_deref() == Some("host") {
            self.entitlements.push("network.host".into());
        }
        texts(&mut self.entitlements);
        self.contexts.retain(|_, value| !value.is_empty());
    }

    /// As it is printed: what looks like an interpolation is escaped.
    pub(crate) fn escaped(&self) -> Target {
        let escape = |text: &str| text.replace("${", "$${").replace("%{", "%%{");
        let mut target = self.clone();
        target
            .annotations
            .iter_mut()
            .for_each(|text| *text = escape(text));
        target.dockerfile_inline = target.dockerfile_inline.as_deref().map(escape);
        for map in [&mut target.args, &mut target.labels, &mut target.extra_hosts] {
            map.values_mut().for_each(|text| *text = escape(text));
        }
        target
    }
}
