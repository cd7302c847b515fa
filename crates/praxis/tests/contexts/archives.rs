//! Archives as contexts: on standard input, and at an address.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use praxis_testkit::Archive;

use crate::place::Place;
use crate::server::Server;

/// An archive of a small context, made by tar with owner 7:8.
fn archive(place: &Place, compression: &str) -> Vec<u8> {
    place.write("source/Dockerfile", "FROM scratch\nCOPY data /data\n");
    place.write("source/deep/Other", "FROM scratch\nCOPY data/one /other\n");
    place.write("source/data/one", "1\n");
    let mut tar = Command::new("tar");
    tar.args([
        "--owner=7",
        "--group=8",
        "--mode=u=rw,go=r,a+X",
        "--mtime=@1500000000",
    ]);
    tar.args(["-C", "source", "-cf", "-", compression, "."]);
    let output = tar.current_dir(place.path("")).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn on_standard_input_in_every_compression() {
    let place = Place::new();
    for compression in ["--no-auto-compress", "--gzip", "--bzip2", "--xz", "--zstd"] {
        let built = place.build_from(&archive(&place, compression), &["-"]);
        assert_eq!(
            built.listing(),
            [
                "drwxr-xr-x 0/0 0 1980-01-01 00:00 data/",
                "-rw-r--r-- 7/8 2 1980-01-01 00:00 data/one"
            ],
            "{compression}"
        );
    }
}

#[test]
fn the_dockerfile_is_a_path_inside() {
    let place = Place::new();
    let bytes = archive(&place, "--gzip");
    for path in ["deep/Other", "/deep/Other", "./deep/Other"] {
        assert_eq!(
            place.build_from(&bytes, &["-f", path, "-"]).names(),
            ["other"],
            "{path}"
        );
    }
    // A file of that name beside praxis is not meant.
    place.write("Beside", "FROM scratch\n");
    let beside = place.build_from(&bytes, &["-f", "Beside", "-"]);
    place.assert_refused(&beside, "failed to read Dockerfile Beside");
    let above = place.build_from(&bytes, &["-f", "../Beside", "-"]);
    place.assert_refused(&above, "leads out of the build context");
    let mut lower = Archive::default();
    lower.file("dockerfile", 0o644, b"FROM scratch\nCOPY dockerfile /x\n");
    assert_eq!(place.build_from(&lower.finish(), &["-"]).names(), ["x"]);
    let mut none = Archive::default();
    none.file("x", 0o644, b"FROM scratch\n");
    let none = place.build_from(&none.finish(), &["-"]);
    place.assert_refused(&none, "failed to read Dockerfile Dockerfile");
}

#[test]
fn a_dockerfile_on_standard_input() {
    let place = Place::new();
    place.write("context/file", "x");
    let alone = place.build_from(b"FROM scratch\nCOPY <<E /e\nhi\nE\n", &["-"]);
    assert_eq!(alone.content("e"), "hi\n");
    let with_context = place.build_from(b"FROM scratch\nCOPY file /\n", &["-f", "-", "context"]);
    assert_eq!(with_context.names(), ["file"]);
    let empty = place.build_from(b"FROM scratch\nCOPY file /\n", &["-"]);
    place.assert_refused(&empty, "build context, which is empty");
    let path = place.build_from(b"FROM scratch\n", &["-f", "Other", "-"]);
    place.assert_refused(&path, "no archive of a context");
    let noise = place.build_from(b"\xff\xfe\x00\x01", &["-"]);
    place.assert_refused(&noise, "neither a Dockerfile");
}

#[test]
fn links_are_followed_inside_the_archive() {
    let place = Place::new();
    place.write("secret", "FROM scratch\n");
    let mut archive = Archive::default();
    archive
        .directory("real/", 0o755)
        .file("real/Dockerfile", 0o644, b"FROM scratch\nCOPY in/file out /\n")
        .file("real/file", 0o640, b"x")
        .file("out", 0o600, b"y")
        .link("in", "/real")
        .link("Dockerfile", "../../in/Dockerfile");
    let built = place.build_from(&archive.finish(), &["-"]);
    assert_eq!(built.names(), ["file", "out"]);
    let mut archive = Archive::default();
    archive.link("Dockerfile", place.path("secret").to_str().unwrap());
    let outside = place.build_from(&archive.finish(), &["-"]);
    place.assert_refused(&outside, "failed to read Dockerfile");
}

#[test]
fn row_1_names_that_climb_are_refused() {
    let place = Place::new();
    for name in ["../evil", "/evil", "a/../../evil"] {
        let mut archive = Archive::default();
        archive
            .file("Dockerfile", 0o644, b"FROM scratch\nCOPY . /\n")
            .file(name, 0o644, b"x");
        let built = place.build_from(&archive.finish(), &["-"]);
        place.assert_refused(&built, "evil");
    }
    assert!(!place.path("evil").exists() && !place.path("store/evil").exists());
}

#[test]
fn a_damaged_archive_is_refused() {
    let place = Place::new();
    let bytes = archive(&place, "--no-auto-compress");
    let cut = place.build_from(&bytes[..bytes.len() / 4], &["-"]);
    place.assert_refused(&cut, "standard input");
}

#[test]
fn a_long_archive_is_read_to_its_end_and_a_long_text_is_not() {
    let place = Place::new();
    let mut archive = Archive::default();
    archive
        .file("Dockerfile", 0o644, b"FROM scratch\nCOPY long last /\n")
        .file("long", 0o644, &vec![7; 17 << 20])
        .file("last", 0o644, b"the end");
    let built = place.build_from(&archive.finish(), &["-"]);
    assert_eq!(built.content("last"), "the end");
    assert!(built.listing()[1].contains(" 17825792 "), "{:?}", built.listing());
    let text = "# comment\n".repeat(2 << 20);
    for arguments in [&["-"][..], &["-f", "-", "base"]] {
        let long = place.build_from(text.as_bytes(), arguments);
        assert_eq!(long.code, Some(1), "{}", long.stderr);
        assert!(long.stderr.contains("error: standard input"), "{}", long.stderr);
    }
}

#[test]
fn at_an_address() {
    let place = Place::new();
    let dockerfile = b"FROM scratch\nCOPY <<E /lone\nhi\nE\n".to_vec();
    let files = BTreeMap::from([
        ("/context.tgz", ("", archive(&place, "--gzip"))),
        ("/Dockerfile", ("", dockerfile)),
        (
            "/tool.bin",
            (
                "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                b"tool".to_vec(),
            ),
        ),
    ]);
    let server = Server::start(files, place.path("srv"));
    let archive = place.build(&[&server.url("context.tgz")]);
    assert_eq!(archive.content("data/one"), "1\n");
    let other = place.build(&["-f", "deep/Other", &server.url("context.tgz")]);
    assert_eq!(other.names(), ["other"]);
    let piped = place.build_from(
        b"FROM scratch\nCOPY data/one /piped\n",
        &["-f", "-", &server.url("context.tgz")],
    );
    assert_eq!(piped.names(), ["piped"]);
    let lone = place.build(&[&server.url("Dockerfile")]);
    assert_eq!(lone.content("lone"), "hi\n");
    place.refused(&["-f", "x", &server.url("Dockerfile")], "is no archive");
    place.refused(&[&server.url("nowhere.tgz")], "404");

    fs::create_dir(place.path("context")).unwrap();
    place.write(
        "context/Dockerfile",
        "FROM scratch\nCOPY --from=archive data/one /\nCOPY --from=tool context /tool\n",
    );
    let (named, tool) = (
        format!("archive={}", server.url("context.tgz")),
        format!("tool={}", server.url("tool.bin")),
    );
    let built = place.build(&["--build-context", &named, "--build-context", &tool, "context"]);
    assert_eq!(
        built.listing(),
        [
            "-rw-r--r-- 7/8 2 1980-01-01 00:00 one",
            "-rw------- 0/0 4 1980-01-01 00:00 tool"
        ]
    );
    let gone = format!("archive={}", server.url("gone.tgz"));
    place.refused(&["--build-context", &gone, "context"], "--build-context archive");
}
