//! Proxies, silence, and how much goes on at once.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use praxis_oci::{Descriptor, Digest, Reference, media_type};
use praxis_registry::{
    Client, ContentSource, ContentTarget, ErrorKind, FetchedManifest, RegistryEntry, RegistryError, Transfer,
    copy,
};
use praxis_testkit::{RealRegistry, RegistryOptions, WebAnswer, WebServer};

use crate::certificates::{TUNNELLED, certificates};
use crate::{account, manifest, noise, refused, settings};

/// A proxy that makes tunnels, all to `server`; the names it was asked for.
fn proxy(server: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let (seen, server) = (asked.clone(), server.to_string());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            while lines.next().unwrap().unwrap() != "" {}
            seen.lock().unwrap().push(first);
            let mut upstream = TcpStream::connect(&server).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut there, mut back) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut there, &mut back));
            std::thread::spawn(move || std::io::copy(&mut upstream, &mut client));
        }
    });
    (authority, asked)
}

#[test]
fn a_proxy_is_asked_for_tunnels_unless_the_host_needs_none() {
    let (bytes, descriptor) = manifest(&crate::layer(b"x"));
    let server =
        WebServer::start(move |_| WebAnswer::body(bytes.clone()).with("content-type", media_type::MANIFEST));
    let (authority, asked) = proxy(server.authority());
    let name: Reference = "registry.invalid/a:t".parse().unwrap();
    let pull = |no_proxy: &str| {
        let mut settings = settings();
        settings.retries = 0;
        settings.insecure.push("registry.invalid".into());
        settings
            .proxies
            .insert("HTTP_PROXY".into(), format!("http://{authority}"));
        settings.proxies.insert("no_proxy".into(), no_proxy.into());
        let client = Client::new(settings);
        let fetched = client.repository(&name)?.manifest(&name)?;
        Ok::<Digest, RegistryError>(fetched.descriptor.digest)
    };
    assert_eq!(pull("other.test").unwrap(), descriptor.digest);
    let lines = asked.lock().unwrap().clone();
    assert_eq!(lines, ["CONNECT registry.invalid:80 HTTP/1.1"]);
    let direct = pull(".other.test,registry.invalid").unwrap_err();
    assert_eq!(direct.kind, ErrorKind::Unreachable, "{direct}");
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn row_34_https_proxy_makes_a_tunnel_and_the_registry_is_still_who_its_certificate_says() {
    let place = tempfile::tempdir().unwrap();
    let [ca, certificate, key, ..] = certificates(place.path());
    let options = RegistryOptions {
        tls: Some((certificate, key)),
        ..Default::default()
    };
    let server = RealRegistry::start(place.path(), &options);
    let (authority, asked) = proxy(server.authority());
    let name: Reference = format!("{TUNNELLED}/a:t").parse().unwrap();
    let client = |ca: Option<PathBuf>| {
        let mut settings = account(TUNNELLED);
        settings.retries = 0;
        let entry = RegistryEntry {
            ca,
            ..Default::default()
        };
        settings.registries.registry.insert(TUNNELLED.into(), entry);
        // Nobody listens there: what has TLS does not go this way.
        for (variable, address) in [("HTTP_PROXY", "127.0.0.1:1"), ("HTTPS_PROXY", &authority)] {
            settings
                .proxies
                .insert(variable.into(), format!("http://{address}"));
        }
        Client::new(settings)
    };
    let content = noise(300_000, 7);
    let client_that_trusts = client(Some(ca));
    let trusting = client_that_trusts.repository(&name).unwrap();
    let (bytes, descriptor) = manifest(&crate::layer(&content));
    let config = Descriptor::of(media_type::CONFIG, b"{}");
    trusting.push_blob(&config, &&b"{}"[..], None).unwrap();
    trusting
        .push_blob(&crate::layer(&content), &content.as_slice(), None)
        .unwrap();
    trusting.push_manifest(&descriptor, &bytes, Some("t")).unwrap();
    assert_eq!(trusting.manifest(&name).unwrap().bytes, bytes);
    let mut out = Vec::new();
    trusting.fetch_blob(&crate::layer(&content), &mut out).unwrap();
    assert!(out == content);
    // The proxy is no way around the certificate, and sees nothing but the name of the host.
    refused(
        client(None).repository(&name).unwrap().manifest(&name),
        "TLS failed",
    );
    let lines = asked.lock().unwrap().clone();
    assert!(lines.len() >= 2, "{lines:?}");
    assert!(
        lines
            .iter()
            .all(|line| line == "CONNECT registry.invalid:443 HTTP/1.1"),
        "{lines:?}"
    );
}

#[test]
fn a_place_can_be_another_than_the_name_says() {
    let (bytes, descriptor) = manifest(&crate::layer(b"x"));
    let server =
        WebServer::start(move |_| WebAnswer::body(bytes.clone()).with("content-type", media_type::MANIFEST));
    let mut settings = settings();
    let entry = RegistryEntry {
        location: Some(format!("{}/inner/place", server.authority())),
        ..Default::default()
    };
    settings
        .registries
        .registry
        .insert("registry.invalid".into(), entry);
    let client = Client::new(settings);
    let name: Reference = "registry.invalid/a/b:t".parse().unwrap();
    let fetched = client.repository(&name).unwrap().manifest(&name).unwrap();
    assert_eq!(fetched.descriptor, descriptor);
    assert_eq!(server.requests()[0].path, "/v2/inner/place/a/b/manifests/t");
}

#[test]
fn silence_is_not_waited_for_without_end() {
    // Connections are taken by the kernel and never answered.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings();
    settings.retries = 1;
    settings.silence_timeout = Duration::from_millis(100);
    let name: Reference = format!("{}/a:t", listener.local_addr().unwrap()).parse().unwrap();
    let client = Client::new(settings);
    let error = client.repository(&name).unwrap().manifest(&name).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl ContentTarget for Nowhere {
    fn has_blob(&self, _: &Descriptor) -> Result<bool, RegistryError> {
        Ok(false)
    }

    fn take_blob(&self, blob: &Descriptor, source: &dyn ContentSource) -> Result<bool, RegistryError> {
        source.blob(blob, &mut std::io::sink()).map(|()| true)
    }

    fn take_document(&self, _: &FetchedManifest) -> Result<(), RegistryError> {
        Ok(())
    }
}

#[test]
fn no_more_blobs_are_on_their_way_than_the_settings_say() {
    let blobs: Vec<Vec<u8>> = (0..8).map(|seed| noise(50_000, seed)).collect();
    let layers: Vec<Descriptor> = blobs.iter().map(|blob| crate::layer(blob)).collect();
    let config = Descriptor::of(media_type::CONFIG, b"{}");
    let text = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": layers,
    });
    let text = text.to_string().into_bytes();
    let root = FetchedManifest::verified(&Descriptor::of(media_type::MANIFEST, &text), text).unwrap();
    let (active, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let server = WebServer::start(move |request| {
        seen.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
        active.fetch_sub(1, Ordering::SeqCst);
        let wanted = blobs
            .iter()
            .find(|blob| request.path.ends_with(&Digest::of(blob).to_string()));
        WebAnswer::body(wanted.cloned().unwrap_or_else(|| b"{}".to_vec()))
    });
    let name: Reference = format!("{}/a:t", server.authority()).parse().unwrap();
    let client = Client::new(settings());
    let repository = client.repository(&name).unwrap();
    let transfer = Transfer {
        source: &repository,
        target: &Nowhere,
        parallel: 2,
        referrers: false,
    };
    let report = copy(&transfer, &root).unwrap();
    assert_eq!((report.moved, server.requests().len()), (9, 9));
    assert!(most.load(Ordering::SeqCst) <= 2, "{most:?}");
}
