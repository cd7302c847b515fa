//! Requests that are too much, too slow, or two things at once.

use super::*;

#[test]
fn service_row_06_a_length_that_can_be_read_twice_is_refused_and_ends_the_connection() {
    let place = place();
    let server = Server::start(&place, &[]);
    let token = bearer(BUILDER);
    let body = hello().to_string();
    let length = body.len().to_string();
    let hidden = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let post = |lengths: &str, body: &str| {
        let head = server.head("POST", "/mcp", &[("authorization", &token), JSON, ACCEPT]);
        server.raw(format!("{head}{lengths}\r\n{body}{hidden}").as_bytes())
    };
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for (lengths, body) in [
        (
            "content-length: 4\r\ntransfer-encoding: chunked\r\n",
            chunked.as_str(),
        ),
        ("transfer-encoding: chunked\r\ncontent-length: 4\r\n", &chunked),
        ("transfer-encoding: chunked\r\n", &chunked),
        (
            "transfer-encoding: chunked\r\n",
            "fffffffffffffffff\r\nx\r\n0\r\n\r\n",
        ),
        ("transfer-encoding: xchunked\r\n", &chunked),
        (
            &format!("content-length: {length}\r\ncontent-length: 4\r\n"),
            &body,
        ),
        (&format!("content-length: +{length}\r\n"), &body),
        (&format!("content-length: {length}, {length}\r\n"), &body),
        ("content-length: 0x5\r\n", &body),
        ("content-length: -1\r\n", &body),
        ("content-length: 99999999999999999999999\r\n", &body),
    ] {
        let said = post(lengths, body);
        assert!(said.starts_with("HTTP/1.1 400 "), "{lengths:?}: {said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{lengths:?}: {said}");
    }
    for head in [
        "GET  /healthz HTTP/1.1\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nhost : x\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        assert!(
            server.raw(head.as_bytes()).starts_with("HTTP/1.1 400 "),
            "{head:?}"
        );
    }
}

#[test]
fn service_row_07_what_is_too_large_too_deep_or_too_slow_is_refused() {
    let place = place();
    let server = Server::start(&place, &[]);
    let token = bearer(BUILDER);
    let post = |body: &[u8]| {
        server
            .request("POST", "/mcp", &[("authorization", &token), JSON, ACCEPT], body)
            .status
    };
    let deep = |count: usize| format!("{{\"a\":{}{}}}", "[".repeat(count), "]".repeat(count));
    assert_eq!(post(deep(200_000).as_bytes()), 400);
    let answer = server.request(
        "POST",
        "/mcp",
        &[("authorization", &token), JSON, ACCEPT],
        deep(32).as_bytes(),
    );
    assert!(answer.text().contains("more than 32 deep"), "{}", answer.text());
    assert_eq!(post(&vec![b' '; (1 << 20) + 1]), 413);
    let head = server.head("POST", "/mcp", &[("authorization", &token), JSON, ACCEPT]);
    let said = server.raw(format!("{head}content-length: 9000000000\r\n\r\n{{").as_bytes());
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    let large = server.head("GET", "/healthz", &[("x", &"y".repeat(64 << 10))]);
    assert!(
        server
            .raw(format!("{large}\r\n").as_bytes())
            .starts_with("HTTP/1.1 431 ")
    );
    let many: String = (0..100).map(|number| format!("x-{number}: y\r\n")).collect();
    let many = format!("{}{many}\r\n", server.head("GET", "/healthz", &[]));
    assert!(server.raw(many.as_bytes()).starts_with("HTTP/1.1 431 "));
    let long = server.head("GET", &format!("/{}", "a".repeat(70_000)), &[]);
    let said = server.raw(format!("{long}\r\n").as_bytes());
    assert!(
        said.starts_with("HTTP/1.1 414 ") || said.starts_with("HTTP/1.1 431 "),
        "{said}"
    );
}

#[test]
fn service_row_07_who_sends_a_head_byte_by_byte_is_cut_off() {
    let place = place();
    let server = Server::start(&place, &[]);
    let mut slow = server.connect();
    slow.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let started = Instant::now();
    let mut head = b"GET /healthz HTTP/1.1\r\nx: ".to_vec();
    loop {
        let _ = slow.write_all(&std::mem::replace(&mut head, vec![b'y']));
        match slow.read(&mut [0; 256]) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "it is still waited for"
        );
        assert_eq!(
            server.request("GET", "/healthz", &[], b"").status,
            200,
            "others are served meanwhile"
        );
    }
}

#[test]
fn service_row_14_a_flood_of_requests_and_sessions_is_turned_away() {
    let place = place();
    let server = Server::start(&place, &["--max-requests", "2"]);
    let session = server.greet(BUILDER);
    let open = || {
        let mut stream = server.connect();
        let token = bearer(BUILDER);
        let headers = [
            ("authorization", token.as_str()),
            ("accept", "text/event-stream"),
            ("mcp-session-id", &session),
        ];
        write!(stream, "{}\r\n", server.head("GET", "/mcp", &headers)).unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream
    };
    let (one, two) = (open(), open());
    let full = server.get(BUILDER, "/metrics");
    assert_eq!((full.status, full.header("retry-after")), (429, Some("5")));
    assert_eq!(
        server.get(OTHER, "/metrics").status,
        200,
        "another client has places of its own"
    );
    drop((one, two));
    let started = Instant::now();
    while server.get(BUILDER, "/metrics").status == 429 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the places do not come back"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    for _ in 1..32 {
        server.greet(BUILDER);
    }
    assert_eq!(server.message(BUILDER, None, &hello()).status, 429);
    assert_eq!(server.message(OTHER, None, &hello()).status, 200);
}
