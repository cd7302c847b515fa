//! Signatures are made in every place an image can be, and go with it.

use praxis_testkit::later_program;

use crate::{Place, success};

const ATTEST: [&str; 6] = ["--type", "provenance", "--type", "spdx", "--type", "cyclonedx"];

fn attest(place: &Place, image: &str) {
    let mut arguments = vec!["attest", image, "--key", "own.key"];
    arguments.extend(ATTEST);
    place.good(&arguments);
}

fn verified(place: &Place, image: &str) -> String {
    let mut arguments = vec![
        "verify",
        image,
        "--key",
        "own.pub",
        "--sbom",
        "--dockerfile",
        "app/Dockerfile",
    ];
    arguments.extend(ATTEST);
    place.good(&arguments)
}

#[test]
fn cosign_believes_what_praxis_signed() {
    let place = Place::new();
    let digest = place.build("app:1");
    place.good(&["sign", "app:1", "--key", "own.key"]);
    attest(&place, "app:1");
    let registry = place.registry();
    let name = format!("{}/team/app", registry.authority());
    place.good(&["copy", "--referrers", "app:1", &format!("docker://{name}:1")]);
    let cosign = later_program("cosign", "cosign");
    let pinned = format!("{name}@{digest}");
    let key = ["--key", "own.pub", "--insecure-ignore-tlog"];
    let ask = |arguments: &[&str]| place.program(&cosign, &[arguments, &key, &[pinned.as_str()]].concat());
    let said = success(ask(&["verify"]));
    assert!(
        said.contains(&digest) && said.contains("https://sigstore.dev/cosign/sign/v1"),
        "{said}"
    );
    for kind in ["slsaprovenance1", "spdxjson", "cyclonedx"] {
        success(ask(&["verify-attestation", "--type", kind]));
    }
    let wrong = place.program(
        &cosign,
        &["verify", "--key", "other.pub", "--insecure-ignore-tlog", &pinned],
    );
    assert!(!wrong.status.success());
    // The old form, beside what others wrote in it before.
    let image = format!("docker://{name}:1");
    place.good(&["sign", &image, "--legacy", "--key", "other.key"]);
    place.good(&["sign", &image, "--legacy", "--key", "own.key"]);
    place.good(&["attest", &image, "--legacy", "--type", "spdx", "--key", "own.key"]);
    for public in ["own.pub", "other.pub"] {
        let old = [
            "--new-bundle-format=false",
            "--insecure-ignore-tlog",
            "--key",
            public,
            &pinned,
        ];
        success(place.program(&cosign, &[&["verify"][..], &old].concat()));
    }
    let old = ["--new-bundle-format=false", "--type", "spdxjson"];
    success(ask(&[&["verify-attestation"][..], &old].concat()));
    // And praxis believes what cosign signed with its own key.
    success(place.program(&cosign, &["generate-key-pair", "--output-key-prefix", "theirs"]));
    let sign = [
        "sign",
        "--key",
        "theirs.key",
        "--tlog-upload=false",
        "--use-signing-config=false",
        "--yes",
        &pinned,
    ];
    success(place.program(&cosign, &sign));
    place.good(&["verify", &image, "--key", "theirs.pub"]);
    place.good(&["sign", &image, "--key", "theirs.key"]);
}

#[test]
fn signatures_go_with_the_image_into_every_place() {
    let place = Place::new();
    let digest = place.build("app:1");
    place.good(&["copy", "app:1", "oci-layout:layout:1"]);
    place.good(&["copy", "app:1", "oci-archive:plain.tar:1"]);
    for image in ["store:app:1", "oci-layout:layout:1", "oci-archive:plain.tar:1"] {
        let unsigned = place.bad(&["verify", image, "--key", "own.pub"]);
        assert!(
            unsigned.contains("PX801: no signature refers to it"),
            "{unsigned}"
        );
        let first = place.good(&["sign", image, "--key", "own.key"]);
        let again = place.good(&["sign", image, "--key", "own.key"]);
        assert_eq!(again, first.replace("  signed:", "  was signed:"));
        let mut arguments = vec!["attest", image, "--content", "app:1", "--key", "own.key"];
        arguments.extend(ATTEST);
        place.good(&arguments);
        assert!(verified(&place, image).contains(&format!("{digest} is verified")));
    }
    place.good(&[
        "copy",
        "--referrers",
        "oci-archive:plain.tar:1",
        "oci-layout:second:x",
    ]);
    verified(&place, "oci-layout:second:x");
    place.good(&["copy", "--referrers", "oci-layout:second:x", "store:moved:1"]);
    place.good(&["store", "gc", "--all"]);
    verified(&place, "moved:1");
    let docker = place.path("docker.tar");
    place.good(&["copy", "app:1", "docker-archive:docker.tar:app:1"]);
    let before = std::fs::read(&docker).unwrap();
    let said = place.bad(&["sign", "docker-archive:docker.tar:app:1", "--key", "own.key"]);
    assert!(said.contains("no place for what refers to an image"), "{said}");
    assert_eq!(std::fs::read(&docker).unwrap(), before);
}

#[test]
fn an_index_is_signed_with_everything_in_it() {
    let place = Place::new();
    let built = [
        "build",
        "-q",
        "--platform",
        "linux/amd64,linux/arm64",
        "-t",
        "app:1",
        "app",
    ];
    place.good(&built);
    let said = place.good(&["sign", "app:1", "--key", "own.key"]);
    let what: Vec<&str> = said
        .lines()
        .map(|line| line.split("  ").nth(1).unwrap())
        .collect();
    assert_eq!(what, ["index", "linux/amd64", "linux/arm64"]);
    attest(&place, "app:1");
    let said = verified(&place, "app:1");
    assert_eq!(said.matches("says what the files say").count(), 4, "{said}");
}

#[test]
fn a_command_signs_where_the_key_is_elsewhere() {
    let place = Place::new();
    place.build("app:1");
    let make = "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out token.key && openssl pkey -in \
                token.key -pubout -out token.pub";
    success(place.program("/bin/sh", &["-c", make]));
    let hook = "openssl dgst -sha256 -sign token.key";
    place.good(&[
        "sign",
        "app:1",
        "--key-command",
        hook,
        "--public-key",
        "token.pub",
    ]);
    place.good(&["verify", "app:1", "--key", "token.pub"]);
    let said = place.bad(&["sign", "app:1", "--key-command", hook, "--public-key", "own.pub"]);
    assert!(
        said.contains("no signature of its input by the public key"),
        "{said}"
    );
}
