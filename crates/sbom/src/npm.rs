//! Packages of npm, as they lie in `node_modules`.

use praxis_layer::TreePath;
use serde::Deserialize;
use serde_json::Value;

use crate::component::Found;
use crate::files::Files;
use crate::purl::purl;
use crate::{Component, ComponentKind, Licence};

const MODULES: &[u8] = b"node_modules";

/// The packages that are installed.
pub(crate) fn packages(files: &Files) -> Vec<Found> {
    let manifests = files.paths.iter().filter(|path| path.name() == b"package.json");
    manifests.filter_map(|path| package(files, path)).collect()
}

#[derive(Deserialize)]
struct Manifest {
    name: String,
    version: String,
    #[serde(default)]
    license: Value,
    #[serde(default)]
    licenses: Value,
    #[serde(default)]
    homepage: Value,
    #[serde(default)]
    author: Value,
}

fn package(files: &Files, path: &TreePath) -> Option<Found> {
    let directory = path.parent()?;
    let above = directory.parent()?;
    let is_package = above.name() == MODULES
        || (above.name().starts_with(b"@") && above.parent().is_some_and(|top| top.name() == MODULES));
    if !is_package {
        return None;
    }
    let manifest: Manifest = serde_json::from_slice(files.bytes(path)?).ok()?;
    let (scope, name) = match manifest.name.split_once('/') {
        Some((scope, name)) => (Some(scope), name),
        None => (None, manifest.name.as_str()),
    };
    let purl = purl(ComponentKind::Npm, scope, name, &manifest.version, &[])?;
    let mut component = Component::new(ComponentKind::Npm, &manifest.name, &manifest.version, purl);
    component.licence = licence(&manifest);
    component.homepage = manifest.homepage.as_str().map(String::from);
    let author = manifest
        .author
        .as_str()
        .or_else(|| manifest.author["name"].as_str());
    component.supplier = author.map(String::from);
    component.evidence.insert(path.to_string()[1..].into());
    let mut found = Found::new(component);
    found.claims.trees.push(directory);
    found.claims.except = Some(MODULES);
    Some(found)
}

/// `license`, or the list that old packages have.
fn licence(manifest: &Manifest) -> Licence {
    let named = |value: &Value| {
        let text = value.as_str().or_else(|| value["type"].as_str());
        text.map(String::from)
    };
    let several = manifest.licenses.as_array().map(|list| {
        let names: Vec<String> = list.iter().take(20).filter_map(named).collect();
        names.join(" OR ")
    });
    let text = named(&manifest.license).or(several).unwrap_or_default();
    match text.as_str() {
        text if text.starts_with("SEE LICENSE") || text == "UNLICENSED" => Licence::default(),
        text => Licence::declared(text),
    }
}
