//! One lie a test.

use praxis_oci::{Descriptor, Reference, media_type};
use praxis_registry::{Client, ErrorKind};
use praxis_testkit::{WebAnswer, WebServer};
use serde_json::json;

use crate::{PASSWORD, account, client, digest, layer, manifest, noise, refused, settings};

fn reference(server: &WebServer, rest: &str) -> Reference {
    format!("{}/a{rest}", server.authority()).parse().unwrap()
}

fn serve_manifest(bytes: Vec<u8>, media_type: &'static str, said: String) -> WebServer {
    WebServer::start(move |_| {
        WebAnswer::body(bytes.clone())
            .with("content-type", media_type)
            .with("docker-content-digest", &said)
    })
}

#[test]
fn row_25_a_digest_of_another_manifest_is_refused() {
    let (bytes, descriptor) = manifest(&layer(b"x"));
    let server = serve_manifest(bytes, media_type::MANIFEST, descriptor.digest.to_string());
    let client = client();
    let wanted = digest(b"other");
    let by_digest = reference(&server, &format!(":tag@{wanted}"));
    let repository = client.repository(&by_digest).unwrap();
    refused(repository.manifest(&by_digest), "another digest");
    refused(repository.resolve(&by_digest), "another digest");
    assert_eq!(
        repository.manifest(&reference(&server, ":t")).unwrap().descriptor,
        descriptor
    );
}

#[test]
fn row_25_a_digest_that_is_none_is_refused_before_it_is_used() {
    let (bytes, _) = manifest(&layer(b"x"));
    for said in [
        "sha256:../../x",
        "sha256:ABC",
        "",
        "sha256:12",
        "md5:d41d8cd98f00b204e9800998ecf8427e",
    ] {
        let server = serve_manifest(bytes.clone(), media_type::MANIFEST, said.into());
        let tag = reference(&server, ":t");
        let client = client();
        let repository = client.repository(&tag).unwrap();
        refused(repository.manifest(&tag), "invalid digest");
        refused(repository.resolve(&tag), "invalid digest");
    }
}

#[test]
fn row_25_the_digest_that_a_tag_is_said_to_have_holds() {
    let (bytes, _) = manifest(&layer(b"x"));
    let server = serve_manifest(bytes, media_type::MANIFEST, digest(b"other").to_string());
    let tag = reference(&server, ":t");
    refused(
        client().repository(&tag).unwrap().manifest(&tag),
        "the registry said",
    );
}

#[test]
fn row_26_types_that_contradict_each_other_are_refused() {
    let (bytes, _) = manifest(&layer(b"x"));
    let both = json!({"schemaVersion": 2, "manifests": [], "layers": [], "config": layer(b"")}).to_string();
    for (bytes, said, why) in [
        (bytes.clone(), media_type::INDEX, "says that it is"),
        (bytes, "text/html", "neither manifest nor index"),
        (
            both.clone().into_bytes(),
            media_type::INDEX,
            "both a manifest and an index",
        ),
        (
            both.into_bytes(),
            media_type::MANIFEST,
            "both a manifest and an index",
        ),
        (b"<html>".to_vec(), media_type::INDEX, "not JSON"),
    ] {
        let name = digest(&bytes).to_string();
        let server = serve_manifest(bytes, said, name);
        let tag = reference(&server, ":t");
        refused(client().repository(&tag).unwrap().manifest(&tag), why);
    }
}

#[test]
fn row_29_sizes_and_types_of_descriptors_hold() {
    let (bytes, descriptor) = manifest(&layer(b"x"));
    let server = serve_manifest(bytes, media_type::MANIFEST, descriptor.digest.to_string());
    let client = client();
    let repository = client.repository(&reference(&server, "")).unwrap();
    let with = |size, media_type: &str| Descriptor::new(media_type, descriptor.digest, size);
    refused(
        repository.manifest_of(&with(descriptor.size + 1, media_type::MANIFEST)),
        "its descriptor says",
    );
    refused(
        repository.manifest_of(&with(descriptor.size, media_type::DOCKER_MANIFEST)),
        "its descriptor says",
    );
    refused(
        repository.manifest_of(&with(1 << 62, media_type::MANIFEST)),
        "too many for a manifest",
    );
    assert!(repository.manifest_of(&descriptor).is_ok());
}

#[test]
fn row_29_manifests_and_heads_without_end_are_refused() {
    let server = WebServer::start(|request| match request.path.contains("manifests/large") {
        true => WebAnswer::body(vec![b' '; 5 << 20]).with("content-type", media_type::MANIFEST),
        false => WebAnswer::body("x").with("x-long", "y".repeat(200 << 10)),
    });
    let client = client();
    let large = reference(&server, ":large");
    let repository = client.repository(&large).unwrap();
    refused(repository.manifest(&large), "larger than");
    refused(repository.manifest(&reference(&server, ":head")), "head");
}

#[test]
fn row_29_blobs_have_the_size_and_the_content_that_was_said() {
    let content = noise(300_000, 1);
    let sent = content.clone();
    let server = WebServer::start(move |request| {
        let mut bytes = sent.clone();
        if request.header("x").is_none() && request.path.contains("/flipped/") {
            bytes[7] ^= 1;
        }
        if request.path.contains("/long/") {
            bytes.push(0);
            // Without a length, the end of the connection ends it.
            return WebAnswer::body(bytes.clone()).with("content-length", bytes.len());
        }
        WebAnswer::body(bytes)
    });
    let client = client();
    let good = layer(&content);
    let of = |name: &str| client.repository(&reference(&server, name)).unwrap();
    let mut out = Vec::new();
    of("/good").fetch_blob(&good, &mut out).unwrap();
    assert!(out == content);
    refused(
        of("/flipped").fetch_blob(&good, &mut Vec::new()),
        "another digest",
    );
    refused(
        of("/long").fetch_blob(&good, &mut Vec::new()),
        "its descriptor says",
    );
    let mut short = good.clone();
    short.size = 10;
    refused(
        of("/good").fetch_blob(&short, &mut Vec::new()),
        "its descriptor says 10",
    );
}

#[test]
fn a_cut_blob_is_resumed_and_a_wrong_part_is_refused() {
    let content = noise(500_000, 2);
    let sent = content.clone();
    let server = WebServer::start(move |request| {
        let Some(range) = request.header("range") else {
            return WebAnswer::body(sent.clone()).cut_after(200_000);
        };
        let start: usize = range["bytes=".len()..]
            .split('-')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let (total, last) = (sent.len(), sent.len() - 1);
        let part = WebAnswer::status(206).and_body(&sent[start..]);
        if request.path.contains("/ignores/") {
            return WebAnswer::body(sent.clone());
        }
        if request.path.contains("/shifts/") {
            return part.with("content-range", format!("bytes {}-{last}/{total}", start + 1));
        }
        if request.path.contains("/swaps/") {
            let wrong = vec![0; total - start];
            return part
                .and_body(wrong)
                .with("content-range", format!("bytes {start}-{last}/{total}"));
        }
        part.with("content-range", format!("bytes {start}-{last}/{total}"))
    });
    let client = client();
    let wanted = layer(&content);
    let fetch = |name: &str| {
        let mut out = Vec::new();
        let repository = client.repository(&reference(&server, name)).unwrap();
        repository.fetch_blob(&wanted, &mut out).map(|()| out)
    };
    assert!(fetch("/resumes").unwrap() == content);
    assert!(fetch("/ignores").unwrap() == content);
    refused(fetch("/shifts"), "another part");
    refused(fetch("/swaps"), "another digest");
    let resumed = server
        .requests()
        .into_iter()
        .find(|it| it.path.contains("/resumes/") && it.header("range").is_some());
    assert_eq!(resumed.unwrap().header("range"), Some("bytes=200000-499999"));
}

/// Asks for a blob of a registry that redirects to `target`, and gives what the target was sent.
fn redirected(location: impl Fn(&str) -> String, status: u16) -> (Vec<praxis_testkit::WebRequest>, bool) {
    let content = b"layer".to_vec();
    let sent = content.clone();
    let target = WebServer::start(move |_| WebAnswer::body(sent.clone()));
    let location = location(target.authority());
    let registry = WebServer::start(move |request| match request.header("authorization") {
        None => WebAnswer::status(401).with("www-authenticate", "Basic realm=\"r\""),
        Some(_) => WebAnswer::status(status).with("location", &location),
    });
    let client = Client::new(account(registry.authority()));
    let repository = client.repository(&reference(&registry, "")).unwrap();
    let mut out = Vec::new();
    let outcome = repository.fetch_blob(&layer(&content), &mut out);
    let own = registry.requests();
    assert!(
        own.iter().any(|it| it.header("authorization").is_some()),
        "the registry itself gets credentials"
    );
    (target.requests(), outcome.is_ok() && out == content)
}

#[test]
fn row_31_credentials_do_not_follow_a_redirect_to_another_port() {
    for status in [301, 302, 303, 307, 308] {
        let (requests, fetched) = redirected(|target| format!("http://{target}/blob?signature=x"), status);
        assert!(fetched, "{status}");
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].header("authorization"), None, "{status}");
    }
}

#[test]
fn row_31_credentials_do_not_follow_a_redirect_to_another_name_of_the_host() {
    let (requests, fetched) = redirected(
        |target| format!("http://{}/blob", target.replace("127.0.0.1", "localhost")),
        307,
    );
    assert!(fetched);
    assert!(
        requests
            .iter()
            .all(|it| it.header("authorization").is_none() && it.header("cookie").is_none())
    );
}

#[test]
fn row_32_only_harmless_headers_go_to_another_host() {
    let (requests, _) = redirected(|target| format!("http://{target}/x"), 307);
    let allowed = [
        "host",
        "accept",
        "range",
        "user-agent",
        "accept-encoding",
        "connection",
    ];
    for (name, value) in &requests[0].headers {
        assert!(allowed.contains(&name.as_str()), "{name}: {value}");
    }
}

#[test]
fn row_31_redirects_to_dangerous_places_are_refused() {
    for location in [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/x",
        "http://other.invalid/x",
        "ftp://127.0.0.1/x",
        "/v2/../../admin",
        "http://user:pass@127.0.0.1/x",
    ] {
        let server = WebServer::start(move |_| WebAnswer::status(307).with("location", location));
        let outcome = client()
            .repository(&reference(&server, ""))
            .unwrap()
            .fetch_blob(&layer(b"x"), &mut Vec::new());
        refused(outcome, "refused");
        assert_eq!(server.requests().len(), 1, "{location}");
    }
}

#[test]
fn row_31_redirects_without_end_are_refused() {
    let server =
        WebServer::start(|request| WebAnswer::status(302).with("location", format!("{}x", request.path)));
    let outcome = client()
        .repository(&reference(&server, ""))
        .unwrap()
        .fetch_blob(&layer(b"x"), &mut Vec::new());
    refused(outcome, "redirects");
    let none = WebServer::start(|_| WebAnswer::status(302));
    let outcome = client()
        .repository(&reference(&none, ""))
        .unwrap()
        .fetch_blob(&layer(b"x"), &mut Vec::new());
    refused(outcome, "no Location");
}

#[test]
fn row_33_addresses_of_foreign_layers_are_never_asked() {
    let elsewhere = WebServer::start(|_| WebAnswer::body("layer"));
    let server = WebServer::start(|_| WebAnswer::status(404));
    let mut foreign = layer(b"layer");
    let url = format!("http://{}/layer", elsewhere.authority());
    foreign.other.insert("urls".into(), json!([url]));
    let client = Client::new(account(server.authority()));
    let outcome = client
        .repository(&reference(&server, ""))
        .unwrap()
        .fetch_blob(&foreign, &mut Vec::new());
    refused(outcome, "foreign layer");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn row_34_a_failure_of_tls_never_leads_to_plain_http() {
    let server = WebServer::start(|_| WebAnswer::body("x"));
    let mut settings = settings();
    let entry = praxis_registry::RegistryEntry {
        tls: true,
        ..Default::default()
    };
    settings
        .registries
        .registry
        .insert(server.authority().into(), entry);
    let tag = reference(&server, ":t");
    let error = Client::new(settings)
        .repository(&tag)
        .unwrap()
        .manifest(&tag)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    assert!(
        server.requests().iter().all(|it| !it.path.starts_with("/v2/")),
        "{:?}",
        server.requests()
    );
}

#[test]
fn row_67_what_a_registry_echoes_is_not_shown() {
    let server = WebServer::start(|request| match request.header("authorization") {
        None => WebAnswer::status(401).with("www-authenticate", "Basic realm=\"r\""),
        Some(header) => WebAnswer::status(403).and_body(
            json!({"errors": [{"code": "DENIED", "message": format!("you sent {header} {PASSWORD}")}]})
                .to_string(),
        ),
    });
    let tag = reference(&server, ":t");
    let error = Client::new(account(server.authority()))
        .repository(&tag)
        .unwrap()
        .manifest(&tag)
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(
        error.message.contains("you sent") && error.message.contains("***"),
        "{error}"
    );
    assert!(
        !error.message.contains(PASSWORD) && !format!("{error:?}").contains("YW5uO"),
        "{error:?}"
    );
    refused::<()>(Err(error), "DENIED");
}

#[test]
fn retry_after_is_heeded_and_bounded() {
    let (bytes, descriptor) = manifest(&layer(b"x"));
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = WebServer::start(move |request| {
        if request.path.contains("/long/") {
            return WebAnswer::status(429).with("retry-after", 86_400);
        }
        match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => WebAnswer::status(429).with("retry-after", 0),
            1 => WebAnswer::status(503),
            _ => WebAnswer::body(bytes.clone()).with("content-type", media_type::MANIFEST),
        }
    });
    let client = client();
    let tag = reference(&server, ":t");
    assert_eq!(
        client
            .repository(&tag)
            .unwrap()
            .manifest(&tag)
            .unwrap()
            .descriptor,
        descriptor
    );
    assert_eq!(server.requests().len(), 3);
    let long = reference(&server, "/long:t");
    refused(client.repository(&long).unwrap().manifest(&long), "86400 seconds");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn tags_come_in_pages_that_stay_and_end() {
    let server = WebServer::start(|request| {
        let tags = |list: &[&str]| WebAnswer::body(json!({"name": "a", "tags": list}).to_string());
        let path = &request.path;
        if path.contains("/loop/") {
            return tags(&["a"]).with("link", format!("<{path}>; rel=\"next\""));
        }
        if path.contains("/away/") {
            return tags(&["a"]).with("link", "<http://localhost:1/v2/x>; rel=\"next\"");
        }
        if path.contains("/odd/") {
            return tags(&["a\u{1b}[2J"]);
        }
        match path.contains("last=b") {
            true => tags(&["c"]),
            false => tags(&["a", "b"]).with("link", "</v2/a/tags/list?n=2&last=b>; rel=\"next\""),
        }
    });
    let client = client();
    let tags = |name: &str| client.repository(&reference(&server, name)).unwrap().tags();
    assert_eq!(tags("").unwrap(), ["a", "b", "c"]);
    refused(tags("/loop"), "no end");
    refused(tags("/away"), "another host");
    refused(tags("/odd"), "is no tag");
}

#[test]
fn a_mirror_is_asked_first_verified_and_passed_over() {
    let (bytes, descriptor) = manifest(&layer(b"x"));
    let (lie, _) = manifest(&layer(b"lie"));
    let mirror =
        WebServer::start(move |_| WebAnswer::body(lie.clone()).with("content-type", media_type::MANIFEST));
    let origin =
        WebServer::start(move |_| WebAnswer::body(bytes.clone()).with("content-type", media_type::MANIFEST));
    let mut settings = account(origin.authority());
    let entry = praxis_registry::RegistryEntry {
        mirrors: vec![format!("{}/hub", mirror.authority())],
        ..Default::default()
    };
    settings
        .registries
        .registry
        .insert(origin.authority().into(), entry);
    let pinned = reference(&origin, &format!("@{}", descriptor.digest));
    let client = Client::new(settings);
    assert_eq!(
        client
            .repository(&pinned)
            .unwrap()
            .manifest(&pinned)
            .unwrap()
            .descriptor,
        descriptor
    );
    let asked = mirror.requests();
    assert!(
        asked[0].path.starts_with("/v2/hub/a/manifests/"),
        "{}",
        asked[0].path
    );
    assert!(asked.iter().all(|it| it.header("authorization").is_none()));
}
