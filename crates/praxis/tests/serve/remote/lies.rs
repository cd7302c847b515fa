//! A server that is not to be believed.

use super::*;

/// Stands between client and server, and changes what the server says.
fn between(
    server: &Arc<Server>,
    change: impl Fn(&WebRequest, Answer) -> WebAnswer + Send + Sync + 'static,
) -> WebServer {
    let server = server.clone();
    WebServer::start(move |request| {
        let headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "authorization" | "content-type"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = server.request(&request.method, &request.path, &headers, &request.body);
        change(request, answer)
    })
}

fn passed(answer: &Answer, body: Vec<u8>) -> WebAnswer {
    let kind = answer
        .header("content-type")
        .unwrap_or("application/json")
        .to_string();
    WebAnswer::status(answer.status)
        .with("content-type", kind)
        .and_body(body)
}

#[test]
fn row_29_a_server_that_gives_other_content_is_refused_and_nothing_stays() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let server = Arc::new(start(&place));
    for (number, length) in [(0, 0), (1, 0), (1, 1)] {
        let parts = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let lying = between(&server, move |request, answer| {
            let mut body = answer.body.clone();
            let is_part = request.path.contains("/parts/");
            if is_part && parts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= number {
                body[0] ^= 1;
                body.truncate(body.len() - length);
            }
            passed(&answer, body)
        });
        let told = said(
            remote(
                &place,
                BUILDER,
                lying.authority(),
                &["-t", "app:1", "-o", "type=oci,dest=x.tar"],
            ),
            1,
        );
        assert!(told.contains("it gave other content"), "{told}");
        let mut inspect = client(&place, "own");
        assert!(
            !inspect
                .args(["inspect", "app:1"])
                .output()
                .unwrap()
                .status
                .success()
        );
        assert!(!place.path("x.tar").exists());
        assert_eq!(half_written(&place, "own"), 0);
        let blobs = fs::read_dir(place.path("own/blobs/sha256")).unwrap();
        assert_eq!(blobs.count(), 0);
    }
}

#[test]
fn a_server_that_tells_wild_things_breaks_nothing() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let server = Arc::new(start(&place));
    let step = |needs: u64| json!({"stage": "a", "position": 1, "count": 1, "name": "x\u{1b}[2J", "line": 1, "needs": [needs]});
    let events = [
        json!({"event": "output", "step": 9, "stream": 1, "text": "x"}),
        json!({"event": "planned", "first": 7, "steps": [step(0)]}),
        json!({"event": "planned", "first": 0, "steps": [step(99)]}),
        json!({"event": "planned", "first": 0, "steps": [step(0)]}),
        json!({"event": "finished", "step": u64::MAX, "cached": true, "took": -1.0}),
        json!({"event": "failed", "step": u64::MAX, "error": "x"}),
        json!({"event": "unheard of"}),
        json!({"event": "output", "step": 0, "stream": 1, "text": "\u{1b}]52;c;eA==\u{7}plain"}),
    ];
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let wild = between(&server, move |request, answer| {
        let mut body = answer.body.clone();
        if request.path.ends_with("/build") {
            body = [text.as_bytes(), &body].concat();
        }
        passed(&answer, body)
    });
    let told = said(remote(&place, BUILDER, wild.authority(), &[]), 0);
    assert!(told.contains("plain") && !told.contains('\u{1b}'), "{told}");
    let cut = between(&server, |request, answer| {
        let body = answer.body.clone();
        match request.path.ends_with("/build") {
            true => passed(
                &answer,
                b"data: {\"event\":\"begun\",\"build\":\"x\"}\n\n".to_vec(),
            ),
            false => passed(&answer, body),
        }
    });
    let told = said(remote(&place, BUILDER, cut.authority(), &[]), 1);
    assert!(
        told.contains("the connection ended before the build did"),
        "{told}"
    );
    let asking = between(&server, |request, answer| {
        let mut body = answer.json_or_null();
        if request.path == "/v1/contexts" {
            body["lacking"] = json!([Digest::of(b"something else of yours").to_string()]);
        }
        passed(&answer, body.to_string().into_bytes())
    });
    let told = said(remote(&place, BUILDER, asking.authority(), &[]), 1);
    assert!(
        told.contains("asks for files that are not in the context"),
        "{told}"
    );
}
