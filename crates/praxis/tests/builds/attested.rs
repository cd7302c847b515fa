//! `sbom` and `provenance` of images built here.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, Ended, run};

const DOCKERFILE: &str = "FROM base\nARG SHOWN\nARG API_TOKEN\n\
    RUN --mount=type=secret,id=key test -s /run/secrets/key\n\
    COPY lib /usr/lib/python3/dist-packages\n";

fn praxis(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.praxis("store");
    command.args(arguments);
    run(command)
}

fn built() -> Bench {
    let bench = Bench::with(DOCKERFILE);
    bench.write(
        "lib/six-1.dist-info/METADATA",
        "Name: six\nVersion: 1\nLicense: MIT\n",
    );
    bench.write("lib/six-1.dist-info/RECORD", "six.py,,\n");
    bench.write("lib/six.py", "x = 1\n");
    fs::write(bench.path("key"), "canary-of-the-secret").unwrap();
    let secret = format!("id=key,src={}", bench.path("key").display());
    let ended = bench.build(&[
        "--tag=app:1",
        "--secret",
        &secret,
        "--build-arg=SHOWN=canary-of-the-argument",
        "--build-arg=API_TOKEN=canary-of-the-token",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    bench
}

#[test]
fn an_sbom_lists_what_is_there_and_is_verified_against_it() {
    let bench = built();
    for format in ["spdx-json", "cyclonedx-json"] {
        let path = bench.path(format).display().to_string();
        let ended = praxis(&bench, &["sbom", "app:1", "--format", format, "-o", &path]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("pkg:pypi/six@1") && text.contains("/usr/lib/python3/dist-packages/six.py"));
        assert_eq!(
            praxis(&bench, &["sbom", "app:1", "--verify", &path]).code,
            Some(0)
        );
        fs::write(&path, text.replace("pkg:pypi/six@1", "pkg:pypi/six@2")).unwrap();
        let ended = praxis(&bench, &["sbom", "app:1", "--verify", &path]);
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        let shown = String::from_utf8(ended.stdout).unwrap();
        assert!(shown.contains("PX803 pkg:pypi/six@1 is in the image"), "{shown}");
    }
}

#[test]
fn row_67_provenance_has_names_of_secrets_only() {
    let bench = built();
    let of = |mode: &str| {
        let ended = praxis(&bench, &["provenance", "app:1", "--mode", mode]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        String::from_utf8(ended.stdout).unwrap()
    };
    let (min, max) = (of("min"), of("max"));
    for text in [&min, &max] {
        assert!(!text.contains("canary-of-the-secret") && !text.contains("canary-of-the-token"));
        let statement: Value = serde_json::from_str(text).unwrap();
        assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
        let definition = &statement["predicate"]["buildDefinition"];
        assert_eq!(definition["externalParameters"]["request"]["secrets"][0], "key");
        assert_eq!(
            definition["externalParameters"]["request"]["withheldArgs"][0],
            "API_TOKEN"
        );
        let base = definition["resolvedDependencies"][0]["uri"].as_str().unwrap();
        assert!(base.starts_with("pkg:docker/"), "{base}");
    }
    assert!(!min.contains("canary-of-the-argument") && max.contains("canary-of-the-argument"));
    assert_eq!(of("max"), max, "the same again");
    let unknown = bench.path("base").display().to_string();
    assert_eq!(praxis(&bench, &["provenance", &unknown]).code, Some(1));
}

#[test]
fn an_index_lists_attestations_as_buildkit_lays_them_out() {
    let bench = built();
    let layout = bench.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    let wanted = [
        "--provenance=mode=max",
        "--sbom=true",
        "--tag=attested:1",
        "-o",
        &output,
    ];
    let secret = format!("id=key,src={}", bench.path("key").display());
    let arguments = [
        "--build-arg=SHOWN=canary-of-the-argument",
        "--build-arg=API_TOKEN=canary-of-the-token",
    ];
    let line = [&wanted[..], &arguments, &["--secret", &secret]].concat();
    let ended = bench.build(&line);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let read = |descriptor: &Value| -> Value {
        let digest = descriptor["digest"].as_str().unwrap();
        let path = layout
            .join("blobs/sha256")
            .join(digest.strip_prefix("sha256:").unwrap());
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let top: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let index = read(&top["manifests"][0]);
    let [image, attestation] = index["manifests"].as_array().unwrap().as_slice() else {
        panic!("{index}")
    };
    assert_eq!(attestation["platform"]["architecture"], "unknown");
    assert_eq!(
        attestation["annotations"]["vnd.docker.reference.digest"],
        image["digest"]
    );
    assert_eq!(
        attestation["annotations"]["vnd.docker.reference.type"],
        "attestation-manifest"
    );
    let manifest = read(attestation);
    assert_eq!(
        manifest["artifactType"],
        "application/vnd.docker.attestation.manifest.v1+json"
    );
    assert_eq!(manifest["subject"]["digest"], image["digest"]);
    let types = ["https://slsa.dev/provenance/v1", "https://spdx.dev/Document"];
    for (layer, predicate) in manifest["layers"].as_array().unwrap().iter().zip(types) {
        assert_eq!(layer["annotations"]["in-toto.io/predicate-type"], predicate);
        let statement = read(layer);
        assert_eq!(statement["predicateType"], predicate);
        let subject = format!(
            "sha256:{}",
            statement["subject"][0]["digest"]["sha256"].as_str().unwrap()
        );
        assert_eq!(subject, image["digest"]);
        assert!(!statement.to_string().contains("canary-of-the-secret"));
    }
    // The image is the one without attestations, and the index is the same every time.
    let plain = praxis(&bench, &["inspect", "app:1", "--json"]);
    let plain: Value = serde_json::from_slice(&plain.stdout).unwrap();
    assert_eq!(plain["digest"], image["digest"]);
    let again = bench.build(&[&line[..], &["-q"]].concat());
    assert_eq!(
        String::from_utf8(again.stdout).unwrap().trim(),
        top["manifests"][0]["digest"]
    );
    let docker = format!("type=docker,dest={}", bench.path("docker.tar").display());
    let refused = bench.build(&["--sbom=true", "--secret", &secret, "-o", &docker]);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .stderr
            .contains("has no index that attestations could stand in"),
        "{}",
        refused.stderr
    );
}
