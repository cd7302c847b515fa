//! A document compared with what an image is made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{Inventory, SbomError};

/// Documents are read to this depth by their parser, and to this size here.
const SIZE: usize = 512 << 20;

/// What a document lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Addresses of components; the image's own is not among them.
    pub components: BTreeSet<String>,
    /// SHA-256 of files by path, of those that the document has with a sum.
    pub files: BTreeMap<String, String>,
}

/// In what a document and an image differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "difference", content = "what")]
pub enum SbomDifference {
    /// The image has a component that the document does not list.
    Missing(String),
    /// The document lists a component that the image does not have.
    Invented(String),
    /// A file with another content than the document says, or that is not there.
    File(String),
}

impl std::fmt::Display for SbomDifference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SbomDifference::Missing(purl) => write!(f, "{purl} is in the image and not in the SBOM"),
            SbomDifference::Invented(purl) => write!(f, "{purl} is in the SBOM and not in the image"),
            SbomDifference::File(path) => write!(f, "{path} is not the file that the SBOM lists"),
        }
    }
}

/// Reads an SPDX or CycloneDX document in JSON, or an in-toto statement about one.
///
/// # Errors
/// If it is neither.
pub fn listed(document: &[u8]) -> Result<Listed, SbomError> {
    if document.len() > SIZE {
        return Err(SbomError::new(format!(
            "an SBOM of more than {SIZE} bytes is not read"
        )));
    }
    let value: Value = serde_json::from_slice(document)
        .map_err(|error| SbomError::new(format!("the SBOM is not valid JSON: {error}")))?;
    let value = match value.get("predicate") {
        Some(predicate) if value.get("predicateType").is_some() => predicate,
        _ => &value,
    };
    if value.get("spdxVersion").is_some() {
        return Ok(of_spdx(value));
    }
    if value["bomFormat"] == "CycloneDX" {
        return Ok(of_cyclonedx(value));
    }
    Err(SbomError::new(
        "neither an SPDX 2 nor a CycloneDX document in JSON",
    ))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn of_spdx(value: &Value) -> Listed {
    let references = items(&value["packages"]).flat_map(|package| items(&package["externalRefs"]));
    let purls = references
        .filter(|one| one["referenceType"] == "purl")
        .filter_map(|one| one["referenceLocator"].as_str());
    let files = items(&value["files"]).filter_map(|file| {
        let mut sums = items(&file["checksums"]);
        let sum = sums.find(|sum| sum["algorithm"] == "SHA256")?["checksumValue"].as_str()?;
        let name = file["fileName"].as_str()?;
        Some((
            name.trim_start_matches("./").trim_start_matches('/').to_string(),
            sum.to_string(),
        ))
    });
    Listed {
        components: purls
            .filter(|purl| !purl.starts_with("pkg:oci/"))
            .map(String::from)
            .collect(),
        files: files.collect(),
    }
}

fn of_cyclonedx(value: &Value) -> Listed {
    let components = || items(&value["components"]);
    let purls = components().filter_map(|one| one["purl"].as_str());
    let files = components()
        .filter(|one| one["type"] == "file")
        .filter_map(|file| {
            let mut sums = items(&file["hashes"]);
            let sum = sums.find(|sum| sum["alg"] == "SHA-256")?["content"].as_str()?;
            Some((
                file["name"].as_str()?.trim_start_matches('/').to_string(),
                sum.to_string(),
            ))
        });
    Listed {
        components: purls
            .filter(|purl| !purl.starts_with("pkg:oci/"))
            .map(String::from)
            .collect(),
        files: files.collect(),
    }
}

/// What is different between a document and the inventory of an image, in order.
pub fn differences(listed: &Listed, inventory: &Inventory) -> Vec<SbomDifference> {
    let there: BTreeSet<&String> = inventory.components.iter().map(|one| &one.purl).collect();
    let missing = there.iter().filter(|purl| !listed.components.contains(**purl));
    let mut found: Vec<SbomDifference> = missing
        .map(|purl| SbomDifference::Missing((*purl).clone()))
        .collect();
    let invented = listed.components.iter().filter(|purl| !there.contains(purl));
    found.extend(invented.map(|purl| SbomDifference::Invented(purl.clone())));
    let sums: BTreeMap<&str, Option<&String>> = inventory
        .files
        .values()
        .map(|file| (file.path.as_str(), file.sha256.as_ref()))
        .collect();
    let other = listed
        .files
        .iter()
        .filter(|(path, sum)| sums.get(path.as_str()).copied().flatten() != Some(*sum));
    found.extend(other.map(|(path, _)| SbomDifference::File(format!("/{path}"))));
    found.sort();
    found
}
