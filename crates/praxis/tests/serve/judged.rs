//! What a server judges by what its operator and a repository say: signatures, and Dockerfiles.

use std::process::Output;

use serde_json::{Value, json};

use crate::agent::Place;
use crate::api::{built, post, signed_in};
use crate::web::{READER, Server, command, refused};

const PLAIN: &str = "FROM scratch\nMAINTAINER somebody\nCOPY Dockerfile /\n";

fn praxis(place: &Place, words: &[&str]) -> Output {
    let mut command = place.praxis();
    let output = command
        .env("PRAXIS_KEY_PASSWORD", "test")
        .args(words)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The keys of somebody who is believed and of somebody who is not, and the policy that says so.
fn policy(place: &Place) {
    place.write(
        "policy/praxis.toml",
        "[verify]\nkeys = [\"team.pub\"]\npredicates = [\"spdx\"]\n",
    );
    for name in ["team", "stranger"] {
        praxis(
            place,
            &[
                "key",
                "generate",
                "--output-key-prefix",
                &format!("policy/{name}"),
            ],
        );
    }
}

fn page(server: &Server, path: &str) -> String {
    let cookie = signed_in(server, READER);
    let answer = server.request("GET", path, &[("cookie", &cookie)], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn verify(server: &Server) -> Value {
    let answer = post(server, READER, "/v1/tools/verify", &json!({"image": "app:1"}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn statuses(verified: &Value) -> Vec<(&str, &str)> {
    let bundles = verified["bundles"].as_array().unwrap().iter();
    let mut all: Vec<(&str, &str)> = bundles
        .map(|one| {
            (
                one["untrusted"]["holds"].as_str().unwrap(),
                one["status"].as_str().unwrap(),
            )
        })
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn signatures_are_judged_by_what_the_operator_demands() {
    let place = Place::with(PLAIN);
    policy(&place);
    let server = Server::start(&place, &["--verify-policy", "policy"]);
    built(&server);
    let bare = verify(&server);
    assert_eq!(
        (&bare["verdict"], statuses(&bare).len()),
        (&json!("not verified"), 0)
    );
    praxis(&place, &["sign", "--key", "policy/stranger.key", "app:1"]);
    let strange = verify(&server);
    assert_eq!(statuses(&strange), [("a signature", "not believed")]);
    praxis(&place, &["sign", "--key", "policy/team.key", "app:1"]);
    praxis(
        &place,
        &["attest", "--key", "policy/team.key", "--type", "spdx", "app:1"],
    );
    let whole = verify(&server);
    assert_eq!(whole["verdict"], "verified", "{whole}");
    let expected = [
        ("a signature", "believed"),
        ("a signature", "not believed"),
        ("an SPDX SBOM", "believed"),
    ];
    assert_eq!(statuses(&whole), expected);
    let shown = page(&server, "/image?name=app%3A1");
    assert!(
        shown.contains("all that is demanded of it holds") && shown.contains(">not believed<"),
        "{shown}"
    );
    // The same says the command.
    let said = praxis(&place, &["verify", "--policy", "policy", "--json", "app:1"]);
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(
        (&said["passed"], &said["digest"]),
        (&json!(true), &whole["digest"])
    );
    drop(server);
    // A server to which nobody named a key judges nothing.
    let server = Server::start(&place, &[]);
    let unjudged = verify(&server);
    assert_eq!(unjudged["verdict"], "not checked");
    assert!(
        statuses(&unjudged)
            .iter()
            .all(|(_, status)| *status == "not checked")
    );
    assert!(page(&server, "/image?name=app%3A1").contains("no key is configured"));
}

#[test]
fn a_server_does_not_start_on_demands_that_believe_nobody() {
    let place = Place::with(PLAIN);
    place.write("policy/praxis.toml", "[verify]\npredicates = [\"spdx\"]\n");
    let options = ["--http", "127.0.0.1:0", "--verify-policy", "policy"];
    assert!(refused(command(&place, &options)).contains("no key is named that is believed"));
}

#[test]
fn a_dockerfile_is_judged_by_the_rules_of_its_repository() {
    let place = Place::with(PLAIN);
    let server = Server::start(&place, &[]);
    let (id, _) = built(&server);
    let path = format!("/builds/{id}");
    let usual = page(&server, &path);
    assert!(
        usual.contains("by the usual rules") && usual.contains("<strong>warning MaintainerDeprecated"),
        "{usual}"
    );
    // Of the directory itself, or of one above it that the caller may read; never of one that they may not.
    place.write("praxis.toml", "[rules]\nMaintainerDeprecated = \"error\"\n");
    assert!(page(&server, &path).contains("by the usual rules"));
    place.write("ctx/praxis.toml", "[rules]\nMaintainerDeprecated = \"off\"\n");
    let above = page(&server, &path);
    assert!(
        above.contains("praxis.toml") && !above.contains("<strong>warning Maint"),
        "{above}"
    );
    place.write(
        "ctx/app/praxis.toml",
        "[rules]\nMaintainerDeprecated = \"error\"\n",
    );
    let strict = page(&server, &path);
    assert!(strict.contains("<strong>error MaintainerDeprecated"), "{strict}");
    // The file has changed since: the text that was built is judged, by the same rules.
    place.write("ctx/app/Dockerfile", "FROM scratch\n");
    let changed = page(&server, &path);
    assert!(
        changed.contains("MAINTAINER somebody") && changed.contains("<strong>error MaintainerDeprecated"),
        "{changed}"
    );
    place.write("ctx/app/praxis.toml", "[rules\n");
    assert!(page(&server, &path).contains("It could not be checked: "));
}
