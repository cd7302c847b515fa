//! Who is let in, from where, and as whom.

use super::*;

#[test]
fn service_row_01_a_port_without_tokens_or_for_everybody_is_not_opened() {
    let place = place();
    let mut bare = place.praxis();
    bare.args(["serve", "--http", "127.0.0.1:0"]);
    assert!(refused(bare).contains("give --tokens FILE"));
    for address in ["0.0.0.0:0", "[::]:0"] {
        assert!(
            refused(command(&place, &["--http", address])).contains("--listen-publicly"),
            "{address}"
        );
        let opted = command(&place, &["--http", address, "--listen-publicly"]);
        assert!(refused(opted).contains("--behind-proxy"), "{address}");
    }
    for wrong in [
        "",
        "127.0.0.1\n",
        "127.0.0.1:80\n",
        "127.0.0.1",
        "localhost:80",
        ":80",
        "0:80",
        "*:80",
        "127.1:80",
    ] {
        let said = refused(command(&place, &["--http", wrong]));
        assert!(said.contains("is no address: write IP:PORT"), "{wrong:?}: {said}");
    }
    fs::set_permissions(place.path("tokens"), PermissionsExt::from_mode(0o644)).unwrap();
    let mut open = place.praxis();
    open.args(["serve", "--http", "127.0.0.1:0", "--tokens", "tokens"]);
    assert!(refused(open).contains("chmod 0600"));
    assert!(!place.path("store/builds").exists());
}

#[test]
fn service_row_02_only_a_known_token_opens_and_it_shows_nowhere() {
    let place = place();
    let mut server = Server::start(&place, &[]);
    assert_eq!(server.get(READER, "/metrics").status, 200);
    assert_eq!(
        server.get(OTHER, "/metrics").status,
        200,
        "a token of which the file has the digest"
    );
    let (prefix, longer) = (&BUILDER[..BUILDER.len() - 1], format!("{BUILDER}x"));
    let digest = praxis_oci::Digest::of(OTHER.as_bytes()).to_string();
    for wrong in [
        "",
        "x",
        prefix,
        &longer,
        &digest,
        "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}",
    ] {
        let answer = server.get(wrong, "/metrics");
        assert_eq!(answer.status, 401, "{wrong:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"praxis\""));
    }
    let good = bearer(BUILDER);
    for headers in [
        vec![],
        vec![("authorization", good.as_str()), ("authorization", good.as_str())],
        vec![("authorization", BUILDER)],
        vec![("authorization", "Basic dXNlcjpwYXNz")],
        vec![("cookie", good.as_str())],
    ] {
        assert_eq!(
            server.request("GET", "/metrics", &headers, b"").status,
            401,
            "{headers:?}"
        );
    }
    let path = format!("/metrics?token={BUILDER}");
    assert_eq!(server.request("GET", &path, &[], b"").status, 401);
    for name in ["cmdline", "environ"] {
        let shown = String::from_utf8_lossy(&server.proc(name)).into_owned();
        assert!(!shown.contains(BUILDER), "{name}");
    }
    server.signal(Signal::TERM);
    let (status, said) = server.wait();
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("0123456789"), "{said}");
}

#[test]
fn service_row_03_a_name_that_is_not_the_servers_is_refused() {
    let place = place();
    let server = Server::start(&place, &["--allow-host", "Builds.Example"]);
    let token = bearer(READER);
    let port = server.address.port();
    let status = |host: &str| {
        let headers = [("authorization", token.as_str()), ("host", host)];
        server.request("GET", "/metrics", &headers, b"").status
    };
    for host in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        "builds.example".into(),
    ] {
        assert_eq!(status(&host), 200, "{host}");
    }
    let rebound = format!("evil.example:{port}");
    for host in [
        &rebound,
        "127.0.0.1",
        "localhost",
        "builds.example:1",
        "builds.example.evil",
        "",
        "127.0.0.1:80",
    ] {
        assert_eq!(status(host), 403, "{host:?}");
    }
    let own = format!("127.0.0.1:{port}");
    let twice = [
        ("authorization", token.as_str()),
        ("host", own.as_str()),
        ("host", "evil.example"),
    ];
    assert_eq!(server.request("GET", "/metrics", &twice, b"").status, 400);
    let elsewhere = [("authorization", token.as_str()), ("host", own.as_str())];
    assert_eq!(
        server
            .request("GET", "http://evil.example/metrics", &elsewhere, b"")
            .status,
        403
    );
    let none = format!("GET /metrics HTTP/1.1\r\nauthorization: {token}\r\nconnection: close\r\n\r\n");
    assert!(server.raw(none.as_bytes()).starts_with("HTTP/1.1 400 "));
}

#[test]
fn service_row_04_a_page_in_a_browser_cannot_post() {
    let place = place();
    let server = Server::start(&place, &["--allow-origin", "https://tools.example"]);
    let token = bearer(BUILDER);
    let body = hello().to_string();
    let post = |extra: &[(&str, &str)]| {
        let mut headers = vec![("authorization", token.as_str()), ACCEPT];
        headers.extend(extra);
        server.request("POST", "/mcp", &headers, body.as_bytes()).status
    };
    let own = format!("http://{}", server.address);
    for good in [own.as_str(), "https://tools.example"] {
        assert_eq!(post(&[JSON, ("origin", good)]), 200, "{good}");
    }
    let (tls, no_port) = (own.replace("http:", "https:"), "http://127.0.0.1".to_string());
    for wrong in [
        "null",
        "",
        "https://evil.example",
        "https://tools.example.evil",
        "http://tools.example",
        &tls,
        &no_port,
    ] {
        assert_eq!(post(&[JSON, ("origin", wrong)]), 403, "{wrong:?}");
    }
    assert_eq!(post(&[JSON, ("origin", &own), ("origin", "null")]), 403);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/json",
        "",
    ] {
        assert_eq!(post(&[("content-type", kind)]), 415, "{kind}");
    }
    assert_eq!(post(&[]), 415);
    assert_eq!(post(&[JSON, ("content-type", "text/plain")]), 415);
    let preflight = server.request("OPTIONS", "/mcp", &[("origin", "https://tools.example")], b"");
    assert_eq!(preflight.status, 401);
    assert_eq!(preflight.header("access-control-allow-origin"), None);
}

#[test]
fn service_row_15_a_session_is_its_clients_alone() {
    let place = place();
    let server = Server::start(&place, &[]);
    let session = server.greet(BUILDER);
    let listed = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    assert_eq!(server.message(BUILDER, Some(&session), &listed).status, 200);
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    for token in [OTHER, READER, ADMIN] {
        for message in [&listed, &cancel, &hello(), &call(7, "doctor", json!({}))] {
            assert_eq!(
                server.message(token, Some(&session), message).status,
                404,
                "{message}"
            );
        }
        let bearer = bearer(token);
        for method in ["GET", "DELETE"] {
            let headers = [
                ("authorization", bearer.as_str()),
                ACCEPT,
                ("mcp-session-id", &session),
            ];
            assert_eq!(
                server.request(method, "/mcp", &headers, b"").status,
                404,
                "{method}"
            );
        }
    }
    assert_eq!(
        server
            .message(BUILDER, Some("00000000-0000-4000-8000-000000000000"), &listed)
            .status,
        404
    );
    assert_ne!(session, server.greet(BUILDER));
    assert!(session.len() >= 32, "{session}");
    assert_eq!(
        server.message(BUILDER, Some(&session), &listed).status,
        200,
        "and it is still there"
    );
    let bearer = bearer(BUILDER);
    let end = [
        ("authorization", bearer.as_str()),
        ("mcp-session-id", session.as_str()),
    ];
    assert!(server.request("DELETE", "/mcp", &end, b"").status < 300);
    assert_eq!(server.message(BUILDER, Some(&session), &listed).status, 404);
}

#[test]
fn tiers_come_from_the_token() {
    let place = place();
    let server = Server::start(&place, &[]);
    let tools = |token: &str| {
        let session = server.greet(token);
        let listed = server.message(
            token,
            Some(&session),
            &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}),
        );
        let events = listed.events();
        let answer = events.iter().find(|event| event["id"] == 2).unwrap();
        answer["result"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .any(|tool| tool["name"] == "build")
    };
    assert!(tools(BUILDER) && tools(ADMIN) && !tools(READER));
    let session = server.greet(BUILDER);
    let built = server.call(BUILDER, &session, "build", json!({"context": "app"}));
    assert_eq!(built["structuredContent"]["status"], "done", "{built}");
    let metrics = server.get(READER, "/metrics").text();
    assert!(
        metrics.contains("praxis_tool_calls_total{tool=\"build\",outcome=\"done\"} 1\n"),
        "{metrics}"
    );
    assert!(metrics.contains("praxis_mcp_sessions 4\n"), "{metrics}");
    assert!(
        metrics.contains("# TYPE praxis_jobs_running gauge\npraxis_jobs_running 0\n"),
        "{metrics}"
    );
    let conflict = command(&place, &["--http", "127.0.0.1:0", "--tier", "open"]);
    assert!(refused(conflict).contains("--tier"));
}

#[test]
fn health_is_told_to_everybody_and_nothing_else() {
    let place = place();
    let server = Server::start(&place, &[]);
    for path in ["/healthz", "/readyz"] {
        let answer = server.request("GET", path, &[("host", "10.1.2.3:8080")], b"");
        assert_eq!(answer.status, 200);
        assert!(["ok\n", "ready\n"].contains(&answer.text().as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let nothing = server.request("GET", "/nothing", &[], b"");
    assert_eq!(
        (nothing.status, &nothing.json()["error"]["status"]),
        (404, &json!(404))
    );
    assert_eq!(server.request("GET", "/mcp", &[], b"").status, 401);
}

#[test]
fn only_the_proxy_may_ask_where_one_is_named() {
    let place = place();
    for (proxy, status) in [("192.0.2.7", 403), ("127.0.0.0/8", 200)] {
        let server = Server::start(&place, &["--behind-proxy", proxy]);
        assert_eq!(server.get(READER, "/metrics").status, status, "{proxy}");
        assert_eq!(server.request("GET", "/healthz", &[], b"").status, 200);
    }
}
