//! ADD of git repositories and of addresses.

use std::collections::BTreeMap;

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
    let files = BTreeMap::from([(
        "/download",
        (
            "Content-Disposition: attachment; filename=\"../../evil\"\r\n",
            b"x".to_vec(),
        ),
    )]);
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
