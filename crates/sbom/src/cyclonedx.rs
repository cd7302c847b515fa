//! CycloneDX 1.6.

use praxis_layer::TreePath;
use praxis_oci::Digest;
use serde_json::{Map, Value, json};

use crate::{Component, ComponentKind, Inventory, Licence, SourcePackage};

/// The type of the predicate in attestations.
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";

const SYSTEM: &str = "operating-system";

/// The inventory as a CycloneDX 1.6 document in JSON. Equal inventories give equal bytes.
pub fn cyclonedx(inventory: &Inventory) -> Value {
    let mut components: Vec<Value> = Vec::new();
    components.extend(system(inventory));
    components.extend(inventory.components.iter().map(|one| component(inventory, one)));
    components.extend(inventory.unattributed.iter().map(|path| file(inventory, path)));
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata(inventory),
        "components": components,
        "dependencies": dependencies(inventory),
    });
    if !inventory.notes.is_empty() {
        let notes = inventory.notes.iter().map(|note| property("praxis:note", note));
        document["properties"] = notes.collect();
    }
    document["serialNumber"] = format!("urn:uuid:{}", uuid(&document)).into();
    document
}

/// A name for exactly this content, in the form of a UUID.
pub(crate) fn uuid(document: &Value) -> String {
    let mut hex = Digest::of(document.to_string().as_bytes()).hex();
    // Version 8: made by a rule of one's own; the variant of RFC 9562.
    hex.replace_range(12..13, "8");
    hex.replace_range(16..17, "a");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32]
    )
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

/// The address of the image itself.
pub(crate) fn image_purl(inventory: &Inventory) -> String {
    let subject = &inventory.subject;
    let name: String = subject
        .name
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let mut address = format!("pkg:oci/{name}@sha256%3A{}", subject.digest.hex());
    let plain = subject
        .architecture
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric());
    if plain && !subject.architecture.is_empty() {
        address.push_str(&format!("?arch={}", subject.architecture));
    }
    address
}

fn metadata(inventory: &Inventory) -> Value {
    let subject = &inventory.subject;
    let purl = image_purl(inventory);
    let mut properties = vec![
        property("aquasecurity:trivy:ImageID", &subject.config_digest.to_string()),
        property("aquasecurity:trivy:SchemaVersion", "2"),
    ];
    let layers = subject.diff_ids.iter().map(ToString::to_string);
    properties.extend(layers.map(|id| property("aquasecurity:trivy:DiffID", &id)));
    properties.sort_by_key(ToString::to_string);
    json!({
        "timestamp": subject.created,
        "tools": {"components": [
            {"type": "application", "name": "praxis", "version": env!("CARGO_PKG_VERSION")},
        ]},
        "component": {
            "type": "container",
            "bom-ref": purl,
            "name": subject.name,
            "version": subject.digest.to_string(),
            "purl": purl,
            "properties": properties,
        },
    })
}

fn system(inventory: &Inventory) -> Option<Value> {
    let system = inventory.system.as_ref()?;
    let mut value = json!({
        "type": SYSTEM,
        "bom-ref": SYSTEM,
        "name": system.id,
        "version": system.version,
        "properties": [
            property("aquasecurity:trivy:Class", "os-pkgs"),
            property("aquasecurity:trivy:Type", &system.id),
        ],
    });
    if !system.title.is_empty() {
        value["description"] = system.title.clone().into();
    }
    Some(value)
}

fn component(inventory: &Inventory, one: &Component) -> Value {
    let (group, name) = grouped(one);
    let mut value = json!({
        "type": "library",
        "bom-ref": one.purl,
        "name": name,
        "purl": one.purl,
        "properties": properties(inventory, one),
    });
    if let Some(group) = group {
        value["group"] = group.into();
    }
    if !one.version.is_empty() {
        value["version"] = one.version.clone().into();
    }
    if let Some(supplier) = &one.supplier {
        value["supplier"] = json!({"name": supplier});
    }
    if let Some(home) = one.homepage.as_ref().filter(|home| is_address(home)) {
        value["externalReferences"] = json!([{"type": "website", "url": home}]);
    }
    if let Some(sum) = &one.package_sha256 {
        value["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    if let Some(licences) = licences(&one.licence) {
        value["licenses"] = licences;
    }
    let files = one.files.iter().map(|path| json!({"location": path.to_string()}));
    let occurrences: Vec<Value> = files.collect();
    if !occurrences.is_empty() {
        value["evidence"] = json!({"occurrences": occurrences});
    }
    value
}

pub(crate) fn is_address(text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&byte));
    plain && (text.starts_with("https://") || text.starts_with("http://"))
}

/// npm's scopes are groups.
fn grouped(one: &Component) -> (Option<String>, &str) {
    match one
        .name
        .split_once('/')
        .filter(|_| one.kind == ComponentKind::Npm)
    {
        Some((scope, name)) => (Some(scope.into()), name),
        None => (None, &one.name),
    }
}

fn properties(inventory: &Inventory, one: &Component) -> Vec<Value> {
    let mut properties = Vec::new();
    let mut add = |name: &str, value: &str| properties.push(property(name, value));
    let shown = format!("{}@{}", one.name, one.version);
    add("aquasecurity:trivy:PkgID", &shown);
    add("aquasecurity:trivy:PkgType", scanner_type(inventory, one));
    for place in &one.evidence {
        add("praxis:evidence", place);
    }
    if let Some(part_of) = &one.part_of {
        add("praxis:part-of", part_of);
    }
    if let Some(source) = &one.source {
        let parts = source_parts(one.kind, source);
        add("aquasecurity:trivy:SrcName", &source.name);
        add("aquasecurity:trivy:SrcVersion", &parts.version);
        if !parts.release.is_empty() {
            add("aquasecurity:trivy:SrcRelease", &parts.release);
        }
        if !parts.epoch.is_empty() {
            add("aquasecurity:trivy:SrcEpoch", &parts.epoch);
        }
    }
    properties.sort_by_key(ToString::to_string);
    properties
}

/// How trivy names what manages a package.
fn scanner_type<'a>(inventory: &'a Inventory, one: &Component) -> &'a str {
    match one.kind {
        ComponentKind::Python => "python-pkg",
        ComponentKind::Npm => "node-pkg",
        ComponentKind::Go => "gobinary",
        ComponentKind::Cargo => "rustbinary",
        _ => inventory.system.as_ref().map_or("", |system| &system.id),
    }
}

/// A version as trivy takes it apart.
#[derive(Default)]
struct SourceParts {
    epoch: String,
    version: String,
    release: String,
}

fn source_parts(kind: ComponentKind, source: &SourcePackage) -> SourceParts {
    if kind == ComponentKind::Apk {
        return SourceParts {
            version: source.version.clone(),
            ..SourceParts::default()
        };
    }
    let (epoch, rest) = match source.version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch, rest),
        _ => ("", source.version.as_str()),
    };
    let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
    SourceParts {
        epoch: if epoch == "0" { String::new() } else { epoch.into() },
        version: version.into(),
        release: release.into(),
    }
}

/// An expression; a text that SPDX does not know is a licence with its text.
fn licences(licence: &Licence) -> Option<Value> {
    let expression = licence.expression.as_ref()?;
    Some(match licence.texts.get(expression) {
        Some(text) => json!([{"license": {"name": expression, "text": {"content": text}}}]),
        None => json!([{"expression": expression}]),
    })
}

/// A file that no component claims.
fn file(inventory: &Inventory, path: &TreePath) -> Value {
    let mut value = json!({
        "type": "file",
        "bom-ref": format!("file:{path}"),
        "name": path.to_string(),
        "properties": [property("praxis:attribution", "none")],
    });
    let record = inventory.files.get(path);
    if let Some(sum) = record.and_then(|record| record.sha256.as_ref()) {
        value["hashes"] = json!([{"alg": "SHA-256", "content": sum}]);
    }
    value
}

fn dependencies(inventory: &Inventory) -> Vec<Value> {
    let system = inventory.system.is_some();
    let of_system = |one: &&Component| one.kind.is_system();
    let address = |one: &Component| one.purl.clone();
    let mut top: Vec<String> = inventory
        .components
        .iter()
        .filter(|one| !system || !of_system(one))
        .map(address)
        .collect();
    top.extend(system.then(|| SYSTEM.to_string()));
    let mut all = vec![entry(&image_purl(inventory), top)];
    if system {
        let packages = inventory
            .components
            .iter()
            .filter(of_system)
            .map(address)
            .collect();
        all.push(entry(SYSTEM, packages));
    }
    for one in inventory.components.iter().filter(|one| !one.uses.is_empty()) {
        all.push(entry(&one.purl, one.uses.iter().cloned().collect()));
    }
    all
}

fn entry(reference: &str, mut on: Vec<String>) -> Value {
    on.sort();
    let mut entry = Map::new();
    entry.insert("ref".into(), reference.into());
    entry.insert("dependsOn".into(), on.into());
    Value::Object(entry)
}
