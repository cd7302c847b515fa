//! Bases from Debian packages for several platforms, from a mirror on loopback.

use std::fs;
use std::path::Path;
use std::process::Command;

use praxis_debian::{Lock, LockedArchitecture, LockedPackage, Recipe};
use praxis_oci::Digest;
use praxis_testkit::{WebAnswer, WebServer};
use serde_json::Value;

use crate::bench::{Bench, Ended, run, text};

const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

const RECIPE: &str = r#"
name = "tiny"
architectures = ["amd64", "arm64"]
minimal = true
packages = ["hello"]

[[sources]]
archive = "debian"
suites = ["trixie"]
components = ["main"]
keyring = "debian-archive.asc"
fingerprints = ["04B54C3CDCA79751B16BC6B5225629DF75B188BD"]
"#;

/// A package of one file that names the architecture.
fn package(place: &Path, architecture: &str) -> Vec<u8> {
    let tree = place.join(format!("hello-{architecture}"));
    fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    fs::create_dir_all(tree.join("usr/share")).unwrap();
    let control = format!(
        "Package: hello\nVersion: 1.0\nArchitecture: {architecture}\nMaintainer: Nobody <nobody@example.org>\nDescription: x\n"
    );
    fs::write(tree.join("DEBIAN/control"), control).unwrap();
    fs::write(tree.join("usr/share/architecture"), architecture).unwrap();
    let file = place.join(format!("hello_{architecture}.deb"));
    let mut command = Command::new("dpkg-deb");
    command
        .args(["--root-owner-group", "--build"])
        .arg(&tree)
        .arg(&file);
    assert!(command.output().unwrap().status.success());
    fs::read(file).unwrap()
}

/// A recipe with its lock in the context, and the mirror that has the packages.
fn prepare(bench: &Bench) -> WebServer {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bases/keys/debian-archive.asc");
    bench.write("tiny.toml", RECIPE);
    bench.write("debian-archive.asc", &fs::read_to_string(keys).unwrap());
    let path = bench.path("context/tiny.toml");
    let recipe = Recipe::parse(RECIPE, &path).unwrap();
    let packages = ARCHITECTURES.map(|name| (name, package(&bench.path("out"), name)));
    let locked = |(name, bytes): &(&str, Vec<u8>)| LockedArchitecture {
        architecture: (*name).into(),
        packages: vec![LockedPackage {
            name: "hello".into(),
            version: "1.0".into(),
            architecture: (*name).into(),
            archive: "debian".into(),
            filename: format!("pool/main/h/hello/hello_1.0_{name}.deb"),
            size: bytes.len() as u64,
            digest: Digest::of(bytes),
        }],
    };
    let lock = Lock {
        recipe: "tiny".into(),
        inputs: recipe.inputs(),
        epoch: 1_767_312_000,
        suites: Vec::new(),
        architectures: packages.iter().map(locked).collect(),
    };
    bench.write("tiny.lock", &lock.render());
    WebServer::start(move |request| {
        let asked = packages
            .iter()
            .find(|(name, _)| request.path.ends_with(&format!("_{name}.deb")));
        asked.map_or(WebAnswer::status(404), |(_, bytes)| {
            WebAnswer::body(bytes.clone())
        })
    })
}

fn base(bench: &Bench, server: &WebServer, store: &str, platforms: &str) -> Command {
    let mut command = bench.praxis(store);
    command.args([
        "base",
        "build",
        "context/tiny.toml",
        "--tag",
        "localhost/tiny:1",
        "--platform",
        platforms,
    ]);
    command
        .arg("--mirror")
        .arg(format!("http://{}/debian", server.authority()));
    command.current_dir(bench.path(""));
    command
}

#[track_caller]
fn digest(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    text(&ended.stdout).trim().to_string()
}

fn inspect(bench: &Bench, store: &str, platform: &str) -> Value {
    let mut command = bench.praxis(store);
    command.args(["inspect", "localhost/tiny:1", "--platform", platform, "--json"]);
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_slice(&ended.stdout).unwrap()
}

#[test]
fn a_base_for_several_platforms_is_an_index_of_what_each_is_alone() {
    let bench = Bench::new();
    let server = prepare(&bench);
    let index = digest(&run(base(&bench, &server, "store", "linux/amd64,linux/arm64")));
    for (platform, store) in [("linux/amd64", "one"), ("linux/arm64", "other")] {
        let alone = digest(&run(base(&bench, &server, store, platform)));
        let found = inspect(&bench, "store", platform);
        assert_eq!(found["digest"].as_str(), Some(alone.as_str()));
        assert_eq!(found["platform"].as_str(), Some(platform));
        assert_ne!(alone, index);
    }
    if let Some(ended) = bench.as_user(base(&bench, &server, "home/store", "linux/amd64,linux/arm64")) {
        assert_eq!(digest(&ended), index);
    }
    let twice = run(base(&bench, &server, "store", "linux/arm64,linux/arm64/v8"));
    assert!(twice.error(1).contains("arm64 is there already"));
    bench.assert_clean("store");
}

#[test]
fn a_build_for_several_platforms_takes_the_base_of_each() {
    let bench = Bench::with(
        "FROM --platform=$BUILDPLATFORM localhost/tiny:1 AS native\nFROM localhost/tiny:1\n\
         COPY --from=native /usr/share/architecture /built-on\n",
    );
    let server = prepare(&bench);
    let index = digest(&run(base(&bench, &server, "store", "linux/amd64,linux/arm64")));
    let platforms = "linux/amd64,linux/arm64";
    let ended = bench.build(&["--platform", platforms, "-o", "type=local,dest=out/files"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let host = praxis_oci::Platform::host().architecture;
    for name in ARCHITECTURES {
        let read =
            |path: &str| fs::read_to_string(bench.path(&format!("out/files/linux_{name}/{path}"))).unwrap();
        assert_eq!(read("usr/share/architecture"), name);
        assert_eq!(read("built-on"), host);
    }
    // A pin of the index is good for each platform.
    bench.write("Dockerfile", &format!("FROM localhost/tiny:1@{index}\n"));
    bench.digest(&["--platform", platforms]);
}
