//! ADD of git repositories and of addresses.

use std::collections::BTreeMap;
use std::process::Command;

use crate::place::{Built, Place, Repository};
use crate::server::Server;

/// A repository at an address, and a context to add it in.
fn bench() -> (Place, Server, Repository) {
    let place = Place::new();
    let repository = place.repository("app");
    repository
        .write("file", "content\n")
        .write("docs/readme", "text\n");
    repository.commit();
    repository.git(&["tag", "v1"]);
    repository.publish(&place.path("srv/app.git"));
    let plain = ("/other?key=canary", ("", b"y".to_vec()));
    let files = BTreeMap::from([
        plain,
        (
            "/download",
            (
                "Content-Disposition: attachment; filename=\"../../evil\"\r\n",
                b"x".to_vec(),
            ),
        ),
    ]);
    let server = Server::start(files, place.path("srv"));
    place.write("context/.dockerignore", "*\n");
    (place, server, repository)
}

fn add(place: &Place, line: &str) -> Built {
    place.write("context/Dockerfile", &format!("FROM scratch\n{line}\n"));
    let mut command = place.command(&["context"]);
    command.env("SOURCE_DATE_EPOCH", "1700000000");
    place.run(command, b"")
}

#[test]
fn the_files_of_a_commit() {
    let (place, server, repository) = bench();
    let url = server.url("git/app.git");
    let built = add(&place, &format!("ADD {url}#v1 /dst/"));
    let date = "2020-09-13 12:26";
    assert_eq!(
        built.listing(),
        [
            "drwxr-xr-x 0/0 0 2023-11-14 22:13 dst/".to_string(),
            format!("drwxr-xr-x 0/0 0 {date} dst/docs/"),
            format!("-rw-r--r-- 0/0 5 {date} dst/docs/readme"),
            format!("-rw-r--r-- 0/0 8 {date} dst/file"),
        ]
    );
    assert!(
        add(&place, &format!("ADD {url}#v1 /dst/"))
            .stderr
            .contains("CACHED")
    );
    repository.write("file", "other\n").commit();
    let push = repository.path("../srv/app.git");
    repository.git(&["push", "--quiet", push.to_str().unwrap(), "main"]);
    assert_eq!(
        add(&place, &format!("ADD {url}#v1 /dst/")).content("dst/file"),
        "content\n"
    );
    assert_eq!(
        add(&place, &format!("ADD {url} /dst/")).content("dst/file"),
        "other\n"
    );
}

#[test]
fn flags() {
    let (place, server, repository) = bench();
    let url = server.url("git/app.git");
    let part = add(
        &place,
        &format!("ADD --chown=7:8 --chmod=0600 {url}#main:docs /dst/"),
    );
    assert!(
        part.listing()[1].starts_with("-rw------- 7/8 5"),
        "{:?}",
        part.listing()
    );
    let less = add(&place, &format!("ADD --exclude=docs {url} /dst/"));
    assert_eq!(less.names(), ["dst/", "dst/file"]);
    let kept = add(&place, &format!("ADD --keep-git-dir=true {url} /dst/"));
    assert!(
        kept.names().contains(&"dst/.git/HEAD".to_string()),
        "{:?}",
        kept.names()
    );
    let asked = add(&place, &format!("ADD {url}?keep-git-dir=1 /dst/"));
    assert!(
        asked.names().contains(&"dst/.git/HEAD".to_string()),
        "{:?}",
        asked.names()
    );
    let commit = repository.git(&["rev-parse", "HEAD"]);
    for sum in [&commit[..], &commit[..12]] {
        let good = add(&place, &format!("ADD --checksum={sum} {url}#v1 /dst/"));
        assert_eq!(good.content("dst/file"), "content\n");
    }
    let bad = add(
        &place,
        &format!("ADD --checksum={} {url}#v1 /dst/", "ab".repeat(20)),
    );
    place.assert_refused(&bad, "instead of");
    let missing = add(&place, &format!("ADD {url}#nowhere /dst/"));
    place.assert_refused(&missing, "no branch or tag nowhere");
    assert!(missing.stderr.contains("Dockerfile:2:1"), "{}", missing.stderr);
}

#[test]
fn what_was_fetched_is_in_the_provenance() {
    let (place, server, repository) = bench();
    let commit = repository.git(&["rev-parse", "HEAD"]);
    let sum = praxis_oci::Digest::of(b"x").to_string();
    let (git, file) = (server.url("git/app.git"), server.url("download"));
    let text = format!(
        "FROM scratch\nADD --checksum={commit} {git}#v1 /git/\nADD --checksum={sum} {file} /\nADD {}?key=canary /other\n",
        server.url("other")
    );
    place.write("context/Dockerfile", &text);
    let praxis = |arguments: &[&str]| {
        let mut command = place.command(&[]);
        let environment: Vec<_> = command
            .get_envs()
            .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
            .collect();
        command = Command::new(env!("CARGO_BIN_EXE_praxis"));
        command.args(arguments).env_clear().current_dir(place.path(""));
        environment
            .into_iter()
            .for_each(|(name, value)| _ = command.env(name, value.unwrap_or_default()));
        command.env("COSIGN_PASSWORD", "canary").output().unwrap()
    };
    let built = praxis(&["build", "-q", "-t", "app:1", "context"]);
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let said = String::from_utf8(praxis(&["provenance", "app:1"]).stdout).unwrap();
    assert!(!said.contains("canary"), "{said}");
    let statement: serde_json::Value = serde_json::from_str(&said).unwrap();
    let dependencies = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        .as_array()
        .unwrap();
    let digest = |uri: &str, algorithm: &str| {
        let mut found = dependencies.iter().filter(|one| one["uri"] == uri);
        found.find_map(|one| one["digest"][algorithm].as_str().map(String::from))
    };
    assert_eq!(digest(&format!("{git}#v1"), "gitCommit"), Some(commit), "{said}");
    assert_eq!(
        digest(&file, "sha256"),
        sum.strip_prefix("sha256:").map(String::from),
        "{said}"
    );
    let metadata = &statement["predicate"]["runDetails"]["metadata"];
    assert_eq!(metadata["praxis_reproducibility"]["downloadsWithoutChecksum"], 1);
    let credentials = &metadata["praxis_privilege"]["publishingCredentialsInReach"];
    assert_eq!(credentials, &serde_json::json!(["the variable COSIGN_PASSWORD"]));
}

#[test]
fn row_51_a_download_is_called_as_its_address_says() {
    let (place, server, _) = bench();
    let built = add(&place, &format!("ADD {} /dst/", server.url("download")));
    assert_eq!(built.names(), ["dst/", "dst/download"]);
    assert!(!place.path("evil").exists());
}

#[test]
fn the_time_of_a_repository_that_a_stage_adds() {
    let (place, server, _repository) = bench();
    let url = server.url("git/app.git");
    let dockerfile = format!(
        "FROM scratch AS Source\nADD {url}#v1 /\nFROM scratch\nCOPY --from=source /docs /docs\nCOPY <<E /made\nE\n"
    );
    place.write("context/Dockerfile", &dockerfile);
    let built = place.build(&["--build-arg", "SOURCE_DATE_EPOCH=source", "context"]);
    let listing = built.listing();
    let made = listing.iter().find(|line| line.ends_with(" made")).unwrap();
    assert!(made.contains("2020-09-13 12:26"), "{listing:?}");
    place.refused(
        &["--build-arg", "SOURCE_DATE_EPOCH=other", "context"],
        "invalid SOURCE_DATE_EPOCH: other",
    );
}
