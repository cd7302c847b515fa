//! skopeo, buildah and podman read what praxis pushed, and the other way round.

use std::process::Command;

use crate::{Place, success};

fn run(place: &Place, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("HOME", place.path("home"))
        .current_dir(place.path(""));
    success(command.output().unwrap())
}

/// Containers' tools keep their images in the test's directory.
fn storage(place: &Place) -> [String; 4] {
    let root = place.path("containers");
    [
        "--root".into(),
        root.display().to_string(),
        "--runroot".into(),
        place.path("run").display().to_string(),
    ]
}

#[test]
fn digest_for_digest() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM base\nRUN echo x > /x\n");
    let ours = place.name("app:ours");
    let built = [
        "build",
        "-q",
        "--build-context",
        "base=oci-layout://base",
        "-t",
        &ours,
        "app",
    ];
    let digest = place.good("a", &built).trim().to_string();
    place.good("a", &["push", &ours]);
    let inspected = run(
        &place,
        "skopeo",
        &[
            "inspect",
            "--tls-verify=false",
            "--format",
            "{{.Digest}}",
            &format!("docker://{ours}"),
        ],
    );
    assert_eq!(inspected.trim(), digest);
    let [root, root_path, run_root, run_path] = storage(&place);
    let shared = [
        root.as_str(),
        &root_path,
        &run_root,
        &run_path,
        "--storage-driver",
        "vfs",
    ];
    for program in ["buildah", "podman"] {
        let pull = [&shared[..], &["pull", "--tls-verify=false", &ours]].concat();
        run(&place, program, &pull);
        let images = run(
            &place,
            program,
            &[&shared[..], &["images", "--digests", "--no-trunc"]].concat(),
        );
        assert!(images.contains(&digest), "{program}: {images}");
    }
    // What buildah pushes (in Docker's types here), praxis pulls and builds on.
    let theirs = place.name("app:theirs");
    let push = [
        "push",
        "--tls-verify=false",
        "--format",
        "v2s2",
        "--digestfile",
        "digest",
        &ours,
        &theirs,
    ];
    run(&place, "buildah", &[&shared[..], &push].concat());
    let pushed = std::fs::read_to_string(place.path("digest")).unwrap();
    let pulled = place.good("b", &["pull", "--json", &theirs]);
    assert!(pulled.contains(pushed.trim()), "{pushed}: {pulled}");
    place.write("next/Dockerfile", &format!("FROM {theirs}\nRUN grep x /x > /y\n"));
    place.good("c", &["build", "-q", "next"]);
}
