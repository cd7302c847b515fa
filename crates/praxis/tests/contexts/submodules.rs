//! Submodules: those a repository names are fetched, theirs only on demand, none from this machine's files.

use crate::place::{Place, Repository};
use crate::server::Server;

/// A repository `top` with the submodule `middle` with the submodule `inner`, all served over HTTP.
fn nested(place: &Place) -> (Server, Repository) {
    let server = Server::start(Default::default(), place.path("srv"));
    let inner = place.repository("inner");
    inner.write("inner-file", "1").commit();
    inner.publish(&place.path("srv/inner.git"));
    let middle = place.repository("middle");
    middle.write("middle-file", "2");
    middle.git(&[
        "submodule",
        "--quiet",
        "add",
        "--",
        &server.url("git/inner.git"),
        "inner",
    ]);
    middle.commit();
    middle.publish(&place.path("srv/middle.git"));
    let top = place.repository("top");
    top.write("Dockerfile", "FROM scratch\nCOPY . /\n");
    top.git(&[
        "submodule",
        "--quiet",
        "add",
        "--",
        &server.url("git/middle.git"),
        "middle",
    ]);
    top.commit();
    // What a relative address stands for depends on the remote's.
    top.git(&[
        "config",
        "--file",
        ".gitmodules",
        "submodule.middle.url",
        "../middle.git",
    ]);
    top.commit();
    top.publish(&place.path("srv/top.git"));
    (server, top)
}

#[test]
fn row_55_submodules_of_submodules_are_fetched_on_demand_only() {
    let place = Place::new();
    let (server, _) = nested(&place);
    let names = |built: &crate::place::Built| built.names().join(" ");
    let plain = place.build(&[&server.url("git/top.git")]);
    assert_eq!(
        names(&plain),
        ".gitmodules Dockerfile middle/ middle/.gitmodules middle/inner/ middle/middle-file"
    );
    assert!(
        plain.stderr.contains("submodules of the submodule middle"),
        "{}",
        plain.stderr
    );
    let all = place.build(&[&server.url("git/top.git?submodules=true")]);
    assert!(
        all.names().contains(&"middle/inner/inner-file".to_string()),
        "{}",
        names(&all)
    );
    assert!(!all.stderr.contains("left out"), "{}", all.stderr);
    let none = place.build(&[&server.url("git/top.git?submodules=false")]);
    assert_eq!(names(&none), ".gitmodules Dockerfile middle/");
}

#[test]
fn kept_git_directories_of_submodules_are_the_same_each_time() {
    let place = Place::new();
    let (server, _) = nested(&place);
    let url = server.url("git/top.git?submodules=true&keep-git-dir=true");
    let built = place.build(&[&url]);
    assert!(
        built
            .content("middle/.git")
            .contains("gitdir: ../.git/modules/middle")
    );
    let bytes = built.bytes();
    std::fs::remove_dir_all(place.path("store")).unwrap();
    assert_eq!(place.build(&[&url]).bytes(), bytes);
}

#[test]
fn row_55_no_submodule_is_a_file_or_program_of_this_machine() {
    let place = Place::new();
    let (server, top) = nested(&place);
    let local = place.path("srv/middle.git").display().to_string();
    let marker = place.path("pwned");
    for (name, url) in [
        ("path", local.clone()),
        ("file", format!("file://{local}")),
        ("ext", format!("ext::sh -c touch% {}", marker.display())),
        ("option", format!("--upload-pack=touch {};", marker.display())),
        (
            "ssh",
            format!("ssh://-oProxyCommand=touch%20{}/x", marker.display()),
        ),
    ] {
        top.git(&["config", "--file", ".gitmodules", "submodule.middle.url", &url]);
        top.commit();
        let remote = format!("srv/{name}.git");
        top.publish(&place.path(&remote));
        for address in [remote.clone(), server.url(&format!("git/{name}.git"))] {
            let built = place.build(&[&address]);
            // git itself leaves out what it finds malformed; it must never run.
            if built.code == Some(0) {
                assert!(matches!(name, "option" | "ssh"), "{address}: {:?}", built.names());
                assert!(!built.names().contains(&"middle/middle-file".to_string()));
            } else {
                place.assert_refused(&built, "git submodule failed");
            }
            assert!(!marker.exists(), "{address} ran a program");
            let without = place.build(&[&format!("{address}?submodules=false")]);
            assert_eq!(without.names(), [".gitmodules", "Dockerfile", "middle/"]);
        }
    }
}
