//! Debian's docker-registry, or the one that `PRAXIS_TEST_REGISTRY` names, and skopeo as the other side.

use std::path::Path;
use std::process::Command;

use praxis_oci::{Descriptor, Reference, media_type};
use praxis_registry::{Client, ErrorKind, FetchedManifest, Pushed, RegistryEntry};
use praxis_testkit::{Cutter, Implementation, RealRegistry, RegistryOptions};

use crate::certificates::certificates;
use crate::{PASSWORD, account, client, layer, manifest, noise, refused, settings};

fn reference(authority: &str, rest: &str) -> Reference {
    format!("{authority}/{rest}").parse().unwrap()
}

fn config() -> Descriptor {
    Descriptor::of(media_type::CONFIG, b"{}")
}

/// Pushes an image of one layer under `tag` and gives its manifest.
fn push(client: &Client, name: &Reference, content: &[u8], tag: &str) -> FetchedManifest {
    let repository = client.repository(name).unwrap();
    let (bytes, descriptor) = manifest(&layer(content));
    repository.push_blob(&config(), &&b"{}"[..], None).unwrap();
    repository.push_blob(&layer(content), &content, None).unwrap();
    repository.push_manifest(&descriptor, &bytes, Some(tag)).unwrap();
    FetchedManifest::verified(&descriptor, bytes).unwrap()
}

#[test]
fn pushes_pulls_mounts_and_lists() {
    let place = tempfile::tempdir().unwrap();
    let server = RealRegistry::start(place.path(), &RegistryOptions::default());
    let client = client();
    let name = reference(server.authority(), "team/app:one");
    let content = noise(3 << 20, 1);
    let pushed = push(&client, &name, &content, "one");
    let repository = client.repository(&name).unwrap();
    for tag in ["two", "three"] {
        repository
            .push_manifest(&pushed.descriptor, &pushed.bytes, Some(tag))
            .unwrap();
    }
    assert_eq!(repository.tags().unwrap().len(), 3);
    assert_eq!(repository.manifest(&name).unwrap().bytes, pushed.bytes);
    assert_eq!(repository.resolve(&name).unwrap(), pushed.descriptor.digest);
    let both = name.clone().with_digest(pushed.descriptor.digest);
    assert_eq!(repository.manifest(&both).unwrap().descriptor, pushed.descriptor);
    let mut out = Vec::new();
    repository.fetch_blob(&layer(&content), &mut out).unwrap();
    assert!(out == content);
    // Again: nothing is sent. Elsewhere: nothing is sent either.
    let present = repository
        .push_blob(&layer(&content), &content.as_slice(), None)
        .unwrap();
    assert_eq!(present, Pushed::Present);
    let other = client
        .repository(&reference(server.authority(), "other"))
        .unwrap();
    let mounted = other
        .push_blob(&layer(&content), &content.as_slice(), Some("team/app"))
        .unwrap();
    match server.implementation() {
        Implementation::Distribution => assert_eq!(mounted, Pushed::Mounted),
        Implementation::GoContainerregistry => assert_eq!(mounted, Pushed::Present),
    }
    let unmountable = noise(1000, 5);
    let sent = other
        .push_blob(&layer(&unmountable), &unmountable.as_slice(), Some("team/app"))
        .unwrap();
    assert_eq!(sent, Pushed::Sent);
    let missing = other
        .manifest(&reference(server.authority(), "other:none"))
        .unwrap_err();
    assert_eq!(missing.kind, ErrorKind::Missing, "{missing}");
    if server.implementation() == Implementation::GoContainerregistry {
        return;
    }
    // What is not whole is not taken.
    let absent = noise(10, 6);
    let (bytes, descriptor) = manifest(&layer(&absent));
    refused(
        other.push_manifest(&descriptor, &bytes, Some("bad")),
        "blob unknown",
    );
}

#[test]
fn pushes_in_pieces_and_in_one() {
    let place = tempfile::tempdir().unwrap();
    let server = RealRegistry::start(place.path(), &RegistryOptions::default());
    let content = noise(700_001, 3);
    for (number, chunk, monolithic) in [
        (0, Some(100_000), 0),
        (1, None, 0),
        (2, None, u64::MAX),
        (3, Some(700_001), 0),
    ] {
        let mut settings = settings();
        (settings.chunk, settings.monolithic) = (chunk, monolithic);
        let client = Client::new(settings);
        let name = reference(server.authority(), &format!("pieces{number}:t"));
        push(&client, &name, &content, "t");
        let mut out = Vec::new();
        client
            .repository(&name)
            .unwrap()
            .fetch_blob(&layer(&content), &mut out)
            .unwrap();
        assert!(out == content, "{number}");
    }
}

#[test]
fn row_25_fifty_cuts_cost_nothing_but_time() {
    let place = tempfile::tempdir().unwrap();
    let server = RealRegistry::start(place.path(), &RegistryOptions::default());
    let cutter = Cutter::start(server.authority());
    let direct = client();
    let mut cuts = 0;
    for number in 0..50_u64 {
        let content = noise(400_000, 100 + number);
        let wanted = layer(&content);
        let at = u64::from_le_bytes(noise(8, number).try_into().unwrap()) % 380_000;
        let mut settings = settings();
        settings.chunk = (number % 3 == 0).then_some(150_000);
        settings.monolithic = if number % 3 == 1 { u64::MAX } else { 0 };
        let through = Client::new(settings);
        let name = reference(cutter.authority(), "cut");
        let repository = through.repository(&name).unwrap();
        cutter.cut_after(at);
        if number % 2 == 0 {
            repository.push_blob(&wanted, &content.as_slice(), None).unwrap();
        } else {
            let plain = direct.repository(&reference(server.authority(), "cut")).unwrap();
            plain.push_blob(&wanted, &content.as_slice(), None).unwrap();
        }
        let mut out = Vec::new();
        repository.fetch_blob(&wanted, &mut out).unwrap();
        assert!(out == content, "{number}");
        cuts += usize::from(cutter.has_cut());
    }
    assert_eq!(cuts, 50);
}

fn htpasswd(place: &Path) -> std::path::PathBuf {
    let output = Command::new("htpasswd")
        .args(["-Bbn", "ann", PASSWORD])
        .output()
        .unwrap();
    let path = place.join("htpasswd");
    std::fs::write(&path, output.stdout).unwrap();
    path
}

#[test]
fn row_34_tls_by_a_private_authority_and_a_password() {
    let place = tempfile::tempdir().unwrap();
    let [ca, certificate, key, ..] = certificates(place.path());
    let options = RegistryOptions {
        passwords: Some(htpasswd(place.path())),
        tls: Some((certificate, key)),
        client_authority: None,
    };
    let server = RealRegistry::start(place.path(), &options);
    let name = reference(server.authority(), "private/app:t");
    let with = |entry: RegistryEntry, mut settings: praxis_registry::Settings| {
        settings
            .registries
            .registry
            .insert(server.authority().into(), entry);
        Client::new(settings)
    };
    let trusting = RegistryEntry {
        ca: Some(ca),
        ..Default::default()
    };
    let owner = with(trusting.clone(), account(server.authority()));
    let pushed = push(&owner, &name, &noise(2 << 20, 4), "t");
    owner.check_login(server.authority()).unwrap();
    assert_eq!(
        owner
            .repository(&name)
            .unwrap()
            .manifest(&name)
            .unwrap()
            .descriptor,
        pushed.descriptor
    );
    let nobody = with(trusting, settings());
    refused(
        nobody.repository(&name).unwrap().manifest(&name),
        "there are none",
    );
    let mistrusting = with(
        RegistryEntry {
            tls: true,
            ..Default::default()
        },
        account(server.authority()),
    );
    refused(
        mistrusting.repository(&name).unwrap().manifest(&name),
        "TLS failed",
    );
}

#[test]
fn a_registry_that_wants_a_certificate_gets_the_one_of_the_settings() {
    let place = tempfile::tempdir().unwrap();
    let [ca, certificate, key, client_certificate, client_key] = certificates(place.path());
    let options = RegistryOptions {
        tls: Some((certificate, key)),
        client_authority: Some(ca.clone()),
        ..Default::default()
    };
    let server = RealRegistry::start(place.path(), &options);
    let name = reference(server.authority(), "private/app:t");
    let with = |entry: RegistryEntry| {
        let mut settings = settings();
        settings
            .registries
            .registry
            .insert(server.authority().into(), entry);
        Client::new(settings)
    };
    let stranger = RegistryEntry {
        ca: Some(ca),
        ..Default::default()
    };
    let known = RegistryEntry {
        client_certificate: Some(client_certificate),
        client_key: Some(client_key),
        ..stranger.clone()
    };
    let content = noise(1 << 20, 12);
    let client = with(known);
    let pushed = push(&client, &name, &content, "t");
    let repository = client.repository(&name).unwrap();
    assert_eq!(repository.manifest(&name).unwrap().bytes, pushed.bytes);
    let mut out = Vec::new();
    repository.fetch_blob(&layer(&content), &mut out).unwrap();
    assert!(out == content);
    let mut settings = settings();
    settings.retries = 0;
    settings
        .registries
        .registry
        .insert(server.authority().into(), stranger);
    let refusal = Client::new(settings)
        .repository(&name)
        .unwrap()
        .manifest(&name)
        .err();
    let said = refusal.expect("a stranger gets nothing").message;
    assert!(said.contains(server.authority()), "{said}");
}

#[test]
fn skopeo_reads_what_was_pushed_and_the_other_way_round() {
    let place = tempfile::tempdir().unwrap();
    let server = RealRegistry::start(place.path(), &RegistryOptions::default());
    let client = client();
    let name = reference(server.authority(), "app:ours");
    let pushed = push(&client, &name, &noise(100_000, 9), "ours");
    let address = |tag: &str| format!("docker://{}/app:{tag}", server.authority());
    let skopeo = |arguments: &[&str]| {
        let output = Command::new("skopeo").args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &address("ours")]);
    assert_eq!(raw, pushed.bytes);
    let folder = format!("dir:{}", place.path().join("copy").display());
    skopeo(&["copy", "--src-tls-verify=false", &address("ours"), &folder]);
    skopeo(&["copy", "--dest-tls-verify=false", &folder, &address("theirs")]);
    let theirs = reference(server.authority(), "app:theirs");
    assert_eq!(
        client
            .repository(&theirs)
            .unwrap()
            .manifest(&theirs)
            .unwrap()
            .descriptor,
        pushed.descriptor
    );
}
