//! Lies while something is pushed.

use std::collections::BTreeMap;
use std::sync::Mutex;

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

/// The tag that the list of referrers of `subject` has.
fn list_of(subject: &Descriptor) -> String {
    format!("sha256-{}", subject.digest.hex())
}

/// A manifest that refers to `subject`.
fn note(subject: &Descriptor, number: u8) -> FetchedManifest {
    let text = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": "application/x.note",
        "config": Descriptor::of(media_type::EMPTY, b"{}"), "layers": [], "subject": subject,
        "annotations": {"number": number.to_string()},
    });
    let bytes = text.to_string().into_bytes();
    FetchedManifest::verified(&Descriptor::of(media_type::MANIFEST, &bytes), bytes).unwrap()
}

/// A registry that keeps manifests and knows no referrers. `meddle` sees the manifests after each write of one, and how
/// many writes there were, and may change them.
fn without_referrers(
    meddle: impl Fn(&mut BTreeMap<String, Vec<u8>>, usize) + Send + Sync + 'static,
) -> WebServer {
    let state: Mutex<(BTreeMap<String, Vec<u8>>, usize)> = Mutex::default();
    WebServer::start(move |request| {
        let mut state = state.lock().unwrap();
        let (manifests, writes) = &mut *state;
        let Some((_, name)) = request.path.rsplit_once("/manifests/") else {
            return WebAnswer::status(404);
        };
        if request.method == "PUT" {
            manifests.insert(name.to_string(), request.body.clone());
            *writes += 1;
            meddle(manifests, *writes);
            return WebAnswer::status(201);
        }
        manifests.get(name).map_or(WebAnswer::status(404), |bytes| {
            let told: serde_json::Value = serde_json::from_slice(bytes).unwrap();
            WebAnswer::body(bytes.clone()).with("content-type", told["mediaType"].as_str().unwrap())
        })
    })
}

fn referrers_at(server: &WebServer, subject: &Descriptor) -> Vec<Descriptor> {
    let client = client();
    let repository = client.repository(&repository_name(server)).unwrap();
    let kind = Some("application/x.note");
    assert!(
        repository
            .referrers(&subject.digest, Some("other"))
            .unwrap()
            .is_empty()
    );
    repository.referrers(&subject.digest, kind).unwrap()
}

#[test]
fn a_registry_that_does_not_say_oci_subject_gets_a_list() {
    let server = without_referrers(|_, _| {});
    let (subject, client) = (layer(b"subject"), client());
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (server, client, subject) = (&server, &client, &subject);
            scope.spawn(move || {
                let repository = client.repository(&repository_name(server)).unwrap();
                repository.attach(&note(subject, number)).unwrap();
            });
        }
    });
    assert_eq!(referrers_at(&server, &subject).len(), 6);
}

#[test]
fn entries_that_another_writer_wrote_over_are_put_back() {
    let subject = layer(b"subject");
    let (list, theirs) = (list_of(&subject), note(&subject, 1));
    // Another writer, who read the list before us, writes it after us: once over our entry, once over both.
    let server = without_referrers(move |manifests, writes| {
        let entry = |one: &FetchedManifest| {
            let mut entry = one.descriptor.clone();
            entry.artifact_type = Some("application/x.note".into());
            entry
        };
        let index = |entries: &[Descriptor]| {
            json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries})
                .to_string()
                .into_bytes()
        };
        match writes {
            2 => {
                manifests.insert(theirs.descriptor.digest.to_string(), theirs.bytes.clone());
                manifests.insert(list.clone(), index(&[entry(&theirs)]));
            }
            3 => {
                assert_eq!(
                    manifests[&list].windows(7).filter(|it| it == b"sha256:").count(),
                    2
                );
                manifests.insert(list.clone(), index(&[]));
            }
            _ => {}
        }
    });
    let client = client();
    let repository = client.repository(&repository_name(&server)).unwrap();
    repository.attach(&note(&subject, 0)).unwrap();
    let mut found: Vec<_> = referrers_at(&server, &subject)
        .iter()
        .map(|one| one.digest)
        .collect();
    let mut expected = [0, 1].map(|number| note(&subject, number).descriptor.digest);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_referrer_that_was_deleted_is_not_put_back() {
    let subject = layer(b"subject");
    let (list, gone) = (list_of(&subject), note(&subject, 1));
    let gone_entry = gone.descriptor.clone();
    let server = without_referrers(move |manifests, writes| {
        // Written with the first manifest, taken away with the first list: the entry and its manifest.
        let index = match writes {
            1 => json!([gone_entry]),
            2 => json!([]),
            _ => return,
        };
        let text = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": index});
        manifests.insert(list.clone(), text.to_string().into_bytes());
    });
    let client = client();
    let repository = client.repository(&repository_name(&server)).unwrap();
    repository.attach(&note(&subject, 0)).unwrap();
    let found = referrers_at(&server, &subject);
    assert_eq!(found.len(), 1);
    assert_ne!(found[0].digest, gone.descriptor.digest);
}

#[test]
fn a_registry_that_keeps_another_subject_is_refused() {
    let server = WebServer::start(|_| WebAnswer::status(201).with("oci-subject", digest(b"other")));
    let client = client();
    let repository = client.repository(&repository_name(&server)).unwrap();
    refused(repository.attach(&note(&layer(b"subject"), 9)), "something else");
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
