//! From a tested commit to a tag in a registry, and nothing on the way that must not be.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use praxis_testkit::{RealRegistry, RegistryOptions, busybox};
use serde_json::Value;

use crate::{Place, success};

const KEY: [&str; 2] = ["--key", "../own.key"];

/// A project in git, with a tool that can be tested, tagged and tested by `praxis ci`.
pub fn project(place: &Place) -> String {
    place.write(
        "project/Dockerfile",
        "FROM scratch\nCOPY tool /bin/busybox\nUSER 10001:10001\nENTRYPOINT [\"/bin/busybox\"]\n",
    );
    place.write(
        "project/praxis.toml",
        "[image]\nname = \"registry.example/team/tool\"\nuser = \"10001:10001\"\n[smoke]\ncommand = [\"/bin/busybox\", \
         \"true\"]\n",
    );
    std::fs::copy(busybox(), place.path("project/tool")).unwrap();
    git(place, &["init", "-q"]);
    git(place, &["add", "."]);
    git(place, &["commit", "-qm", "one"]);
    git(place, &["tag", "v1.0.0"]);
    tested(place)
}

fn git(place: &Place, arguments: &[&str]) {
    let user = [
        "-C",
        "project",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.test",
        "-c",
        "init.defaultBranch=main",
    ];
    success(place.program("git", &[&user[..], arguments].concat()));
}

/// Runs `praxis ci` and gives the digest that it tested.
fn tested(place: &Place) -> String {
    let said = success(ci(place, &[]));
    let report: Value = serde_json::from_str(&said).unwrap();
    report["images"][0]["digest"].as_str().unwrap().to_string()
}

/// `praxis ci`, which has nothing in reach that could publish.
fn ci(place: &Place, more: &[&str]) -> std::process::Output {
    place
        .command(
            env!("CARGO_BIN_EXE_praxis"),
            &[&["ci", "project", "--json"][..], more].concat(),
        )
        .env_remove("PRAXIS_KEY_PASSWORD")
        .env_remove("COSIGN_PASSWORD")
        .output()
        .unwrap()
}

/// `praxis release` in the project.
pub fn release(place: &Place, version: &str, more: &[&str]) -> Command {
    let mut command = place.command(
        env!("CARGO_BIN_EXE_praxis"),
        &[&["release", version][..], &KEY, more].concat(),
    );
    command.current_dir(place.path("project"));
    command
}

#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    said
}

fn verify(place: &Place, image: &str) -> String {
    let types = [
        "--type",
        "provenance",
        "--type",
        "spdx",
        "--type",
        "cyclonedx",
        "--sbom",
    ];
    place.good(&[&["verify", image, "--key", "own.pub"][..], &types].concat())
}

#[test]
fn what_was_tested_is_released_and_stays() {
    let place = Place::new();
    let digest = project(&place);
    let registry = place.registry();
    let name = format!("{}/team/tool", registry.authority());
    let more = ["--anonymous", "--repository", &name, "--moving-tag", "latest"];
    success(release(&place, "1.0.0", &more).output().unwrap());
    let record = std::fs::read_to_string(place.path("project/release-1.0.0.json")).unwrap();
    let read: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(read["images"][0]["digest"], digest);
    assert_eq!(read["images"][0]["attestations"].as_array().unwrap().len(), 3);
    for tag in ["1.0.0", "latest"] {
        assert!(verify(&place, &format!("docker://{name}:{tag}")).contains(&format!("{digest} is verified")));
    }
    // The same again changes nothing, not even the record.
    success(release(&place, "1.0.0", &more).output().unwrap());
    assert_eq!(
        std::fs::read_to_string(place.path("project/release-1.0.0.json")).unwrap(),
        record
    );
    let ledger = place.good(&["ledger", "log", "--json"]);
    assert_eq!(ledger.matches("\"kind\": \"release\"").count(), 2, "{ledger}");
    // Another commit under the same version: the tag in git moved, the one in the registry does not.
    place.write(
        "project/Dockerfile",
        "FROM scratch\nCOPY tool /bin/busybox\nUSER 10001:10001\nENV A=b\n",
    );
    git(&place, &["add", "release-1.0.0.json"]);
    git(&place, &["commit", "-qam", "two"]);
    let said = refused(&mut release(&place, "1.0.0", &more));
    assert!(said.contains("the tag v1.0.0 is at"), "{said}");
    git(&place, &["tag", "-f", "v1.0.0"]);
    let said = refused(&mut release(&place, "1.0.0", &more));
    assert!(
        said.contains("is not tested: praxis ci did not test it in this store"),
        "{said}"
    );
    let other = tested(&place);
    assert_ne!(other, digest);
    let said = refused(&mut release(&place, "1.0.0", &more));
    assert!(
        said.contains(&format!("it stands for {digest} already; {other} was tested")),
        "{said}"
    );
    assert!(verify(&place, &format!("docker://{name}:1.0.0")).contains(&digest));
}

#[test]
fn nothing_is_released_that_was_not_tested() {
    let place = Place::new();
    project(&place);
    let registry = place.registry();
    let name = format!("{}/team/tool", registry.authority());
    let more = ["--anonymous", "--repository", &name];
    // A changed file, a test that was made with one, a failed test, a report of something else.
    place.write("project/new", "x");
    let said = refused(&mut release(&place, "1.0.0", &more));
    assert!(said.contains("the work tree is not its commit alone"), "{said}");
    tested(&place);
    std::fs::remove_file(place.path("project/new")).unwrap();
    let said = refused(&mut release(&place, "1.0.0", &more));
    assert!(said.contains("files had been changed"), "{said}");
    place.write(
        "report.json",
        "{\"passed\": true, \"clean\": true, \"revision\": \"abc\", \"images\": []}",
    );
    let said = refused(&mut release(
        &place,
        "1.0.0",
        &[&more[..], &["--report", "../report.json"]].concat(),
    ));
    assert!(said.contains("it is about another commit"), "{said}");
    success(ci(&place, &["--report", "json=ci.json"]));
    std::fs::rename(place.path("ci.json"), place.path("report.json")).unwrap();
    let mut report: Value =
        serde_json::from_slice(&std::fs::read(place.path("report.json")).unwrap()).unwrap();
    assert_eq!(report["clean"], true);
    let swapped = format!("sha256:{}", "cd".repeat(32));
    report["images"][0]["digest"] = swapped.clone().into();
    place.write("swapped.json", &report.to_string());
    let said = refused(&mut release(
        &place,
        "1.0.0",
        &[&more[..], &["--report", "../swapped.json"]].concat(),
    ));
    assert!(
        said.contains(&format!("{swapped}: this store does not hold what was tested")),
        "{said}"
    );
    report["passed"] = false.into();
    place.write("failed.json", &report.to_string());
    let said = refused(&mut release(
        &place,
        "1.0.0",
        &[&more[..], &["--report", "../failed.json"]].concat(),
    ));
    assert!(said.contains("did not pass"), "{said}");
    assert!(
        place.bad(&["tags", &name]).contains("404"),
        "nothing reached the registry"
    );
    success(
        release(
            &place,
            "1.0.0",
            &[&more[..], &["--report", "../report.json"]].concat(),
        )
        .output()
        .unwrap(),
    );
}

#[test]
fn the_right_to_push_is_named_and_never_found() {
    let place = Place::new();
    project(&place);
    let made = place.program("htpasswd", &["-Bbc", "passwords", "releaser", "swordfish"]);
    success(made);
    let options = RegistryOptions {
        passwords: Some(place.path("passwords")),
        ..RegistryOptions::default()
    };
    let registry = RealRegistry::start(&place.path(""), &options);
    let name = format!("{}/team/tool", registry.authority());
    // What lies about would do, and is not looked at.
    let auth = place.program("/bin/sh", &["-c", "printf releaser:swordfish | base64"]);
    let auth = success(auth).trim().to_string();
    place.write(
        "home/.docker/config.json",
        &format!(
            "{{\"auths\":{{\"{}\":{{\"auth\":\"{auth}\"}}}}}}",
            registry.authority()
        ),
    );
    let said = refused(&mut release(
        &place,
        "1.0.0",
        &["--anonymous", "--repository", &name],
    ));
    assert!(said.contains("wants credentials, and there are none"), "{said}");
    let said = refused(&mut release(&place, "1.0.0", &["--repository", &name]));
    assert!(said.contains("--registry-user"), "{said}");
    let named = ["--registry-user", "releaser", "--repository", &name];
    let said = refused(&mut release(&place, "1.0.0", &named));
    assert!(said.contains("there is no password"), "{said}");
    success(
        release(&place, "1.0.0", &named)
            .env("PRAXIS_RELEASE_PASSWORD", "swordfish")
            .output()
            .unwrap(),
    );
    // And praxis ci, with the same file in reach, refuses to start.
    let output = ci(&place, &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("credentials that could publish are in reach"),
        "{said}"
    );
}

/// A way to the registry that kills a process at the n-th thing it sends.
struct Killer {
    authority: String,
    left: Arc<AtomicI64>,
    target: Arc<AtomicU32>,
}

impl Killer {
    fn before(registry: String) -> Killer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let killer = Killer {
            authority: listener.local_addr().unwrap().to_string(),
            left: Arc::default(),
            target: Arc::default(),
        };
        let (left, target) = (killer.left.clone(), killer.target.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (registry, left, target) = (registry.clone(), left.clone(), target.clone());
                std::thread::spawn(move || pass(client, &registry, &left, &target));
            }
        });
        killer
    }
}

fn pass(mut client: TcpStream, registry: &str, left: &AtomicI64, target: &AtomicU32) {
    let mut server = TcpStream::connect(registry).unwrap();
    let (mut back, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let process = target.load(Ordering::SeqCst);
        if process != 0 && left.fetch_sub(1, Ordering::SeqCst) == 1 {
            // At every other place the last thing still arrives.
            if process.is_multiple_of(2) {
                let _ = server.write_all(&buffer[..count]);
            }
            let _ = Command::new("kill").args(["-9", &process.to_string()]).status();
        }
        if server.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

#[test]
fn a_release_that_is_killed_anywhere_is_completed_by_the_next() {
    let place = Place::new();
    let digest = project(&place);
    let registry = place.registry();
    let killer = Killer::before(registry.authority().to_string());
    // All places take minutes: PRAXIS_KILL_EVERY=1.
    let every = std::env::var("PRAXIS_KILL_EVERY")
        .ok()
        .and_then(|text| text.parse().ok());
    let every: i64 = every.unwrap_or(19);
    let mut killed = 0;
    for round in 0.. {
        let name = format!("{}/round/number-{round}", killer.authority);
        let more = ["--anonymous", "--repository", &name];
        killer.left.store(1 + round * every, Ordering::SeqCst);
        let mut child = release(&place, "1.0.0", &more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        killer.target.store(child.id(), Ordering::SeqCst);
        let ended = child.wait().unwrap();
        killer.target.store(0, Ordering::SeqCst);
        let image = format!("docker://{name}:1.0.0");
        if place
            .program(env!("CARGO_BIN_EXE_praxis"), &["inspect", &image])
            .status
            .success()
        {
            assert!(
                verify(&place, &image).contains(&format!("{digest} is verified")),
                "round {round}"
            );
        }
        if ended.success() {
            break;
        }
        killed += 1;
        success(release(&place, "1.0.0", &more).output().unwrap());
        assert!(
            verify(&place, &image).contains(&format!("{digest} is verified")),
            "round {round}"
        );
        place.good(&["ledger", "verify"]);
    }
    assert!(killed >= 3, "{killed}");
}
