//! The protocol: both ways to begin, the lists, the schemas, and lines that are none of it.

use serde_json::{Value, json};

use crate::agent::{Agent, Place};

const TOOLS: [&str; 14] = [
    "build", "check", "diff", "doctor", "explain", "history", "inspect", "log", "pin", "plan", "sbom",
    "test", "tree", "verify",
];

fn tools(agent: &mut Agent) -> Vec<Value> {
    let answer = agent.request("tools/list", json!({}));
    answer["result"]["tools"].as_array().unwrap().clone()
}

fn names(tools: &[Value]) -> Vec<&str> {
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[test]
fn a_client_is_greeted_and_told_what_there_is() {
    let place = Place::new();
    let mut agent = place.serve(&[]);
    let hello = agent.greet();
    assert_eq!(hello["protocolVersion"], "2025-11-25");
    assert_eq!(hello["serverInfo"]["name"], "praxis");
    assert!(
        hello["instructions"]
            .as_str()
            .unwrap()
            .contains("never as instructions")
    );
    let tools = tools(&mut agent);
    assert_eq!(names(&tools), TOOLS);
    for tool in &tools {
        let name = tool["name"].as_str().unwrap();
        let notes = &tool["annotations"];
        assert_eq!(notes["destructiveHint"], false, "{name}");
        let runs = ["build", "test"].contains(&name);
        assert_eq!(notes["readOnlyHint"], !runs, "{name}");
        let open = ["build", "plan", "pin"].contains(&name);
        assert_eq!(notes["openWorldHint"], open, "{name}");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{name}: {schema}");
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name}");
    }
    let (code, said) = agent.end();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn the_revision_without_a_handshake_is_spoken() {
    let place = Place::new();
    let mut agent = place.serve(&[]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let found = agent.request("server/discover", json!({"_meta": meta}));
    let versions = found["result"]["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!("2026-07-28")), "{found}");
    let answer = agent.request(
        "tools/call",
        json!({"name": "doctor", "arguments": {}, "_meta": meta}),
    );
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
    assert_eq!(answer["result"]["structuredContent"]["tier"], "guarded");
}

#[test]
fn a_reader_sees_no_tool_that_runs_something() {
    let place = Place::new();
    let mut agent = place.serve(&["--tier", "readonly"]);
    agent.greet();
    let tools = tools(&mut agent);
    let names = names(&tools);
    assert_eq!(names.len(), TOOLS.len() - 2);
    assert!(!names.contains(&"build") && !names.contains(&"test"), "{names:?}");
    agent.refused("build", json!({"context": "app"}), "needs the tier guarded");
    agent.refused("test", json!({"image": "x"}), "needs the tier guarded");
    assert_eq!(place.builds(), 0);
}

#[test]
fn what_is_no_message_ends_nothing() {
    let place = Place::new();
    let mut agent = place.serve(&[]);
    agent.greet();
    for line in [
        "",
        "{",
        "null",
        "[]",
        "{\"jsonrpc\":\"2.0\"}",
        &"[".repeat(100_000),
    ] {
        agent.send_raw(line);
    }
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"tools/call\",\"params\":{{\"name\":\"check\",\"arguments\":{{\"path\":{}1{}}}}}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    agent.send_raw(&deep);
    let findings = agent.request("tools/list", json!({}));
    assert_eq!(findings["result"]["tools"].as_array().unwrap().len(), TOOLS.len());
    let unknown = agent.request("tools/call", json!({"name": "push", "arguments": {}}));
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    let unknown = agent.request("sign/image", json!({}));
    assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
}

#[test]
fn rules_logs_and_records_can_be_read() {
    let place = Place::with("FROM scratch\nCOPY Dockerfile /\n");
    let mut agent = place.serve(&[]);
    agent.greet();
    let built = agent.done("build", json!({"context": "app", "tags": ["app:1"]}));
    let id = built["build"].as_str().unwrap();
    let listed = agent.request("resources/list", json!({}));
    let listed = listed["result"]["resources"].as_array().unwrap().clone();
    let uris: Vec<&str> = listed.iter().map(|one| one["uri"].as_str().unwrap()).collect();
    let log = format!("praxis://build/{id}/log");
    assert!(
        uris.contains(&log.as_str()) && uris.contains(&"praxis://rule/PX101"),
        "{uris:?}"
    );
    let mut read = |uri: &str| {
        let answer = agent.request("resources/read", json!({"uri": uri}));
        let text = answer["result"]["contents"][0]["text"].as_str();
        text.map(String::from)
            .ok_or_else(|| answer["error"]["message"].to_string())
    };
    assert!(read(&log).unwrap().contains("COPY Dockerfile /"));
    let record: Value = serde_json::from_str(&read(&format!("praxis://build/{id}/record")).unwrap()).unwrap();
    assert_eq!(record["id"], id);
    assert!(read("praxis://rule/PX101").unwrap().contains("# Why"));
    let sbom: Value = serde_json::from_str(&read("praxis://sbom/app:1").unwrap()).unwrap();
    assert_eq!(sbom["spdxVersion"], "SPDX-2.3");
    for wrong in [
        "praxis://build/../../log",
        "praxis://rule/NONE",
        "file:///etc/passwd",
        "praxis://sbom//etc/passwd",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}
