//! `praxis check` and `praxis pin` as a user meets them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const OLD: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn praxis(directory: &Path, arguments: &[&str]) -> Output {
    let store = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_praxis"))
        .args(arguments)
        .current_dir(directory)
        .env("PRAXIS_ROOT", store.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A Dockerfile whose base was moved and whose label was not, with unusual bytes everywhere else.
fn drifted() -> String {
    format!(
        "# debian:12\r\nFROM   debian:12@{NEW}\t\r\nLABEL org.opencontainers.image.base.digest='{OLD}' \\\r\n\
         \x20 # é {OLD}\r\n  other={OLD}\r\nRUN <<E\r\necho {OLD}\r\nE\r\n# the end, without a line feed"
    )
}

#[test]
fn this_repository_is_clean_under_its_policy() {
    let top = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    for (directory, count) in [(top.to_path_buf(), 2), (top.join("examples/python-service"), 1)] {
        let output = praxis(&directory, &["check", "--fail-on=note", "."]);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        assert!(
            stdout(&output).contains(&format!("in {count} Dockerfiles")),
            "{}",
            stdout(&output)
        );
    }
}

#[test]
fn this_repository_deploys_the_placeholder_or_its_last_release() {
    let top = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let output = praxis(top, &["promote", "--check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert_eq!(stdout(&output), "0 problems in 5 places\n");
}

#[test]
fn this_repository_has_every_pin() {
    let top = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let output = praxis(top, &["pin", "--check", "--offline", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let pins = said["pins"].as_array().unwrap();
    assert!(pins.len() >= 8, "{pins:?}");
    assert!(pins.iter().all(|pin| pin["state"] == "pinned"), "{pins:?}");
}

#[test]
fn findings_have_a_place_and_an_exit_status() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("Dockerfile"), drifted()).unwrap();
    let output = praxis(directory.path(), &["check"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("error[PX104]: the label says sha256:aaaa"),
        "{text}"
    );
    assert!(text.contains("--> Dockerfile:3:45\n"), "{text}");
    assert!(text.contains("page: docs/rules/PX104.md"), "{text}");
    let never = praxis(directory.path(), &["check", "--fail-on=never"]);
    assert_eq!(never.status.code(), Some(0));
    let json = praxis(directory.path(), &["check", "--format=json", "--severity=error"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["findings"].as_array().unwrap().len(), 1);
    assert_eq!(json["findings"][0]["line"], 3);
    let sarif = praxis(directory.path(), &["check", "--format=sarif"]);
    let sarif: serde_json::Value = serde_json::from_slice(&sarif.stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "PX104");
    let github = stdout(&praxis(directory.path(), &["check", "--format=github"]));
    assert!(github.contains("::error file=Dockerfile,line=3,"), "{github}");
}

#[test]
fn fixes_change_their_bytes_and_no_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Dockerfile");
    fs::write(&path, drifted()).unwrap();
    let diff = stdout(&praxis(directory.path(), &["check", "--fix", "--diff"]));
    assert!(diff.starts_with("--- a/Dockerfile\n+++ b/Dockerfile\n"), "{diff}");
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        drifted(),
        "--diff writes nothing"
    );
    let output = praxis(directory.path(), &["check", "--fix"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let expected = drifted().replace(&format!("digest='{OLD}'"), &format!("digest='{NEW}'"));
    assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    let names: Vec<_> = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["Dockerfile"], "nothing half-written stays");
}

/// security row 70: a deploy file that is a symbolic link is not written through, nor one below a linked directory.
#[test]
fn row_70_links_are_neither_read_nor_written() {
    let outside = tempfile::tempdir().unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("Dockerfile"), drifted()).unwrap();
    std::os::unix::fs::symlink(
        outside.path().join("Dockerfile"),
        directory.path().join("Dockerfile"),
    )
    .unwrap();
    std::os::unix::fs::symlink(outside.path(), directory.path().join("linked")).unwrap();
    for arguments in [&["check", "--fix"][..], &["pin", "--update"]] {
        let output = praxis(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        assert_eq!(
            fs::read_to_string(outside.path().join("Dockerfile")).unwrap(),
            drifted()
        );
        assert!(directory.path().join("Dockerfile").is_symlink());
    }
    let named = praxis(directory.path(), &["check", "--fix", "Dockerfile"]);
    assert_eq!(named.status.code(), Some(1));
    assert_eq!(
        fs::read_to_string(outside.path().join("Dockerfile")).unwrap(),
        drifted()
    );
}

#[test]
fn a_wrong_policy_is_one_error_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("praxis.toml"), "[image]\nartifacts = []\n").unwrap();
    let output = praxis(directory.path(), &["check"]);
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text.starts_with("error: praxis.toml:2:1: unknown field `artifacts`"),
        "{text}"
    );
    assert!(text.contains("(did you mean artefacts?)"), "{text}");
}

#[test]
fn rules_explain_themselves() {
    let output = praxis(Path::new("/"), &["check", "--explain", "px104"]);
    assert!(stdout(&output).contains("# Why"), "{}", stdout(&output));
    assert_eq!(
        praxis(Path::new("/"), &["check", "--explain", "PX9"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn pins_that_nobody_can_resolve_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("FROM debian:12@{OLD}\nCOPY --from=nobody.invalid/x:1 /a /a\n");
    fs::write(directory.path().join("Dockerfile"), &text).unwrap();
    let output = praxis(directory.path(), &["pin", "--check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["pins"][0]["state"], "pinned");
    assert_eq!(json["pins"][1]["state"], "unresolved");
    assert_eq!(json["pins"][1]["line"], 2);
    assert_eq!(
        fs::read_to_string(directory.path().join("Dockerfile")).unwrap(),
        text
    );
}

/// A store, a directory with a Dockerfile, and a base in the store.
struct Workshop {
    store: tempfile::TempDir,
    directory: tempfile::TempDir,
    base: String,
}

impl Workshop {
    fn new() -> Workshop {
        let mut workshop = Workshop {
            store: tempfile::tempdir().unwrap(),
            directory: tempfile::tempdir().unwrap(),
            base: String::new(),
        };
        fs::create_dir(workshop.directory.path().join("base")).unwrap();
        workshop.write("base/Containerfile", "FROM scratch\nCOPY Containerfile /a\n");
        let built = workshop.run(&[
            "build",
            "--quiet",
            "-t",
            "localhost/base:1",
            "-f",
            "base/Containerfile",
            "base",
        ]);
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        workshop.base = stdout(&built).trim().lines().last().unwrap().to_string();
        workshop
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_praxis"))
            .args(arguments)
            .current_dir(self.directory.path())
            .env("PRAXIS_ROOT", self.store.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Builds and gives the description of the image.
    fn image(&self) -> serde_json::Value {
        let built = self.run(&["build", "--quiet", "-t", "x", "."]);
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        serde_json::from_slice(&self.run(&["inspect", "--json", "x"]).stdout).unwrap()
    }
}

#[test]
fn every_image_says_what_it_is_made_from() {
    let workshop = Workshop::new();
    workshop.write("Dockerfile", "FROM localhost/base:1 AS b\nFROM b\nLABEL a=b\n");
    for arguments in [
        &["init", "-q"][..],
        &["remote", "add", "origin", "https://me:secret@example.org/a/b.git"],
        &[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ],
    ] {
        let git = Command::new("git")
            .args(arguments)
            .current_dir(workshop.directory.path())
            .status();
        assert!(git.unwrap().success());
    }
    let image = workshop.image();
    let said = |name: &str| image["annotations"][format!("org.opencontainers.image.{name}")].clone();
    assert_eq!(said("base.name"), "localhost/base:1");
    assert_eq!(said("base.digest"), workshop.base.as_str());
    assert_eq!(said("source"), "https://example.org/a/b.git");
    assert_eq!(said("revision").as_str().map(str::len), Some(40));
    assert_eq!(said("created"), image["config"]["created"]);
    let labels = image["config"]["config"]["Labels"].as_object().unwrap();
    assert_eq!(
        labels.len(),
        1,
        "without a policy the configuration is the Dockerfile's: {labels:?}"
    );
    // With a policy that says so, they are labels too.
    workshop.write(
        "praxis.toml",
        "preset = \"adr-0032\"\n[image]\ngovernance = \"ADR-1\"\n",
    );
    let image = workshop.image();
    let labels = &image["config"]["config"]["Labels"];
    assert_eq!(labels["a"], "b");
    assert_eq!(
        labels["org.opencontainers.image.base.digest"],
        workshop.base.as_str()
    );
    assert_eq!(
        labels["org.opencontainers.image.source"],
        "https://example.org/a/b.git"
    );
    assert_eq!(labels["io.praxis.governance"], "ADR-1");
    assert_eq!(workshop.image()["digest"], image["digest"]);
}

#[test]
fn a_label_that_contradicts_the_base_stops_the_build() {
    let workshop = Workshop::new();
    let text = format!("FROM localhost/base:1\nLABEL x=y \\\n  org.opencontainers.image.base.digest={OLD}\n");
    workshop.write("Dockerfile", &text);
    workshop.image();
    workshop.write("praxis.toml", "preset = \"adr-0032\"\n");
    let built = workshop.run(&["build", "-t", "x", "."]);
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert_eq!(built.status.code(), Some(1), "{said}");
    assert!(
        said.contains("org.opencontainers.image.base.digest says sha256:aaaa"),
        "{said}"
    );
    assert!(said.contains("Dockerfile:3:3"), "{said}");
    workshop.write("praxis.toml", "[imag]\n");
    let built = workshop.run(&["build", "-t", "x", "."]);
    assert!(String::from_utf8_lossy(&built.stderr).contains("praxis.toml:1:2: unknown field `imag`"));
}

/// An image of the store: its digest goes into the Dockerfile that starts from its name.
#[test]
fn images_of_the_store_are_pinned() {
    let workshop = Workshop::new();
    workshop.write(
        "Dockerfile",
        "FROM localhost/base:1\nLABEL org.opencontainers.image.base.digest=x\nCMD [\"/a\"]\n",
    );
    assert!(workshop.run(&["pin", "Dockerfile"]).status.success());
    let digest = &workshop.base;
    let expected = format!(
        "# localhost/base:1\nFROM localhost/base:1@{digest}\nLABEL org.opencontainers.image.base.digest={digest}\n\
         CMD [\"/a\"]\n"
    );
    assert_eq!(
        fs::read_to_string(workshop.directory.path().join("Dockerfile")).unwrap(),
        expected
    );
    assert!(
        workshop
            .run(&["pin", "--check", "--update", "Dockerfile"])
            .status
            .success()
    );
    workshop.image();
}
