//! Lies while something is pushed.

use praxis_oci::{Descriptor, Reference, media_type};
use praxis_registry::{Client, FetchedManifest};
use praxis_testkit::{WebAnswer, WebServer};
use serde_json::json;

use crate::{PASSWORD, account, client, digest, layer, refused};

fn repository_name(server: &WebServer) -> Reference {
    format!("{}/a", server.authority()).parse().unwrap()
}

/// A registry that wants a password and begins uploads at `location`.
fn uploads_to(location: String) -> WebServer {
    WebServer::start(move |request| {
        if request.header("authorization").is_none() {
            return WebAnswer::status(401).with("www-authenticate", "Basic realm=r");
        }
        match request.method.as_str() {
            "POST" => WebAnswer::status(202).with("location", &location),
            _ => WebAnswer::status(404),
        }
    })
}

#[test]
fn row_31_a_place_for_a_blob_on_another_port_gets_no_credentials() {
    let target = WebServer::start(|_| WebAnswer::status(201));
    let server = uploads_to(format!("http://{}/upload?id=1", target.authority()));
    let client = Client::new(account(server.authority()));
    let blob = layer(b"content");
    client
        .repository(&repository_name(&server))
        .unwrap()
        .push_blob(&blob, &&b"content"[..], None)
        .unwrap();
    let got = target.requests();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].body, b"content");
    assert_eq!(got[0].header("authorization"), None);
    assert!(got[0].path.contains("id=1&digest=sha256%3A"), "{}", got[0].path);
}

#[test]
fn row_31_places_that_climb_or_leave_are_refused() {
    for location in [
        "/v2/../admin",
        "http://169.254.169.254/x",
        "http://other.invalid/x",
        "http://u@127.0.0.1/x",
        "gopher://x/",
    ] {
        let server = uploads_to(location.into());
        let client = Client::new(account(server.authority()));
        let outcome =
            client
                .repository(&repository_name(&server))
                .unwrap()
                .push_blob(&layer(b"x"), &&b"x"[..], None);
        refused(outcome, "was refused");
    }
}

#[test]
fn row_32_a_redirected_upload_is_not_followed() {
    let target = WebServer::start(|_| WebAnswer::status(201));
    let location = format!("http://{}/x", target.authority());
    let server =
        WebServer::start(
            move |request| match (request.header("authorization"), request.method.as_str()) {
                (None, _) => WebAnswer::status(401).with("www-authenticate", "Basic realm=r"),
                (_, "HEAD") => WebAnswer::status(404),
                _ => WebAnswer::status(307).with("location", &location),
            },
        );
    let client = Client::new(account(server.authority()));
    let repository = client.repository(&repository_name(&server)).unwrap();
    refused(
        repository.push_blob(&layer(b"x"), &&b"x"[..], None),
        "redirects a POST",
    );
    let bytes = br#"{"schemaVersion":2,"manifests":[]}"#;
    let index = Descriptor::of(media_type::INDEX, bytes);
    refused(
        repository.push_manifest(&index, bytes, Some("t")),
        "redirects a PUT",
    );
    assert!(target.requests().is_empty());
}

#[test]
fn row_25_a_registry_that_got_something_else_is_not_believed() {
    let server = WebServer::start(|request| {
        let other = digest(b"other");
        match request.method.as_str() {
            "HEAD" => WebAnswer::status(404),
            "POST" if request.path.contains("mount=") => {
                WebAnswer::status(201).with("docker-content-digest", other)
            }
            "POST" => WebAnswer::status(202).with("location", "/v2/a/blobs/uploads/1"),
            _ => WebAnswer::status(201).with("docker-content-digest", other),
        }
    });
    let client = client();
    let repository = client.repository(&repository_name(&server)).unwrap();
    let blob = layer(b"x");
    refused(repository.push_blob(&blob, &&b"x"[..], None), "says that it got");
    refused(
        repository.push_blob(&blob, &&b"x"[..], Some("b")),
        "says that it got",
    );
    let bytes = br#"{"schemaVersion":2,"manifests":[]}"#;
    let index = Descriptor::of(media_type::INDEX, bytes);
    refused(repository.push_manifest(&index, bytes, None), "says that it got");
    let mismatch = repository.push_manifest(&Descriptor::of(media_type::INDEX, b"{}"), bytes, None);
    refused(mismatch, "another digest");
}

#[test]
fn a_registry_that_does_not_say_oci_subject_gets_a_list_and_one_that_lies_is_refused() {
    let store: std::sync::Mutex<Option<Vec<u8>>> = std::sync::Mutex::default();
    let subject = layer(b"subject");
    let list = format!("sha256-{}", subject.digest.hex());
    let server = WebServer::start(move |request| {
        let mut store = store.lock().unwrap();
        if request.path.contains("/lies/") {
            return WebAnswer::status(201).with("oci-subject", digest(b"other"));
        }
        match (request.method.as_str(), request.path.ends_with(&list)) {
            ("PUT", true) => {
                *store = Some(request.body.clone());
                WebAnswer::status(201)
            }
            ("PUT", false) => WebAnswer::status(201),
            ("GET", true) if store.is_some() => {
                WebAnswer::body(store.clone().unwrap()).with("content-type", media_type::INDEX)
            }
            _ => WebAnswer::status(404),
        }
    });
    let artifact = |number: u8| {
        let text = json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": "application/x.note",
            "config": Descriptor::of(media_type::EMPTY, b"{}"), "layers": [], "subject": subject,
            "annotations": {"number": number.to_string()},
        });
        let bytes = text.to_string().into_bytes();
        FetchedManifest::verified(&Descriptor::of(media_type::MANIFEST, &bytes), bytes).unwrap()
    };
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (server, artifact) = (&server, artifact(number));
            // A client each, like processes that know nothing of each other.
            scope.spawn(move || {
                client()
                    .repository(&repository_name(server))
                    .unwrap()
                    .attach(&artifact)
                    .unwrap();
            });
        }
    });
    let client = client();
    let repository = client.repository(&repository_name(&server)).unwrap();
    let found = repository
        .referrers(&subject.digest, Some("application/x.note"))
        .unwrap();
    assert_eq!(found.len(), 6);
    assert!(
        repository
            .referrers(&subject.digest, Some("other"))
            .unwrap()
            .is_empty()
    );
    let lies: Reference = format!("{}/lies/a", server.authority()).parse().unwrap();
    refused(
        client.repository(&lies).unwrap().attach(&artifact(9)),
        "something else",
    );
}

#[test]
fn row_67_passwords_are_in_no_address() {
    let server = uploads_to("/v2/a/blobs/uploads/1".into());
    let client = Client::new(account(server.authority()));
    let _ = client
        .repository(&repository_name(&server))
        .unwrap()
        .push_blob(&layer(b"x"), &&b"x"[..], None);
    assert!(server.requests().iter().all(|it| !it.path.contains(PASSWORD)));
    assert!(!format!("{:?}", client.settings()).contains(PASSWORD));
}
