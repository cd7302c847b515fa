//! What shows of an image only where it is run, built again, or looked at where it is published; and the rules about it.

use serde::Deserialize;

use crate::policy::{Policy, Transport};
use crate::{ImageView, image::ImageRule};

/// What was seen of an image besides its files. What nobody looked at is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ImageEvidence {
    /// Assertions of smoke tests that hold with a root that can be written to, and not with one that cannot.
    pub needs_writable_root: Vec<String>,
    /// What answered HTTP when the image ran as it is.
    pub http: Vec<HttpAnswer>,
    /// In what a rebuild differs from the image.
    pub rebuild: Option<String>,
    /// The index, manifests and attestations that no signature refers to.
    pub unsigned: Vec<String>,
    /// Digests that the Dockerfile pins and the provenance does not name; or why the provenance cannot be read.
    pub missing_materials: Vec<String>,
    /// In what the SBOMs and the files differ.
    pub sbom_differences: Vec<String>,
    /// Entries of lists of referrers that do not say what their manifests say.
    pub wrong_descriptors: Vec<String>,
}

/// An answer to a request without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAnswer {
    /// The port.
    pub port: u16,
    /// The status.
    pub status: u16,
}

/// The rules about it, by their ids.
pub(crate) const RULES_OF_EVIDENCE: &[(&str, ImageRule)] = &[
    ("PX208", rebuilt),
    ("PX306", writable_root),
    ("PX703", open_http),
    ("PX801", unsigned),
    ("PX802", materials),
    ("PX803", sbom),
    ("PX804", descriptors),
];

fn rebuilt(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let differs = image.evidence.rebuild.iter();
    found.extend(differs.map(|what| format!("a rebuild is another image: {what}")));
}

fn writable_root(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let needs = image.evidence.needs_writable_root.iter();
    found.extend(needs.map(|what| format!("it needs a root that can be written to: {what}")));
}

fn open_http(policy: &Policy, image: &ImageView, found: &mut Vec<String>) {
    for HttpAnswer { port, status } in &image.evidence.http {
        if policy.image.transport == Transport::Stdio {
            found.push(format!(
                "port {port} answers HTTP ({status}), and nothing was set that opens it"
            ));
        } else if !matches!(status, 401 | 403) {
            found.push(format!("port {port} answers HTTP without a token ({status})"));
        }
    }
}

fn unsigned(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    let parts = image.evidence.unsigned.iter();
    found.extend(parts.map(|part| format!("no signature refers to {part}")));
}

fn materials(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    found.extend(image.evidence.missing_materials.iter().cloned());
}

fn sbom(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    found.extend(image.evidence.sbom_differences.iter().cloned());
}

fn descriptors(_: &Policy, image: &ImageView, found: &mut Vec<String>) {
    found.extend(image.evidence.wrong_descriptors.iter().cloned());
}
