//! Where a request cannot make the server connect to.

use praxis_testkit::{WebAnswer, WebServer};
use serde_json::{Value, json};

use crate::agent::{Agent, Place};

const METADATA: &str = "http://169.254.169.254/latest/meta-data/";

/// What a build says that must not connect.
#[track_caller]
fn out_of_reach(agent: &mut Agent, arguments: Value) {
    let result = agent.call("build", arguments);
    assert_eq!(result["isError"], true, "{result}");
    let said = result.to_string();
    assert!(said.contains("may not be reached from here"), "{said}");
}

#[test]
fn service_row_05_no_request_makes_the_server_connect_to_what_is_not_public() {
    let inside = WebServer::start(|_| WebAnswer::body("secret"));
    let here = inside.authority().to_string();
    let port = here.rsplit(':').next().unwrap().to_string();
    let place = Place::new();
    let mut agent = place.serve(&["--tier", "open"]);
    agent.greet();
    let dockerfiles = [
        format!("FROM scratch\nADD {METADATA} /x\n"),
        format!("FROM scratch\nADD http://{here}/x /x\n"),
        format!("FROM scratch\nADD http://localhost:{port}/x /x\n"),
        format!("FROM scratch\nADD http://0x7f.1:{port}/x /x\n"),
        format!("FROM scratch\nADD http://2130706433:{port}/x /x\n"),
        format!("FROM scratch\nADD http://[::ffff:127.0.0.1]:{port}/x /x\n"),
        "FROM scratch\nADD http://[fd00:ec2::254]/latest /x\n".into(),
        "FROM scratch\nADD http://10.0.0.1/x /x\n".into(),
        format!("FROM scratch\nADD http://{here}/r.git /x\n"),
        "FROM scratch\nADD https://169.254.169.254/r.git /x\n".into(),
        format!("FROM {here}/a:1\n"),
        format!("FROM localhost:{port}/a:1\n"),
        "FROM 169.254.169.254/a:1\n".into(),
        format!("FROM scratch\nCOPY --from={here}/a:1 / /\n"),
    ];
    for dockerfile in dockerfiles {
        place.write("ctx/app/Dockerfile", &dockerfile);
        out_of_reach(&mut agent, json!({"context": "app"}));
    }
    place.write("ctx/app/Dockerfile", "FROM x\n");
    for context in [
        format!("docker-image://{here}/a:1"),
        format!("http://{here}/r.git"),
        format!("http://{here}/x.tar"),
    ] {
        out_of_reach(
            &mut agent,
            json!({"context": "app", "build_contexts": {"x": context}}),
        );
    }
    for context in [
        METADATA.to_string(),
        format!("http://{here}/x.tar"),
        format!("http://{here}/r.git"),
    ] {
        out_of_reach(&mut agent, json!({"context": context}));
    }
    // What cannot be bounded is not tried.
    place.write("ctx/app/Dockerfile", "FROM scratch\nADD git@127.0.0.1:r.git /x\n");
    let result = agent.call("build", json!({"context": "app"}));
    assert!(
        result.to_string().contains("only plain http and https"),
        "{result}"
    );
    place.write("ctx/app/Dockerfile", &format!("FROM {here}/a:1\n"));
    let plan = agent.call("plan", json!({"context": "app"}));
    assert!(
        plan.to_string().contains("may not be reached from here"),
        "{plan}"
    );
    assert!(inside.requests().is_empty(), "{:?}", inside.requests());
}

#[test]
fn service_row_05_a_redirect_or_realm_leads_to_no_other_place_than_those_named() {
    let inside = WebServer::start(|_| WebAnswer::body("secret"));
    let there = inside.authority().to_string();
    let named = WebServer::start(move |request| match request.path.as_str() {
        "/good" => WebAnswer::body("good"),
        path if path.starts_with("/v2/") => {
            let realm = format!("Bearer realm=\"http://{there}/token\",service=\"x\"");
            WebAnswer::status(401).with("www-authenticate", realm)
        }
        path => WebAnswer::status(302).with("location", format!("http://{there}{path}")),
    });
    let here = named.authority().to_string();
    let place = Place::new();
    let mut agent = place.serve(&["--allow-address", &here]);
    agent.greet();
    place.write(
        "ctx/app/Dockerfile",
        &format!("FROM scratch\nADD http://{here}/good /x\n"),
    );
    assert_eq!(agent.done("build", json!({"context": "app"}))["status"], "done");
    for dockerfile in [
        format!("FROM scratch\nADD http://{here}/moved /x\n"),
        format!("FROM {here}/a:1\n"),
    ] {
        place.write("ctx/app/Dockerfile", &dockerfile);
        out_of_reach(&mut agent, json!({"context": "app"}));
    }
    place.write(
        "ctx/app/Dockerfile",
        &format!("FROM scratch\nADD http://{here}/moved.git /x\n"),
    );
    let result = agent.call("build", json!({"context": "app"}));
    assert_eq!(result["isError"], true, "{result}");
    assert!(!named.requests().is_empty());
    assert!(inside.requests().is_empty(), "{:?}", inside.requests());
}
