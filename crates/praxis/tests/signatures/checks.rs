//! `praxis check --image` on what is published: signatures, statements and lists of referrers.

use praxis_oci::{Descriptor, Index, media_type};
use praxis_registry::{Client, Settings};
use serde_json::Value;

use crate::Place;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// What the rules on attestations find in an image.
fn findings(place: &Place, image: &str) -> Vec<(String, String)> {
    let arguments = [
        "check",
        "--format=json",
        "--fail-on=never",
        "--image",
        image,
        "app",
    ];
    let shown: Value = serde_json::from_str(&place.good(&arguments)).unwrap();
    let own = shown["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["path"] == image);
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_string();
    let pairs = own.map(|one| (text(one, "rule"), text(one, "message")));
    pairs.filter(|(rule, _)| rule.starts_with("PX8")).collect()
}

fn digest_in(message: &str) -> &str {
    message.split_whitespace().next_back().unwrap()
}

#[test]
fn everything_that_is_published_has_to_be_signed() {
    let place = Place::new();
    place.good(&[
        "build",
        "-q",
        "-t",
        "app:1",
        "--platform",
        "linux/amd64,linux/arm64",
        "app",
    ]);
    assert_eq!(
        findings(&place, "app:1"),
        [],
        "what is not published is not looked for"
    );
    let registry = place.registry();
    let name = format!("{}/team/app:1", registry.authority());
    let image = format!("docker://{name}");
    place.good(&["copy", "app:1", &image]);
    let found = findings(&place, &image);
    let said: Vec<&str> = found.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(found.len(), 3, "{said:?}");
    for part in [
        "the index sha256:",
        "the image for linux/amd64 sha256:",
        "the image for linux/arm64 sha256:",
    ] {
        assert!(
            said.iter().any(|message| message.contains(part)),
            "{part}: {said:?}"
        );
    }
    // One platform alone is signed by its digest: the others are still open.
    let amd = said
        .iter()
        .find(|message| message.contains("amd64"))
        .map(|message| digest_in(message))
        .unwrap();
    let alone = format!("{}@{amd}", image.trim_end_matches(":1"));
    place.good(&["sign", &alone, "--key", "own.key"]);
    assert_eq!(findings(&place, &image).len(), 2);
    place.good(&["sign", &image, "--key", "own.key"]);
    assert_eq!(findings(&place, &image), []);
}

/// The registry has no API for referrers: its list is written by clients, who may get it wrong.
#[test]
fn entries_of_lists_say_what_the_manifests_say() {
    let place = Place::new();
    let digest = place.build("app:1");
    let registry = place.registry();
    let name = format!("{}/team/app", registry.authority());
    let image = format!("docker://{name}:1");
    place.good(&["copy", "app:1", &image]);
    place.good(&["sign", &image, "--key", "own.key"]);
    assert_eq!(findings(&place, &image), []);
    let client = Client::new(Settings::default());
    let tag = digest.replace(':', "-");
    let repository = client
        .repository(&format!("{name}:{tag}").parse().unwrap())
        .unwrap();
    let subject = digest.parse().unwrap();
    let right = repository.list(&subject).unwrap().unwrap();
    assert_eq!(right.manifests[0].artifact_type.as_deref(), Some(BUNDLE));
    let put = |change: &dyn Fn(&mut Descriptor)| {
        let mut list: Index = right.clone();
        change(&mut list.manifests[0]);
        let bytes = serde_json::to_vec(&list).unwrap();
        let descriptor = Descriptor::of(media_type::INDEX, &bytes);
        repository.push_manifest(&descriptor, &bytes, Some(&tag)).unwrap();
        findings(&place, &image)
    };
    let found = put(&|entry| entry.artifact_type = None);
    assert!(
        matches!(&found[..], [(rule, said)] if rule == "PX804" && said.contains("another artifact type")),
        "{found:?}"
    );
    let found = put(&|entry| entry.annotations.clear());
    assert!(
        matches!(&found[..], [(rule, said)] if rule == "PX804" && said.contains("other annotations")),
        "{found:?}"
    );
    assert_eq!(put(&|_| {}), []);
}

/// What refers to an image has to be about what it was made from and what is in it.
#[test]
fn statements_are_held_against_dockerfile_and_files() {
    let place = Place::new();
    place.build("app:1");
    let types = ["--type", "provenance", "--type", "spdx", "--type", "cyclonedx"];
    place.good(&[&["attest", "app:1", "--key", "own.key"][..], &types].concat());
    assert_eq!(findings(&place, "app:1"), []);
    let absent = format!("sha256:{}", "a".repeat(64));
    place.write(
        "app/Dockerfile",
        &format!("FROM a.example/base@{absent}\nCOPY file /\n"),
    );
    let found = findings(&place, "app:1");
    assert!(
        matches!(&found[..], [(rule, said)] if rule == "PX802" && said.contains(&absent)),
        "{found:?}"
    );
    place.write("app/Dockerfile", "FROM scratch\nCOPY file /\n");
    // An SBOM of something else.
    place.write("predicate.json", r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"library","name":"six","version":"1","purl":"pkg:pypi/six@1"}]}"#);
    place.good(&[
        "attest",
        "app:1",
        "--key",
        "other.key",
        "--type",
        "https://cyclonedx.org/bom",
        "--predicate",
        "predicate.json",
    ]);
    let found = findings(&place, "app:1");
    assert!(
        found
            .iter()
            .any(|(rule, said)| rule == "PX803" && said.contains("pkg:pypi/six@1")),
        "{found:?}"
    );
}
