//! SPDX 2.3.

use std::collections::BTreeMap;

use praxis_layer::TreePath;
use praxis_oci::Digest;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::cyclonedx::{image_purl, is_address, uuid};
use crate::{Component, Inventory};

/// The type of the predicate in attestations.
pub const SPDX: &str = "https://spdx.dev/Document";

const IMAGE: &str = "SPDXRef-Image";
const SYSTEM: &str = "SPDXRef-OperatingSystem";
const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const NONE: &str = "NOASSERTION";

/// The inventory as an SPDX 2.3 document in JSON. Equal inventories give equal bytes.
pub fn spdx(inventory: &Inventory) -> Value {
    let subject = &inventory.subject;
    let mut packages = vec![image(inventory)];
    packages.extend(system(inventory));
    packages.extend(inventory.components.iter().map(|one| package(inventory, one)));
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": format!("{}@{}", subject.name, subject.digest),
        "creationInfo": {
            "created": seconds(&subject.created),
            "creators": [format!("Tool: praxis-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages,
        "files": files(inventory),
        "relationships": relationships(inventory),
    });
    let texts = texts(inventory);
    if !texts.is_empty() {
        document["hasExtractedLicensingInfos"] = texts.into();
    }
    if !inventory.notes.is_empty() {
        document["comment"] = inventory.notes.join("\n").into();
    }
    document["documentNamespace"] = format!("https://spdx.org/spdxdocs/praxis-{}", uuid(&document)).into();
    document
}

/// SPDX has no fractions of seconds.
fn seconds(time: &str) -> String {
    format!("{}Z", time.get(..19).unwrap_or("1970-01-01T00:00:00"))
}

/// A reference for `what`, unique and plain.
fn reference(kind: &str, name: &str, what: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '.' {
            letter
        } else {
            '-'
        }
    };
    let shown: String = name.chars().map(plain).take(60).collect();
    let sum = Digest::of(what.as_bytes()).hex();
    format!("SPDXRef-{kind}-{shown}-{}", &sum[..16])
}

fn package_reference(one: &Component) -> String {
    reference(one.kind.purl_type(), &one.name, &one.purl)
}

fn file_reference(path: &TreePath) -> String {
    let sum = Digest::of(path.as_bytes()).hex();
    format!("SPDXRef-File-{}", &sum[..24])
}

fn image(inventory: &Inventory) -> Value {
    let subject = &inventory.subject;
    json!({
        "SPDXID": IMAGE,
        "name": subject.name,
        "versionInfo": subject.digest.to_string(),
        "primaryPackagePurpose": "CONTAINER",
        "downloadLocation": NONE,
        "filesAnalyzed": false,
        "licenseConcluded": NONE,
        "licenseDeclared": NONE,
        "copyrightText": NONE,
        "checksums": [{"algorithm": "SHA256", "checksumValue": subject.digest.hex()}],
        "externalRefs": [purl_reference(&image_purl(inventory))],
    })
}

fn purl_reference(purl: &str) -> Value {
    json!({
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": purl,
    })
}

fn system(inventory: &Inventory) -> Option<Value> {
    let system = inventory.system.as_ref()?;
    let mut value = json!({
        "SPDXID": SYSTEM,
        "name": system.id,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "downloadLocation": NONE,
        "filesAnalyzed": false,
        "licenseConcluded": NONE,
        "licenseDeclared": NONE,
        "copyrightText": NONE,
    });
    if !system.version.is_empty() {
        value["versionInfo"] = system.version.clone().into();
    }
    if !system.title.is_empty() {
        value["summary"] = system.title.clone().into();
    }
    Some(value)
}

fn package(inventory: &Inventory, one: &Component) -> Value {
    let declared = one.licence.expression.as_deref().unwrap_or(NONE);
    let analysed = regular(inventory, one).next().is_some();
    let mut value = json!({
        "SPDXID": package_reference(one),
        "name": one.name,
        "primaryPackagePurpose": "LIBRARY",
        "downloadLocation": NONE,
        "filesAnalyzed": analysed,
        "licenseConcluded": NONE,
        "licenseDeclared": declared,
        "copyrightText": NONE,
        "externalRefs": [purl_reference(&one.purl)],
    });
    if analysed {
        value["packageVerificationCode"] =
            json!({"packageVerificationCodeValue": verification(inventory, one)});
    }
    if !one.version.is_empty() {
        value["versionInfo"] = one.version.clone().into();
    }
    if let Some(source) = &one.source {
        value["sourceInfo"] = format!("built package from: {} {}", source.name, source.version).into();
    }
    if let Some(supplier) = &one.supplier {
        value["supplier"] = agent(supplier).into();
    }
    if let Some(home) = one.homepage.as_ref().filter(|home| is_address(home)) {
        value["homepage"] = home.clone().into();
    }
    if let Some(sum) = &one.package_sha256 {
        value["checksums"] = json!([{"algorithm": "SHA256", "checksumValue": sum}]);
    }
    let evidence: Vec<&str> = one.evidence.iter().map(String::as_str).collect();
    value["comment"] = format!("found in {}", evidence.join(", ")).into();
    value
}

/// `Organization: NAME (MAIL)`.
fn agent(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|letter| !letter.is_control() && !"()".contains(*letter))
        .collect();
    match plain.split_once('<') {
        Some((name, mail)) if mail.trim_end().ends_with('>') => {
            let mail = mail.trim_end().trim_end_matches('>');
            format!("Organization: {} ({mail})", name.trim().trim_matches('"'))
        }
        _ => format!("Organization: {}", plain.trim()),
    }
}

/// The regular files of a component.
fn regular<'a>(
    inventory: &'a Inventory,
    one: &'a Component,
) -> impl Iterator<Item = (&'a TreePath, &'a str)> {
    one.files.iter().filter_map(|path| {
        let sum = inventory.files.get(path)?.sha1.as_deref()?;
        Some((path, sum))
    })
}

/// SHA-1 over the sorted SHA-1 sums of the files, as SPDX has it.
fn verification(inventory: &Inventory, one: &Component) -> String {
    let mut sums: Vec<&str> = regular(inventory, one).map(|(_, sum)| sum).collect();
    sums.sort_unstable();
    let sum = Sha1::digest(sums.concat().as_bytes());
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn files(inventory: &Inventory) -> Vec<Value> {
    let mut unattributed = inventory.unattributed.iter().peekable();
    let mut files = Vec::new();
    for (path, record) in &inventory.files {
        let is_nobodys = unattributed.next_if_eq(&path).is_some();
        let (Some(sha1), Some(sha256)) = (&record.sha1, &record.sha256) else {
            continue;
        };
        let mut value = json!({
            "SPDXID": file_reference(path),
            "fileName": format!("./{}", record.path),
            "checksums": [
                {"algorithm": "SHA1", "checksumValue": sha1},
                {"algorithm": "SHA256", "checksumValue": sha256},
            ],
            "licenseConcluded": NONE,
            "copyrightText": NONE,
        });
        if is_nobodys {
            value["comment"] = "attributed to no component".into();
        }
        files.push(value);
    }
    files
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to})
}

fn relationships(inventory: &Inventory) -> Vec<Value> {
    let references: BTreeMap<&str, String> = inventory
        .components
        .iter()
        .map(|one| (one.purl.as_str(), package_reference(one)))
        .collect();
    let mut all = vec![relation(DOCUMENT, "DESCRIBES", IMAGE)];
    let has_system = inventory.system.is_some();
    if has_system {
        all.push(relation(IMAGE, "CONTAINS", SYSTEM));
    }
    for one in &inventory.components {
        let own = &references[one.purl.as_str()];
        let holder = match &one.part_of {
            Some(purl) => references.get(purl.as_str()).map_or(IMAGE, String::as_str),
            None if one.kind.is_system() && has_system => SYSTEM,
            None => IMAGE,
        };
        all.push(relation(holder, "CONTAINS", own));
        let used = one.uses.iter().filter_map(|purl| references.get(purl.as_str()));
        all.extend(used.map(|used| relation(own, "DEPENDS_ON", used)));
        let files = regular(inventory, one);
        all.extend(files.map(|(path, _)| relation(own, "CONTAINS", &file_reference(path))));
    }
    let nobodys = inventory.unattributed.iter().filter(|path| {
        let record = inventory.files.get(*path);
        record.is_some_and(|record| record.sha1.is_some())
    });
    all.extend(nobodys.map(|path| relation(&file_reference(path), "OTHER", IMAGE)));
    all
}

/// The texts of licences that SPDX does not know.
fn texts(inventory: &Inventory) -> Vec<Value> {
    let all: BTreeMap<&String, &String> = inventory
        .components
        .iter()
        .flat_map(|one| &one.licence.texts)
        .collect();
    let text = |(name, text): (&String, &String)| json!({"licenseId": name, "extractedText": text, "name": name.trim_start_matches("LicenseRef-")});
    all.into_iter().map(text).collect()
}
