//! `praxis check --online` with a registry, and without it.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::Value;

use crate::Place;

fn findings(place: &Place, arguments: &[&str], code: i32) -> Vec<Value> {
    let all = [&["check", "--format=json", "repository"], arguments].concat();
    let output = place.praxis("a", &all).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["findings"].as_array().unwrap().clone()
}

fn has(findings: &[Value], rule: &str, line: u64) -> bool {
    findings
        .iter()
        .any(|finding| finding["rule"] == rule && finding["line"] == line)
}

#[test]
fn registries_tell_what_became_of_pins() {
    let place = Place::new();
    place.publish_base("team/base:1");
    let digest = place.base.manifest().to_string();
    let name = place.name("team/base:1");
    let gone = format!("sha256:{}", "b".repeat(64));
    let dockerfile =
        format!("FROM {name}@{digest} AS build\nFROM {name}@{gone}\nCOPY --from=build /bin /bin\n");
    place.write("repository/Dockerfile", &dockerfile);
    place.write(
        "repository/praxis.toml",
        "[image]\nplatforms = [\"linux/mips\"]\n",
    );
    let today = ["--today", "2026-11-25"];
    let offline = findings(&place, &today, 0);
    assert!(
        !has(&offline, "PX106", 1) && !has(&offline, "PX106", 2),
        "{offline:?}"
    );
    let online = findings(&place, &[&today[..], &["--online"]].concat(), 1);
    assert!(has(&online, "PX106", 1) && has(&online, "PX106", 2), "{online:?}");
    // The digest that is there is what the tag stands for; the base was made long ago.
    assert!(
        !has(&online, "PX107", 1) && has(&online, "PX107", 2),
        "{online:?}"
    );
}

/// Also what is not in a Dockerfile.
#[test]
fn deployed_images_and_frontends_are_asked_for() {
    let place = Place::new();
    place.publish_base("team/base:1");
    let digest = place.base.manifest().to_string();
    let name = place.name("team/base:1");
    let gone = format!("sha256:{}", "b".repeat(64));
    place.write(
        "repository/Dockerfile",
        &format!("# syntax={name}@{gone}\nFROM scratch\nCOPY a /\n"),
    );
    let compose = format!("services:\n  a:\n    image: {name}@{digest}\n  b:\n    image: {name}@{gone}\n");
    place.write("repository/compose.yaml", &compose);
    let online = findings(&place, &["--online", "--today", "2026-11-25"], 1);
    let missing: Vec<_> = online
        .iter()
        .filter(|finding| finding["rule"] == "PX106")
        .map(|finding| {
            (
                finding["path"].as_str().unwrap(),
                finding["line"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(missing, [("Dockerfile", 1), ("compose.yaml", 5)], "{online:?}");
}

#[test]
fn without_being_told_nothing_is_asked() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let digest = format!("sha256:{}", "a".repeat(64));
    place.write(
        "repository/Dockerfile",
        &format!("FROM {address}/base:1@{digest}\n"),
    );
    findings(&place, &[], 0);
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}
