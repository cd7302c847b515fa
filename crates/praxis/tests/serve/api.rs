//! The JSON API and the page, as programs and browsers meet them.

use serde_json::{Value, json};

use crate::agent::Place;
use crate::web::{Answer, BUILDER, OTHER, READER, Server, bearer};

const GOOD: &str = "FROM scratch\nCOPY Dockerfile /<b>file\n";

pub fn post(server: &Server, token: &str, path: &str, body: &Value) -> Answer {
    let bearer = bearer(token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    server.request("POST", path, &headers, body.to_string().as_bytes())
}

/// Starts a build and waits for its last event.
pub fn built(server: &Server) -> (String, Vec<Value>) {
    let begun = post(
        server,
        BUILDER,
        "/v1/builds",
        &json!({"context": "app", "tags": ["app:1"]}),
    );
    assert_eq!(begun.status, 202, "{}", begun.text());
    let id = begun.json()["build"].as_str().unwrap().to_string();
    assert_eq!(
        begun.header("location"),
        Some(format!("/v1/builds/{id}").as_str())
    );
    let events = server.get(READER, &format!("/v1/builds/{id}/events"));
    assert_eq!(events.header("content-type"), Some("text/event-stream"));
    (id, events.events())
}

/// Signs in with a token; the cookie.
pub fn signed_in(server: &Server, token: &str) -> String {
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = server.request("POST", "/login", &form, format!("token={token}").as_bytes());
    assert_eq!(answer.status, 303, "{}", answer.text());
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    cookie.split(';').next().unwrap().to_string()
}

#[test]
fn a_build_is_started_followed_and_found_again_over_the_api() {
    let place = Place::with(GOOD);
    let server = Server::start(&place, &[]);
    let (id, events) = built(&server);
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["result"]["status"]),
        (&json!("ended"), &json!("done")),
        "{events:?}"
    );
    assert!(events.iter().any(|event| event["event"] == "finished"));
    let one = server.get(READER, &format!("/v1/builds/{id}")).json();
    assert_eq!(one["builds"][0]["by"], "builder");
    assert_eq!(one["builds"][0]["status"], "done");
    let list = server.get(READER, "/v1/builds?limit=5").json();
    assert_eq!(list["builds"][0]["build"], id.as_str());
    assert!(server.get(READER, &format!("/v1/builds/{id}/log")).json()["untrusted"]["log"].is_string());
    assert_eq!(
        server.get(READER, &format!("/v1/builds/{id}/record")).json()["id"],
        id.as_str()
    );
    let graph = server.get(READER, &format!("/v1/builds/{id}/graph"));
    assert_eq!(graph.header("content-type"), Some("image/svg+xml"));
    assert!(
        graph.text().starts_with("<svg ") && !graph.text().contains("<b>"),
        "{}",
        graph.text()
    );
    let same = post(&server, READER, "/v1/tools/history", &json!({"build": id}));
    assert_eq!(same.json(), one);
    // The fields of an object in a list are no arguments, though the types would take them.
    let listed = post(&server, READER, "/v1/tools/history", &json!([id]));
    assert_eq!(
        (listed.status, &listed.json()["error"]["kind"]),
        (400, &json!("arguments"))
    );
    let ended = server.request(
        "DELETE",
        &format!("/v1/builds/{id}"),
        &[("authorization", &bearer(BUILDER))],
        b"",
    );
    assert_eq!(ended.status, 422, "{}", ended.text());
    assert!(ended.text().contains("has ended"), "{}", ended.text());
    assert_eq!(server.get(READER, "/v1/openapi.json").json()["openapi"], "3.1.0");
}

#[test]
fn service_row_the_api_holds_everybody_to_their_tier() {
    let place = Place::with(GOOD);
    let server = Server::start(&place, &[]);
    let wanted = json!({"context": "app"});
    assert_eq!(server.request("GET", "/v1/builds", &[], b"").status, 401);
    let kind = |answer: Answer| (answer.status, answer.json()["error"]["kind"].clone());
    assert_eq!(
        kind(post(&server, READER, "/v1/builds", &wanted)),
        (403, json!("refused"))
    );
    assert_eq!(
        kind(post(&server, READER, "/v1/tools/build", &wanted)),
        (403, json!("refused"))
    );
    let outside = json!({"context": "../ctx-evil"});
    assert_eq!(
        kind(post(&server, BUILDER, "/v1/builds", &outside)),
        (403, json!("refused"))
    );
    let secret = json!({"context": "app", "secrets": {"a": "b"}});
    assert_eq!(
        kind(post(&server, BUILDER, "/v1/builds", &secret)),
        (403, json!("refused"))
    );
    assert_eq!(
        kind(post(&server, BUILDER, "/v1/builds", &json!({}))),
        (400, json!("arguments"))
    );
    assert_eq!(
        kind(post(&server, BUILDER, "/v1/tools/push", &json!({}))),
        (404, json!("missing"))
    );
    let bearer = bearer(BUILDER);
    let gone = server.request("DELETE", "/v1/builds/none", &[("authorization", &bearer)], b"");
    assert_eq!(kind(gone), (404, json!("missing")));
    assert_eq!(place.builds(), 0);
}

#[test]
fn service_row_only_who_asked_stops_a_build() {
    let place = Place::with("FROM base\nRUN sleep 600\n");
    place.write("ctx/app/.dockerignore", "");
    let server = Server::start(&place, &[]);
    let arguments = json!({"context": "app", "build_contexts": {"base": "oci-layout://base"}});
    let begun = post(&server, BUILDER, "/v1/builds", &arguments);
    assert_eq!(begun.status, 202, "{}", begun.text());
    let path = format!("/v1/builds/{}", begun.json()["build"].as_str().unwrap());
    let stop = |token: &str| {
        let bearer = bearer(token);
        server
            .request("DELETE", &path, &[("authorization", &bearer)], b"")
            .status
    };
    assert_eq!(server.get(READER, &path).json()["builds"][0]["status"], "running");
    assert_eq!(stop(OTHER), 403);
    assert_eq!(stop(READER), 403);
    assert_eq!(stop(BUILDER), 200);
    let events = server.get(READER, &format!("{path}/events")).events();
    assert_eq!(
        events.last().unwrap()["result"]["status"],
        "cancelled",
        "{events:?}"
    );
}

#[test]
fn service_row_the_page_shows_what_a_build_says_and_obeys_none_of_it() {
    let place = Place::with(GOOD);
    let server = Server::start(&place, &[]);
    let (id, _) = built(&server);
    let cookie = signed_in(&server, READER);
    let image = server.get(READER, &format!("/v1/builds/{id}/record")).json();
    let image = format!("/image?name={}", image["images"][0]["digest"].as_str().unwrap());
    for path in [
        "/",
        &format!("/builds/{id}"),
        &format!("/builds/{id}?search=x"),
        &image,
        "/ledger",
    ] {
        let page = server.request("GET", path, &[("cookie", &cookie)], b"");
        let text = page.text();
        assert_eq!(page.status, 200, "{path}: {text}");
        assert_eq!(
            page.header("referrer-policy"),
            Some("same-origin"),
            "forms need an Origin"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("script-src 'self'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(
            !text.contains("<b>") && !text.contains(" style=") && !text.contains("<style"),
            "{path}: {text}"
        );
        assert_eq!(text.matches("<script").count(), 1, "{path}");
    }
    let page = server
        .request("GET", &format!("/builds/{id}"), &[("cookie", &cookie)], b"")
        .text();
    let said = server.request("GET", &image, &[("cookie", &cookie)], b"").text();
    assert!(
        said.contains("no key is configured") && said.contains("There is no signature"),
        "{said}"
    );
    assert!(
        page.contains("COPY Dockerfile /&lt;b&gt;file") && page.contains("id=\"line-2\""),
        "{page}"
    );
}

#[test]
fn service_row_a_cookie_opens_the_page_alone_and_a_form_has_to_come_from_it() {
    let place = Place::with(GOOD);
    let server = Server::start(&place, &[]);
    for path in ["/", "/builds/x", "/ledger", "/image?name=x"] {
        let answer = server.request("GET", path, &[], b"");
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/login")),
            "{path}"
        );
        assert_eq!(server.get(READER, path).status, 303, "a token is no cookie");
    }
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let wrong = server.request("POST", "/login", &form, b"token=wrong");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    let cookie = signed_in(&server, BUILDER);
    for path in ["/v1/builds", "/metrics", "/mcp"] {
        assert_eq!(
            server.request("GET", path, &[("cookie", &cookie)], b"").status,
            401,
            "{path}"
        );
    }
    assert_eq!(
        server
            .request("POST", "/logout", &[("cookie", &cookie)], b"")
            .status,
        403
    );
    let foreign = [("cookie", cookie.as_str()), ("origin", "http://evil.example")];
    assert_eq!(server.request("POST", "/logout", &foreign, b"").status, 403);
    let origin = format!("http://{}", server.address);
    let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    assert_eq!(server.request("POST", "/logout", &own, b"").status, 303);
    assert_eq!(
        server.request("GET", "/", &[("cookie", &cookie)], b"").status,
        303
    );
}
