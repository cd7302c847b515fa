//! pull, push, copy, tags, inspect, referrers, login and logout.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use praxis_testkit::RegistryOptions;

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

#[test]
fn referrers_are_attached_listed_and_copied() {
    let place = Place::new();
    place.publish_base("base:1");
    let name = place.name("base:1");
    place.write("note.txt", "checked\n");
    let attach = [
        "referrers",
        "attach",
        &name,
        "note.txt",
        "--artifact-type",
        "application/x.note",
    ];
    let digest = place.good("a", &attach).trim().to_string();
    assert_eq!(
        place.good("a", &attach).trim(),
        digest,
        "the same again is the same"
    );
    let listed = place.good("a", &["referrers", "list", &name]);
    assert_eq!(listed, format!("{digest}  application/x.note\n"));
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
            tls: None,
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
