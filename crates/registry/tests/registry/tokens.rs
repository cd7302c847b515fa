//! Where tokens are asked for, and with what.

use praxis_oci::{Reference, media_type};
use praxis_registry::{Client, RegistryEntry, Settings};
use praxis_testkit::{WebAnswer, WebServer};

use crate::{account, layer, manifest, refused, settings};

/// A registry that takes the token `good` and names `realm` for it.
fn registry(realm: String) -> WebServer {
    let (bytes, _) = manifest(&layer(b"x"));
    WebServer::start(move |request| match request.header("authorization") {
        Some("Bearer good") => WebAnswer::body(bytes.clone()).with("content-type", media_type::MANIFEST),
        _ => WebAnswer::status(401).with(
            "www-authenticate",
            format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:everything:*\""),
        ),
    })
}

fn tokens() -> WebServer {
    WebServer::start(|_| WebAnswer::body(r#"{"token":"good","expires_in":300}"#))
}

fn pull(registry: &WebServer, settings: Settings) -> Result<(), praxis_registry::RegistryError> {
    let tag: Reference = format!("{}/a/b:t", registry.authority()).parse().unwrap();
    let client = Client::new(settings);
    client.repository(&tag)?.manifest(&tag)?;
    client.repository(&tag)?.manifest(&tag).map(drop)
}

#[test]
fn a_registry_that_says_at_its_root_only_what_it_wants_is_asked_there() {
    let (bytes, _) = manifest(&layer(b"x"));
    let registry = WebServer::start(move |request| match request.header("authorization") {
        Some(_) => WebAnswer::body(bytes.clone()).with("content-type", media_type::MANIFEST),
        None if request.path == "/v2/" => {
            WebAnswer::status(401).with("www-authenticate", "Basic realm=\"all\"")
        }
        None => WebAnswer::status(401),
    });
    pull(&registry, account(registry.authority())).unwrap();
    let greetings = registry.requests().into_iter().filter(|it| it.path == "/v2/");
    assert_eq!(greetings.count(), 1);
    let silent = WebServer::start(|_| WebAnswer::status(401));
    refused(
        pull(&silent, account(silent.authority())),
        "a kind that is not known",
    );
    let sent = silent.requests();
    assert!(sent.iter().all(|it| it.header("authorization").is_none()));
}

#[test]
fn tokens_are_asked_for_with_the_smallest_scope_and_kept() {
    let tokens = tokens();
    let registry = registry(format!("http://{}/token", tokens.authority()));
    let mut settings = account(registry.authority());
    let entry = RegistryEntry {
        token_hosts: vec![tokens.authority().into()],
        ..Default::default()
    };
    settings
        .registries
        .registry
        .insert(registry.authority().into(), entry);
    pull(&registry, settings).unwrap();
    let asked = tokens.requests();
    assert_eq!(asked.len(), 1, "the second pull uses the same token");
    assert_eq!(
        asked[0].path,
        "/token?service=s&scope=repository%3Aa%2Fb%3Apull&account=ann"
    );
    assert!(asked[0].header("authorization").unwrap().starts_with("Basic "));
    assert!(registry.requests().iter().all(|it| {
        !it.header("authorization")
            .unwrap_or_default()
            .starts_with("Basic")
    }));
}

#[test]
fn row_30_credentials_do_not_go_to_a_token_host_that_nobody_listed() {
    let tokens = tokens();
    let registry = registry(format!("http://{}/token", tokens.authority()));
    let outcome = pull(&registry, account(registry.authority()));
    refused(outcome, "another host or port");
    assert!(tokens.requests().is_empty());
    // Without an account there is nothing to lose.
    pull(&registry, settings()).unwrap();
    assert!(
        tokens
            .requests()
            .iter()
            .all(|it| it.header("authorization").is_none())
    );
}

#[test]
fn row_30_realms_on_plain_http_the_local_link_and_no_realms_are_refused() {
    for (realm, why) in [
        ("http://169.254.169.254/latest/meta-data", "local link"),
        ("http://0xa9fea9fe/", "local link"),
        ("http://[fe80::1]/", "local link"),
        ("http://tokens.invalid/token", "plain HTTP"),
        ("https://tokens.invalid/token", "another host or port"),
        ("file:///etc/shadow", "neither http nor https"),
        ("https://user@tokens.invalid/", "user name"),
        ("/token", "neither http nor https"),
        ("", "neither http nor https"),
    ] {
        let registry = registry(realm.into());
        refused(pull(&registry, account(registry.authority())), why);
    }
}

#[test]
fn row_30_a_token_host_that_redirects_is_not_followed() {
    let target = tokens();
    let location = format!("http://{}/token", target.authority());
    let server = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let own = server.clone();
    let registry = WebServer::start(move |request| match request.path.starts_with("/token") {
        true => WebAnswer::status(307).with("location", &location),
        false => WebAnswer::status(401).with(
            "www-authenticate",
            format!("Bearer realm=\"http://{}/token\"", own.lock().unwrap()),
        ),
    });
    *server.lock().unwrap() = registry.authority().into();
    refused(pull(&registry, account(registry.authority())), "redirects");
    assert!(target.requests().is_empty());
}

#[test]
fn an_identity_token_is_sent_in_a_body() {
    let place = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let own = place.clone();
    let (bytes, _) = manifest(&layer(b"x"));
    let registry = WebServer::start(move |request| {
        if request.path == "/token" {
            return WebAnswer::body(r#"{"access_token":"good"}"#);
        }
        match request.header("authorization") {
            Some("Bearer good") => WebAnswer::body(bytes.clone()).with("content-type", media_type::MANIFEST),
            _ => WebAnswer::status(401).with(
                "www-authenticate",
                format!("Bearer realm=\"http://{}/token\"", own.lock().unwrap()),
            ),
        }
    });
    *place.lock().unwrap() = registry.authority().into();
    let mut settings = settings();
    let identity = praxis_registry::Credential::Identity(praxis_registry::Secret::new("idt/1"));
    settings
        .credentials
        .given
        .insert(registry.authority().into(), identity);
    pull(&registry, settings).unwrap();
    let asked: Vec<_> = registry
        .requests()
        .into_iter()
        .filter(|it| it.path.starts_with("/token"))
        .collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].method, "POST");
    let body = String::from_utf8(asked[0].body.clone()).unwrap();
    assert!(
        body.contains("grant_type=refresh_token") && body.ends_with("refresh_token=idt%2F1"),
        "{body}"
    );
}

#[test]
fn wrong_passwords_and_strange_schemes_end_at_once() {
    let basic = WebServer::start(|_| WebAnswer::status(401).with("www-authenticate", "Basic realm=x"));
    refused(pull(&basic, account(basic.authority())), "wants credentials");
    assert_eq!(basic.requests().len(), 2);
    refused(pull(&basic, settings()), "there are none");
    let strange = WebServer::start(|_| WebAnswer::status(401).with("www-authenticate", "Negotiate"));
    refused(pull(&strange, account(strange.authority())), "not known");
    assert!(
        strange
            .requests()
            .iter()
            .all(|it| it.header("authorization").is_none())
    );
}
