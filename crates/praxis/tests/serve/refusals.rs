//! What an agent is refused, whatever it asks.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::agent::{Place, shown};

#[test]
fn service_row_nothing_outside_of_the_roots_is_read() {
    let place = Place::with("FROM scratch\nCOPY Dockerfile /\n");
    place.write("ctx-evil/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    symlink("../ctx-evil", place.path("ctx/out")).unwrap();
    symlink("../../ctx-evil/Dockerfile", place.path("ctx/app/Evil")).unwrap();
    let mut agent = place.serve(&[]);
    agent.greet();
    let evil = shown(&place.path("ctx-evil"));
    for context in [
        "..",
        "../ctx-evil",
        "out",
        "/etc",
        evil.as_str(),
        "app/../../ctx-evil",
    ] {
        for tool in ["build", "plan"] {
            agent.refused(tool, json!({"context": context}), "outside of the roots");
        }
        for tool in ["check", "pin"] {
            agent.refused(tool, json!({"path": context}), "outside of the roots");
        }
        agent.refused(
            "build",
            json!({"context": "app", "build_contexts": {"x": context}}),
            "outside of the roots",
        );
    }
    agent.refused(
        "build",
        json!({"context": "app", "dockerfile": "Evil"}),
        "outside of the roots",
    );
    agent.refused(
        "build",
        json!({"context": "app", "dockerfile": "/etc/passwd"}),
        "outside of the roots",
    );
    for image in [
        "/etc/passwd",
        "../ctx-evil",
        "oci-layout:../ctx-evil",
        "docker-archive:/etc/passwd",
        "oci:/etc",
    ] {
        agent.refused("inspect", json!({"image": image}), "outside of the roots");
    }
    agent.refused(
        "test",
        json!({"image": "x", "config": "/etc/passwd"}),
        "outside of the roots",
    );
    agent.refused(
        "explain",
        json!({"image": "x", "path": "/x", "dockerfile": evil}),
        "outside of the roots",
    );
    assert_eq!(place.builds(), 0);
}

#[test]
fn service_row_no_argument_grants_secrets_privileges_or_a_way_out() {
    let place = Place::with("FROM scratch\nCOPY Dockerfile /\n");
    for tier in ["guarded", "open"] {
        let mut agent = place.serve(&["--tier", tier]);
        agent.greet();
        for (field, says) in [
            ("secrets", "secrets"),
            ("secret", "secrets"),
            ("ssh", "secrets"),
            ("push", "publishes"),
            ("sign", "publishes"),
            ("output", "publishes"),
            ("allow", "policy of this server"),
            ("devices", "policy of this server"),
            ("cache_to", "operator"),
            ("add_hosts", "policy of this server"),
        ] {
            agent.refused("build", json!({"context": "app", field: ["x"]}), says);
        }
        for (field, value) in [
            ("network", json!("host")),
            ("netwrok", json!("none")),
            ("on_error", json!("shell")),
        ] {
            let (kind, message) = agent.fails("build", json!({"context": "app", field: value}));
            assert_eq!(kind, "arguments", "{message}");
        }
    }
    assert_eq!(place.builds(), 0);
}

#[test]
fn contexts_from_elsewhere_are_for_the_open_tier() {
    let place = Place::new();
    let mut agent = place.serve(&[]);
    agent.greet();
    for address in [
        "http://127.0.0.1:9/x.tar",
        "https://example.com/a.git",
        "file:///etc",
        "git://example.com/a",
    ] {
        agent.refused("build", json!({"context": address}), "");
        agent.refused(
            "build",
            json!({"context": "app", "build_contexts": {"x": address}}),
            "",
        );
    }
    assert_eq!(place.builds(), 0);
}

#[test]
fn a_dockerfile_that_wants_a_secret_gets_none() {
    let place =
        Place::with("FROM base\nRUN --mount=type=secret,id=token,required=true cat /run/secrets/token\n");
    let mut agent = place.serve(&[]);
    agent.greet();
    let arguments = json!({"context": "app", "build_contexts": {"base": "oci-layout://base"}});
    let result = agent.call("build", arguments);
    assert_eq!(result["isError"], true, "{result}");
    assert!(result.to_string().contains("token"), "{result}");
}

#[test]
fn a_server_without_roots_builds_nothing() {
    let place = Place::with("FROM scratch\nCOPY Dockerfile /\n");
    let mut command = place.praxis();
    command.arg("serve");
    let mut agent = crate::agent::Agent::start(command);
    agent.greet();
    agent.refused("build", json!({"context": "ctx/app"}), "no roots");
    assert!(
        agent.done("doctor", json!({}))["roots"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_root_that_is_none_ends_the_start() {
    let place = Place::new();
    for (root, says) in [("nothing", "nothing"), ("/", "the whole machine is no root")] {
        let mut command = place.praxis();
        command.args(["serve", "--context-root", root]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}
