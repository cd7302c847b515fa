//! pull, push, copy, tags, inspect, referrers, login and logout.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use praxis_testkit::{Implementation, RegistryOptions, WebAnswer, WebServer};

use crate::{Place, success};

#[test]
fn images_go_round_with_the_same_digest() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM base\nRUN echo x > /x\nLABEL a=b\n");
    let built = [
        "build",
        "-q",
        "--build-context",
        "base=oci-layout://base",
        "-t",
        "app:1",
        "app",
    ];
    let digest = place.good("a", &built).trim().to_string();
    let (one, two) = (place.name("team/app:1"), place.name("team/app:2"));
    let said = place.good("a", &["push", "app:1", &one, &two]);
    assert_eq!(said.matches(&digest).count(), 2, "{said}");
    assert!(said.lines().last().unwrap().contains("0 blobs moved"), "{said}");
    assert_eq!(place.good("a", &["tags", &place.name("team/app")]), "1\n2\n");
    let pulled = place.good("b", &["pull", "--json", &one]);
    assert!(pulled.contains(&digest), "{pulled}");
    let remote = place.good("c", &["inspect", &format!("docker://{one}")]);
    assert_eq!(place.good("b", &["inspect", &one]), remote);
    assert!(remote.contains("label       a=b"), "{remote}");
    let blobs = std::fs::read_dir(place.path("c/blobs/sha256")).unwrap().count();
    assert_eq!(blobs, 0, "a description needs no layers");
    // Registry to registry mounts, registry to layout and back keeps every byte.
    let elsewhere = format!("docker://{}", place.name("elsewhere/app:1"));
    let mounted = place.good("c", &["copy", &format!("docker://{one}"), &elsewhere]);
    assert!(mounted.contains("0 blobs moved"), "{mounted}");
    place.good("c", &["copy", &elsewhere, "oci-layout:out:x"]);
    let back = place.good(
        "c",
        &[
            "copy",
            "--json",
            "oci-layout:out:x",
            &format!("docker://{}", place.name("back:1")),
        ],
    );
    assert!(back.contains(&digest), "{back}");
    for store in ["a", "b", "c"] {
        place.good(store, &["store", "verify"]);
    }
    let said = place.bad("a", &["push", "absent:1", &one]);
    assert!(said.contains("no such image in the store"), "{said}");
    let said = place.bad("a", &["pull", &place.name("absent")]);
    assert!(said.contains("(404)"), "{said}");
}

#[test]
fn a_damaged_layout_is_not_copied() {
    let place = Place::new();
    let layer = place.base.layer_file();
    let mut bytes = std::fs::read(&layer).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&layer, bytes).unwrap();
    let said = place.bad(
        "a",
        &[
            "copy",
            "oci-layout:base",
            &format!("docker://{}", place.name("base:1")),
        ],
    );
    assert!(said.contains("not what its name says"), "{said}");
    let said = place.bad("a", &["copy", "oci-layout:base", "base:1"]);
    assert!(said.contains("not what its name says"), "{said}");
    assert!(place.bad("a", &["inspect", "base:1"]).contains("no such image"));
}

/// Attaches a note to an image; its digest.
fn attach(place: &Place, name: &str) -> String {
    place.write("note.txt", "checked\n");
    let kind = "application/x.note";
    let attach = ["referrers", "attach", name, "note.txt", "--artifact-type", kind];
    place.good("a", &attach).trim().to_string()
}

#[test]
fn referrers_are_attached_listed_and_copied() {
    let place = Place::new();
    place.publish_base("base:1");
    let name = place.name("base:1");
    let digest = attach(&place, &name);
    assert_eq!(attach(&place, &name), digest, "the same again is the same");
    let listed = place.good("a", &["referrers", "list", &name]);
    let kind = match listed.contains("application/vnd.oci.empty.v1+json") {
        // The referrers API of go-containerregistry tells the type of the configuration.
        true if place.registry.implementation() == Implementation::GoContainerregistry => {
            "application/vnd.oci.empty.v1+json"
        }
        _ => "application/x.note",
    };
    assert_eq!(listed, format!("{digest}  {kind}\n"));
    assert_eq!(
        place.good("a", &["referrers", "list", "--artifact-type", "other", &name]),
        ""
    );
    let copy = place.name("copy:1");
    place.good(
        "a",
        &[
            "copy",
            "--referrers",
            &format!("docker://{name}"),
            &format!("docker://{copy}"),
        ],
    );
    assert_eq!(place.good("a", &["referrers", "list", &copy]), listed);
    place.good(
        "a",
        &[
            "copy",
            "--referrers",
            &format!("docker://{copy}"),
            "oci-layout:kept:1",
        ],
    );
    let back = place.name("again:1");
    place.good(
        "a",
        &[
            "copy",
            "--referrers",
            "oci-layout:kept:1",
            &format!("docker://{back}"),
        ],
    );
    assert_eq!(place.good("a", &["referrers", "list", &back]), listed);
}

#[test]
fn artifacts_are_fetched_and_verified() {
    let place = Place::new();
    place.publish_base("base:1");
    place.good(
        "a",
        &[
            "copy",
            "oci-layout:base",
            &format!("docker://{}", place.name("base:same")),
        ],
    );
    let name = place.name("base:1");
    let digest = attach(&place, &name);
    let fetch = ["referrers", "fetch", &name, &digest];
    assert_eq!(place.good("a", &fetch), "checked\n");
    let said = place.good("a", &[&fetch[..], &["-o", "got"]].concat());
    assert!(said.contains("application/x.note  8  note.txt"), "{said}");
    let manifest = std::fs::read(place.path("got/manifest.json")).unwrap();
    assert_eq!(praxis_oci::Digest::of(&manifest).to_string(), digest);
    let content = praxis_oci::Digest::of(b"checked\n");
    let file = place.path("got").join(content.hex());
    assert_eq!(std::fs::read_to_string(file).unwrap(), "checked\n");
    let said = place.bad("a", &[&fetch[..], &["-o", "got"]].concat());
    assert!(said.contains("empty or new"), "{said}");
    // The image itself refers to nothing, and one that refers to another image is not this image's.
    let image = place.manifests_asked();
    let said = place.bad("a", &["referrers", "fetch", &name, &image]);
    assert!(said.contains("refers to nothing"), "{said}");
    let wrong = ["referrers", "fetch", &name, "sha256:../../x"];
    assert_eq!(place.praxis("a", &wrong).output().unwrap().status.code(), Some(2));
    // Changed behind the registry's back: nothing of it is given.
    let blob = place.registry.blob(&content.hex());
    std::fs::write(blob, "forged!\n").unwrap();
    let said = place.bad("a", &fetch);
    assert!(said.contains("another digest"), "{said}");
    let said = place.bad("a", &[&fetch[..], &["-o", "other"]].concat());
    assert!(
        said.contains("another digest") && !place.path("other").exists(),
        "{said}"
    );
}

#[test]
fn archives_are_places_too() {
    let place = Place::new();
    place.publish_base("base:1");
    let remote = format!("docker://{}", place.name("base:1"));
    let digest = place.manifests_asked();
    place.write("note.txt", "checked\n");
    let name = place.name("base:1");
    let attach = [
        "referrers",
        "attach",
        &name,
        "note.txt",
        "--artifact-type",
        "application/x.note",
    ];
    let note = place.good("a", &attach).trim().to_string();
    let copy = |from: &str, to: &str| {
        let said = place.good("a", &["copy", "--referrers", "--json", from, to]);
        assert!(said.contains(&digest), "{from} to {to}: {said}");
    };
    copy(&remote, "oci-archive:one.tar");
    copy(&remote, "oci-archive:two.tar:named");
    copy("oci-layout:base", "oci-layout:layout:x");
    copy("oci-archive:one.tar", "oci-archive:again.tar");
    let bytes = |file: &str| std::fs::read(place.path(file)).unwrap();
    assert!(
        bytes("one.tar") == bytes("again.tar"),
        "an archive depends on its content only"
    );
    copy("oci-archive:two.tar:named", "stored:1");
    let back = place.name("back:1");
    copy("oci-archive:one.tar", &format!("docker://{back}"));
    let listed = place.good("a", &["referrers", "list", &back]);
    assert!(listed.contains(&note), "{listed}");
    copy("stored:1", "docker-archive:docker.tar:example.test/app:2");
    copy("docker-archive:docker.tar:example.test/app:2", "from-docker:1");
    place.good("a", &["store", "verify"]);
    // skopeo reads both, and praxis what skopeo writes: Docker's list alone, layers not compressed.
    let skopeo = |arguments: &[&str]| {
        let mut command = Command::new("skopeo");
        success(
            command
                .args(arguments)
                .current_dir(place.path(""))
                .output()
                .unwrap(),
        )
    };
    let raw = skopeo(&["inspect", "--raw", "oci-archive:two.tar:named"]);
    assert_eq!(praxis_oci::Digest::of(raw.as_bytes()).to_string(), digest);
    skopeo(&["inspect", "docker-archive:docker.tar:example.test/app:2"]);
    skopeo(&[
        "copy",
        "oci-archive:two.tar:named",
        "docker-archive:theirs.tar:example.test/app:3",
    ]);
    let said = place.good(
        "a",
        &["copy", "docker-archive:theirs.tar:example.test/app:3", "theirs:1"],
    );
    assert!(said.starts_with("sha256:"), "{said}");
    place.write("app/Dockerfile", "FROM theirs:1\nRUN echo x > /x\n");
    place.good("a", &["build", "-q", "app"]);
    for (from, why) in [
        ("oci-archive:absent.tar", "absent.tar"),
        ("oci-archive:note.txt", "note.txt"),
        ("docker-archive:theirs.tar:other:1", "0 images fit"),
    ] {
        let said = place.bad("a", &["copy", from, "nothing:1"]);
        assert!(said.contains(why), "{from}: {said}");
    }
}

#[test]
fn row_27_archives_of_links_and_wrong_blobs_are_refused() {
    let place = Place::new();
    let digest = place.manifests_asked();
    let hex = digest.trim_start_matches("sha256:").to_string();
    let tar = |file: &str, arguments: &[&str]| {
        let mut command = Command::new("tar");
        command
            .arg("-cf")
            .arg(place.path(file))
            .args(["-C", "base"])
            .args(arguments);
        success(command.current_dir(place.path("")).output().unwrap());
    };
    let manifest = place.path("base/blobs/sha256").join(&hex);
    let bytes = std::fs::read(&manifest).unwrap();
    std::fs::remove_file(&manifest).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &manifest).unwrap();
    tar("link.tar", &["."]);
    let said = place.bad("a", &["copy", "oci-archive:link.tar", "x:1"]);
    assert!(said.contains(&hex), "{said}");
    std::fs::remove_file(&manifest).unwrap();
    std::fs::write(&manifest, [&bytes[..bytes.len() - 1], b" "].concat()).unwrap();
    tar("wrong.tar", &["."]);
    let said = place.bad("a", &["copy", "oci-archive:wrong.tar", "x:1"]);
    assert!(said.contains("digest"), "{said}");
    assert!(place.bad("a", &["inspect", "x:1"]).contains("no such image"));
}

#[test]
fn a_description_costs_no_layer() {
    let place = Place::new();
    let layer = place
        .base
        .layer_file()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let files = place.path("base/blobs/sha256");
    let manifest = place.manifests_asked();
    let server = WebServer::start(move |request| {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        let digest = if last == "1" { manifest.as_str() } else { last };
        match std::fs::read(files.join(digest.trim_start_matches("sha256:"))) {
            Ok(bytes) if request.path.contains("/manifests/") => {
                WebAnswer::body(bytes).with("content-type", praxis_oci::media_type::MANIFEST)
            }
            Ok(bytes) => WebAnswer::body(bytes),
            Err(_) => WebAnswer::status(404),
        }
    });
    let name = format!("docker://{}/base:1", server.authority());
    place.good("a", &["inspect", &name]);
    let asked: Vec<String> = server
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    let of = |part: &str| asked.iter().filter(|path| path.contains(part)).count();
    assert_eq!((of("/manifests/"), of("/blobs/")), (1, 1), "{asked:?}");
    assert_eq!(of(&layer), 0, "{asked:?}");
}

const PASSWORD: &str = "hunter2-canary";

#[test]
fn row_67_a_login_is_kept_in_a_private_file_and_shown_nowhere() {
    let place = Place::with(|folder| {
        let output = Command::new("htpasswd")
            .args(["-Bbn", "ann", PASSWORD])
            .output()
            .unwrap();
        std::fs::write(folder.join("htpasswd"), output.stdout).unwrap();
        RegistryOptions {
            passwords: Some(folder.join("htpasswd")),
            ..RegistryOptions::default()
        }
    });
    let registry = place.registry.authority().to_string();
    let to = format!("docker://{}", place.name("base:1"));
    let said = place.bad("a", &["copy", "oci-layout:base", &to]);
    assert!(said.contains(&format!("praxis login {registry}")), "{said}");
    let login = |password: &str| {
        let mut command = place.praxis("a", &["login", &registry, "-u", "ann", "--password-stdin"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(format!("{password}\n").as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    };
    let wrong = login("wrong");
    assert_eq!(wrong.status.code(), Some(1));
    let file = place.path("home/.docker/config.json");
    assert!(!file.exists(), "a password that is not taken is not kept");
    let said = success(login(PASSWORD));
    assert!(!said.contains(PASSWORD), "{said}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    place.good("a", &["copy", "oci-layout:base", &to]);
    place.write(
        "app/Dockerfile",
        &format!("FROM {}\nRUN echo x > /x\n", place.name("base:1")),
    );
    place.good("a", &["build", "-o", "type=oci,dest=out.tar", "app"]);
    let shown = Command::new("grep")
        .args(["-rlE", &format!("{PASSWORD}|YW5uOmh1bnRlcjI")])
        .args(["a", "out.tar"])
        .current_dir(place.path(""))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "");
    assert!(place.good("a", &["logout", &registry]).contains("logged out"));
    assert!(
        place
            .bad("a", &["tags", &place.name("base")])
            .contains("there are none")
    );
}
