//! Every form of output, as others read it.

use std::fs;
use std::path::Path;
use std::process::Command;

use praxis_testkit::{files_below, tree_of};
use serde_json::Value;

use crate::bench::{Bench, names, run, text};

fn bench() -> Bench {
    let bench = Bench::with(
        "FROM base AS made\nRUN mkdir /made && echo 1 > /made/one && ln -s one /made/link && chmod 4711 /made/one\n\
         FROM scratch\nCOPY --from=made /made /made\nCOPY file /file\nLABEL who=me\nCMD [\"/made/one\"]\n",
    );
    bench.write("file", "content\n");
    bench
}

/// What skopeo says of an image.
#[track_caller]
fn skopeo(image: &str) -> Value {
    skopeo_inspect(&[image])
}

#[track_caller]
fn skopeo_inspect(arguments: &[&str]) -> Value {
    let output = Command::new("skopeo").arg("inspect").args(arguments).output();
    let output = output.expect("this test needs skopeo: install the package skopeo");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn inspect(bench: &Bench, image: &str) -> Value {
    let mut command = bench.praxis("store");
    command.args(["inspect", "--json", image]);
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{image}: {}", ended.stderr);
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// Names of a tar's members.
#[track_caller]
fn members(archive: &Path) -> Vec<String> {
    let output = Command::new("tar").arg("-tf").arg(archive).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_string).collect()
}

fn out(bench: &Bench, name: &str) -> String {
    bench.path("out").join(name).to_str().unwrap().to_string()
}

#[test]
fn an_oci_archive_is_accepted_by_another_tool() {
    let bench = bench();
    let digest = bench.digest(&["-t", "example.org/me:1", "-o", "type=oci,dest=out/image.tar"]);
    let image = skopeo(&format!("oci-archive:{}", out(&bench, "image.tar")));
    assert_eq!(image["Digest"], digest.as_str());
    assert_eq!(image["Labels"]["who"], "me");
    assert_eq!(image["Layers"].as_array().unwrap().len(), 2);
}

#[test]
fn an_oci_directory_is_accepted_by_another_tool() {
    let bench = bench();
    let digest = bench.digest(&["-o", "type=oci,tar=false,dest=out/layout"]);
    assert_eq!(
        skopeo(&format!("oci:{}", out(&bench, "layout")))["Digest"],
        digest.as_str()
    );
    assert!(bench.path("out/layout/oci-layout").is_file());
    assert_eq!(names(&bench.path("out")), ["layout"]);
}

#[test]
fn a_docker_archive_is_accepted_by_another_tool() {
    let bench = bench();
    bench.digest(&["-t", "example.org/me:1", "-o", "type=docker,dest=out/image.tar"]);
    let image = skopeo(&format!("docker-archive:{}", out(&bench, "image.tar")));
    assert_eq!(image["Labels"]["who"], "me");
    assert!(members(&bench.path("out/image.tar")).contains(&"manifest.json".to_string()));
}

#[test]
fn every_compression_is_what_it_says() {
    let bench = bench();
    for (compression, kind) in [
        ("gzip", "tar+gzip"),
        ("zstd", "tar+zstd"),
        ("uncompressed", "layer.v1.tar"),
    ] {
        let name = format!("{compression}.tar");
        bench.digest(&[
            "-o",
            &format!("type=oci,dest=out/{name},compression={compression}"),
        ]);
        let archive = format!("oci-archive:{}", out(&bench, &name));
        let manifest = skopeo_inspect(&["--raw", &archive]);
        let media = manifest["layers"][0]["mediaType"].as_str().unwrap();
        assert!(media.ends_with(kind), "{compression}: {media}");
        let described = inspect(&bench, &archive).to_string();
        assert!(described.contains("COPY file /file"), "{described}");
    }
}

#[test]
fn local_and_tar_give_the_files() {
    let bench = bench();
    let ended = bench.build(&[
        "-o",
        "type=local,dest=out/files",
        "-o",
        "type=tar,dest=out/files.tar",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let files = tree_of(&bench.path("out/files"));
    assert_eq!(files[Path::new("file")], b"content\n");
    assert_eq!(files[Path::new("made/one")], b"1\n");
    assert_eq!(
        fs::read_link(bench.path("out/files/made/link")).unwrap(),
        Path::new("one")
    );
    let listed = members(&bench.path("out/files.tar"));
    for name in ["file", "made/", "made/link", "made/one"] {
        assert!(listed.iter().any(|it| it == name), "{name} is not in {listed:?}");
    }
}

#[test]
fn a_path_alone_is_a_directory_of_files_and_a_dash_a_tar() {
    let bench = bench();
    assert_eq!(bench.build(&["-o", "out/files"]).code, Some(0));
    assert_eq!(
        fs::read_to_string(bench.path("out/files/file")).unwrap(),
        "content\n"
    );
    let ended = bench.build(&["-o", "-"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fs::write(bench.path("out/piped.tar"), &ended.stdout).unwrap();
    assert!(members(&bench.path("out/piped.tar")).contains(&"made/one".to_string()));
    let ended = bench.build(&["-o", "type=oci,dest=-"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fs::write(bench.path("out/piped-image.tar"), &ended.stdout).unwrap();
    skopeo(&format!("oci-archive:{}", out(&bench, "piped-image.tar")));
}

#[test]
fn identity_and_metadata_are_written() {
    let bench = bench();
    let digest = bench.digest(&[
        "-t",
        "me:1",
        "-t",
        "me:2",
        "--iidfile",
        "out/id",
        "--metadata-file",
        "out/metadata.json",
        "--label",
        "more=1",
    ]);
    let metadata: Value =
        serde_json::from_slice(&fs::read(bench.path("out/metadata.json")).unwrap()).unwrap();
    assert_eq!(metadata["containerimage.digest"], digest.as_str());
    assert_eq!(metadata["containerimage.descriptor"]["digest"], digest.as_str());
    let id = fs::read_to_string(bench.path("out/id")).unwrap();
    assert_eq!(metadata["containerimage.config.digest"], id.trim());
    assert!(
        metadata["image.name"].as_str().unwrap().contains("me:2"),
        "{metadata}"
    );
    assert_eq!(files_below(&bench.path("out")).len(), 2);
}

#[test]
fn quiet_prints_the_digest_alone() {
    let bench = bench();
    let digest = bench.digest(&[]);
    let mut command = bench.praxis("store");
    command.args([
        "build",
        "-q",
        "--build-context",
        "base=oci-layout://base",
        "context",
    ]);
    let ended = run(command);
    assert_eq!(
        (text(&ended.stdout), ended.stderr.as_str()),
        (format!("{digest}\n"), "")
    );
}

#[test]
fn inspect_finds_the_same_image_by_every_name() {
    let bench = bench();
    let digest = bench.digest(&[
        "-t",
        "me:1",
        "-o",
        "type=oci,dest=out/a.tar",
        "-o",
        "type=oci,tar=false,dest=out/b",
    ]);
    let archive = format!("oci-archive:{}", out(&bench, "a.tar"));
    let layout = format!("oci-layout:{}", out(&bench, "b"));
    for image in ["me:1", &digest, &archive, &layout] {
        let described = inspect(&bench, image).to_string();
        assert!(described.contains(&digest), "{image}: {described}");
    }
    let mut command = bench.praxis("store");
    command.args(["inspect", "me:3"]);
    assert!(run(command).error(1).contains("me:3"));
}

#[test]
fn an_image_of_the_store_is_a_base() {
    let bench = bench();
    bench.digest(&["-t", "example.org/me:1"]);
    bench.write("Dockerfile", "FROM example.org/me:1\nCOPY file /again\n");
    let digest = bench.digest(&["-t", "second:1"]);
    let described = inspect(&bench, &digest).to_string();
    assert!(
        described.contains("COPY file /again") && described.contains("\"who\":\"me\""),
        "{described}"
    );
}
