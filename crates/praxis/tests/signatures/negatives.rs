//! What must not be believed.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Place;

/// A layout with the image, signed and attested.
fn signed() -> (Place, String) {
    let place = Place::new();
    let digest = place.build("app:1");
    place.good(&["copy", "app:1", "oci-layout:layout:1"]);
    place.good(&["sign", "oci-layout:layout:1", "--key", "own.key"]);
    place.good(&[
        "attest",
        "oci-layout:layout:1",
        "--content",
        "app:1",
        "--type",
        "spdx",
        "--key",
        "own.key",
    ]);
    (place, digest)
}

const IMAGE: &str = "oci-layout:layout:1";

fn verify(place: &Place, more: &[&str]) -> String {
    place.bad(&[&["verify", IMAGE, "--key", "own.pub"][..], more].concat())
}

fn blob(place: &Place, digest: &str) -> std::path::PathBuf {
    place
        .path("layout/blobs/sha256")
        .join(digest.strip_prefix("sha256:").unwrap())
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Writes a blob and gives its descriptor.
fn put(place: &Place, media_type: &str, value: &Value) -> Value {
    let bytes = serde_json::to_vec(value).unwrap();
    let digest = praxis_oci::Digest::of(&bytes).to_string();
    std::fs::write(blob(place, &digest), &bytes).unwrap();
    json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
}

/// Replaces every bundle of the layout by what `change` makes of it and of the manifest that carries it, as somebody does
/// who can write to the place but has no key.
pub(crate) fn forge(place: &Place, change: impl Fn(&mut Value, &mut Value)) {
    let index = place.path("layout/index.json");
    let mut listed = read(&index);
    for entry in listed["manifests"].as_array_mut().unwrap() {
        let mut manifest = read(&blob(place, entry["digest"].as_str().unwrap()));
        if manifest["subject"].is_null() {
            continue;
        }
        let mut bundle = read(&blob(place, manifest["layers"][0]["digest"].as_str().unwrap()));
        change(&mut bundle, &mut manifest);
        let kind = manifest["layers"][0]["mediaType"].as_str().unwrap().to_string();
        manifest["layers"][0] = put(place, &kind, &bundle);
        let kind = manifest["mediaType"].as_str().unwrap().to_string();
        *entry = put(place, &kind, &manifest);
    }
    std::fs::write(index, listed.to_string()).unwrap();
}

#[test]
fn a_signature_by_another_key() {
    let (place, _) = signed();
    let said = place.bad(&["verify", IMAGE, "--key", "other.pub"]);
    assert!(
        said.contains("is not believed: signed with another key"),
        "{said}"
    );
    assert!(said.contains("is NOT verified"), "{said}");
}

#[test]
fn a_swapped_predicate() {
    let (place, _) = signed();
    // The statement about the SBOM is said to be a provenance, in the annotation and in the statement.
    forge(&place, |bundle, manifest| {
        manifest["annotations"]["dev.sigstore.bundle.predicateType"] =
            "https://slsa.dev/provenance/v1".into();
        let _ = bundle;
    });
    let said = verify(&place, &["--type", "provenance"]);
    assert!(
        said.contains("✘") && said.contains("no statement of that type is believed"),
        "{said}"
    );
    assert!(
        said.contains("✔") && said.contains("the image is signed"),
        "annotations count for nothing: {said}"
    );
    forge(&place, |bundle, _| {
        let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap().to_string();
        let text = STANDARD.decode(payload).unwrap();
        let text = String::from_utf8(text)
            .unwrap()
            .replace("https://spdx.dev/Document", "https://slsa.dev/provenance/v1");
        bundle["dsseEnvelope"]["payload"] = STANDARD.encode(text).into();
    });
    let said = verify(&place, &["--type", "provenance"]);
    assert!(said.contains("no statement of that type is believed"), "{said}");
}

#[test]
fn a_signature_of_another_image_played_again() {
    let (place, digest) = signed();
    place.write("app/file", "other content");
    let other = place.build("app:2");
    assert_ne!(other, digest);
    place.good(&["copy", "app:2", "oci-layout:layout:2"]);
    let manifest = std::fs::read(blob(&place, &other)).unwrap();
    let descriptor = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": other, "size": manifest.len(),
    });
    forge(&place, |_, manifest| manifest["subject"] = descriptor.clone());
    let said = place.bad(&["verify", "oci-layout:layout:2", "--key", "own.pub"]);
    assert!(
        said.contains("it is about another image than the one it refers to"),
        "{said}"
    );
}

#[test]
fn an_sbom_that_says_something_else() {
    let (place, _) = signed();
    place.good(&["verify", IMAGE, "--key", "own.pub", "--sbom"]);
    let sbom = place.good(&["sbom", "app:1", "--format", "spdx-json"]);
    let mut changed: Value = serde_json::from_str(&sbom).unwrap();
    let invented = json!({
        "SPDXID": "SPDXRef-invented", "name": "invented", "versionInfo": "1", "downloadLocation": "NOASSERTION",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": "pkg:pypi/invented@1",
        }],
    });
    changed["packages"].as_array_mut().unwrap().push(invented);
    place.write("changed.json", &changed.to_string());
    place.good(&["copy", "app:1", "oci-layout:other:1"]);
    place.good(&["sign", "oci-layout:other:1", "--key", "own.key"]);
    let attest = [
        "attest",
        "oci-layout:other:1",
        "--type",
        "spdx",
        "--predicate",
        "changed.json",
        "--key",
        "own.key",
    ];
    place.good(&attest);
    let said = place.bad(&["verify", "oci-layout:other:1", "--key", "own.pub", "--sbom"]);
    assert!(said.contains("PX803") && said.contains("invented"), "{said}");
}

#[test]
fn a_builder_that_may_not_build_and_a_base_that_is_not_named() {
    let (place, _) = signed();
    let attest = [
        "attest",
        IMAGE,
        "--content",
        "app:1",
        "--type",
        "provenance",
        "--builder-id",
        "https://a.test/ci",
    ];
    place.good(&[&attest[..], &["--key", "own.key"]].concat());
    place.good(&[
        "verify",
        IMAGE,
        "--key",
        "own.pub",
        "--builder-id",
        "https://a.test/ci",
    ]);
    let said = verify(&place, &["--builder-id", "https://b.test/ci"]);
    assert!(said.contains("it was built by \"https://a.test/ci\""), "{said}");
    let base = format!("sha256:{}", "ab".repeat(32));
    place.write("Dockerfile.other", &format!("FROM r.test/base:1@{base}\n"));
    let said = verify(&place, &["--dockerfile", "Dockerfile.other"]);
    assert!(
        said.contains(&format!("PX802: {base} is not among them")),
        "{said}"
    );
}

#[test]
fn a_policy_says_what_has_to_hold() {
    let (place, _) = signed();
    place.write(
        "policy/praxis.toml",
        "[verify]\nkeys = [\"../own.pub\"]\npredicates = [\"spdx\"]\nsbom = true\n",
    );
    place.good(&["verify", IMAGE, "--policy", "policy"]);
    place.write(
        "policy/praxis.toml",
        "[verify]\nkeys = [\"../own.pub\"]\npredicates = [\"cyclonedx\"]\n",
    );
    let said = place.bad(&["verify", IMAGE, "--policy", "policy"]);
    assert!(said.contains("it has a CycloneDX SBOM"), "{said}");
}

#[test]
fn a_bundle_that_nobody_can_read_counts_for_nothing() {
    let (place, _) = signed();
    forge(&place, |bundle, _| {
        if bundle["dsseEnvelope"]["payload"].as_str().unwrap().len() > 1000 {
            *bundle = json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"});
        }
    });
    let said = place.good(&["verify", IMAGE, "--key", "own.pub"]);
    assert!(
        said.contains("1 bundles that refer to it are not believed"),
        "{said}"
    );
}
