//! A server that ends, clients that go, and what is told of both.

use super::*;

#[test]
fn service_row_14_a_client_without_a_session_that_goes_stops_its_build() {
    let place = Place::with("FROM base\nRUN --mount=type=cache,target=/c while true; do sleep 1; done\n");
    let server = Server::start(&place, &["--max-jobs", "1"]);
    let mut message = call(
        7,
        "build",
        json!({"context": "app", "build_contexts": {"base": "oci-layout://base"}}),
    );
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let (token, body) = (bearer(BUILDER), message.to_string());
    let headers = [
        ("authorization", token.as_str()),
        JSON,
        ACCEPT,
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "build"),
    ];
    let mut stream = server.connect();
    let head = server.head("POST", "/mcp", &headers);
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let running = |count: &str| {
        server
            .get(READER, "/metrics")
            .text()
            .contains(&format!("praxis_jobs_running {count}\n"))
    };
    let wait = |count: &str| {
        let started = Instant::now();
        while !running(count) {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "there are not {count} jobs"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait("1");
    let session = server.greet(OTHER);
    let busy = server.call(OTHER, &session, "build", json!({"context": "app"}));
    assert!(
        busy["content"][0]["text"].as_str().unwrap().contains("\"busy\""),
        "{busy}"
    );
    drop(stream);
    wait("0");
    let listed = server.call(OTHER, &session, "history", json!({}));
    assert_eq!(
        listed["structuredContent"]["builds"][0]["status"], "cancelled",
        "{listed}"
    );
}

#[test]
fn a_server_that_ends_lets_a_call_end_and_takes_no_other() {
    let place = Place::with("FROM base\nRUN sleep 6\n");
    let mut server = Server::start(&place, &[]);
    let session = server.greet(BUILDER);
    let token = bearer(BUILDER);
    let body = call(
        7,
        "build",
        json!({"context": "app", "build_contexts": {"base": "oci-layout://base"}}),
    )
    .to_string();
    let headers = [
        ("authorization", token.as_str()),
        JSON,
        ACCEPT,
        ("mcp-session-id", &session),
    ];
    let mut stream = server.connect();
    let head = server.head("POST", "/mcp", &headers);
    write!(
        stream,
        "{head}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let running = |server: &Server| {
        server
            .get(READER, "/metrics")
            .text()
            .contains("praxis_jobs_running 1\n")
    };
    while !running(&server) {
        std::thread::sleep(Duration::from_millis(20));
    }
    server.signal(Signal::TERM);
    while server.request("GET", "/readyz", &[], b"").status != 503 {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.get(READER, "/metrics").status, 503);
    let built = answer(&mut BufReader::new(stream));
    let events = built.events();
    let result = &events.iter().find(|event| event["id"] == 7).expect("a result")["result"];
    assert_eq!(result["structuredContent"]["status"], "done", "{result}");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn traces_hold_names_and_times_and_nothing_that_was_said() {
    let collector = WebServer::start(|_| WebAnswer::body("{}"));
    let place = place();
    let endpoint = format!("http://{}", collector.authority());
    let server = Server::start(&place, &["--otlp", &endpoint]);
    let session = server.greet(BUILDER);
    let token = bearer(BUILDER);
    let headers = [
        ("authorization", token.as_str()),
        JSON,
        ACCEPT,
        ("mcp-session-id", &session),
        (
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ];
    let body = call(
        7,
        "build",
        json!({"context": "app", "build_args": {"CANARY": "yellow"}}),
    )
    .to_string();
    assert_eq!(
        server
            .request("POST", "/mcp?canary", &headers, body.as_bytes())
            .status,
        200
    );
    let started = Instant::now();
    let spans = loop {
        let sent = collector.requests();
        let spans: Vec<Value> = sent
            .iter()
            .flat_map(|sent| {
                assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/v1/traces"));
                let message: Value = serde_json::from_slice(&sent.body).unwrap();
                message["resourceSpans"][0]["scopeSpans"][0]["spans"]
                    .as_array()
                    .unwrap()
                    .clone()
            })
            .filter(|span| span["traceId"] == "0af7651916cd43dd8448eb211c80319c")
            .collect();
        if spans.len() == 2 {
            break spans;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{spans:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let named = |name: &str| {
        spans
            .iter()
            .find(|span| span["name"] == name)
            .unwrap_or_else(|| panic!("{spans:?}"))
    };
    let (outer, inner) = (named("POST /mcp"), named("tool build"));
    assert_eq!(outer["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(inner["parentSpanId"], outer["spanId"]);
    assert!(inner["attributes"].to_string().contains("\"builder\""), "{inner}");
    for sent in collector.requests() {
        let said = String::from_utf8_lossy(&sent.body).into_owned();
        for secret in [BUILDER, "yellow", "canary", session.as_str()] {
            assert!(!said.contains(secret), "{secret}: {said}");
        }
    }
}
