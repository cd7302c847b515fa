//! From a release to deploy files: 64 digits a place, after verification, and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use praxis_testkit::files_below;
use serde_json::{Value, json};

use crate::release::{project, release};
use crate::{Place, success};

const OLD: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const NEW: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const APP: &str = "registry.example/team/app";
const SKIP: &str = "--insecure-skip-verify";

/// Deploy files of every kind, with unusual bytes in them, below `ops`.
fn deploy(place: &Place, name: &str, digest: &str) {
    place.write(
        "ops/deploy/helm/app/values.yaml",
        &format!(
            "# é {OLD}\r\n\r\nimage: # the image\r\n  repository: {name}\r\n  digest:  '{digest}'  # kept\r\n"
        ),
    );
    place.write(
        "ops/deploy/helm/app/values-prod.yaml",
        &format!("image:\n  digest: {digest} # no line feed"),
    );
    place.write(
        "ops/deploy/zarf.yaml",
        &format!("components:\n  - name: app\n    images:\n      - \"{name}:1.0.0@{digest}\"\n\n\n"),
    );
    place.write(
        "ops/deploy/kustomization.yaml",
        &format!("images:\n- {{name: {name}, digest: {digest}}}\n"),
    );
    place.write(
        "ops/compose.yaml",
        &format!("services:\n  app:\n    image: {name}@{digest}\n"),
    );
}

fn texts(place: &Place) -> BTreeMap<String, String> {
    let top = place.path("ops");
    let text = |path: &std::path::PathBuf| {
        let name = path.strip_prefix(&top).unwrap().display().to_string();
        (name, std::fs::read_to_string(path).unwrap())
    };
    files_below(&top).iter().map(text).collect()
}

/// A record as `praxis release` writes it, of an image that nobody has.
fn record(place: &Place, digest: &str) {
    let record = json!({
        "type": "urn:praxis:release-record:v1",
        "version": "1.0.0",
        "repository": APP,
        "commit": "c".repeat(40),
        "created": "2026-11-26T00:00:00Z",
        "signer": "hint",
        "images": [{"digest": digest, "manifests": [], "tags": ["1.0.0"], "attestations": []}],
    });
    place.write("record.json", &record.to_string());
}

fn promote(place: &Place, more: &[&str]) -> Command {
    let arguments = [
        &[
            "promote",
            "record.json",
            "-C",
            "ops",
            "--approver",
            "Ada <ada@example.com>",
        ][..],
        more,
    ];
    place.command(env!("CARGO_BIN_EXE_praxis"), &arguments.concat())
}

#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    said
}

#[test]
fn only_digits_change_and_the_approval_is_in_the_ledger() {
    let place = Place::new();
    deploy(&place, APP, OLD);
    record(&place, NEW);
    let before = texts(&place);
    success(promote(&place, &[SKIP]).output().unwrap());
    let expected = |(path, text): (&String, &String)| {
        let kept = text.replacen(&format!("é {OLD}"), "é kept", 1);
        (
            path.clone(),
            kept.replace(OLD, NEW).replacen("é kept", &format!("é {OLD}"), 1),
        )
    };
    assert_eq!(texts(&place), before.iter().map(expected).collect());
    let log: Value =
        serde_json::from_str(&place.good(&["ledger", "log", "--kind", "promote", "--json"])).unwrap();
    let entry = log.as_array().or_else(|| log["records"].as_array()).unwrap()[0].clone();
    let body = &entry["body"];
    assert_eq!(body["approver"], "Ada <ada@example.com>", "{entry}");
    assert_eq!(body["verified"], "not verified: --insecure-skip-verify");
    assert_eq!(body["changes"].as_array().unwrap().len(), 5);
    assert_eq!(
        (&body["changes"][0]["before"], &body["changes"][0]["after"]),
        (&json!(OLD), &json!(NEW))
    );
    success(promote(&place, &[SKIP]).output().unwrap());
    let again: Value =
        serde_json::from_str(&place.good(&["ledger", "log", "--kind", "promote", "--json"])).unwrap();
    assert_eq!(again, log, "what is promoted already is not promoted again");
}

#[test]
fn a_patch_is_what_git_applies() {
    let place = Place::new();
    deploy(&place, APP, OLD);
    record(&place, NEW);
    let before = texts(&place);
    let patch = success(promote(&place, &[SKIP, "--diff"]).output().unwrap());
    assert_eq!(texts(&place), before, "a patch writes nothing");
    std::fs::write(place.path("it.patch"), &patch).unwrap();
    success(place.program("git", &["init", "-q", "ops"]));
    success(place.program("git", &["-C", "ops", "apply", "../it.patch"]));
    std::fs::remove_dir_all(place.path("ops/.git")).unwrap();
    let applied = texts(&place);
    deploy(&place, APP, OLD);
    success(promote(&place, &[SKIP]).output().unwrap());
    assert_eq!(applied, texts(&place));
}

#[test]
fn without_verification_or_approver_nothing_is_promoted() {
    let place = Place::new();
    deploy(&place, APP, OLD);
    record(&place, NEW);
    let before = texts(&place);
    assert!(refused(&mut promote(&place, &[])).contains("no key is named that is believed"));
    let nobody = ["promote", "record.json", "-C", "ops", SKIP];
    let said = refused(&mut place.command(env!("CARGO_BIN_EXE_praxis"), &nobody));
    assert!(said.contains("it is not said who approves"), "{said}");
    record(&place, ZEROS);
    assert!(refused(&mut promote(&place, &[SKIP])).contains("the placeholder"));
    assert_eq!(texts(&place), before);
}

/// security row 70
#[test]
fn row_70_deploy_files_that_are_links_are_refused() {
    let place = Place::new();
    deploy(&place, APP, OLD);
    record(&place, NEW);
    std::fs::rename(place.path("ops/deploy/zarf.yaml"), place.path("outside.yaml")).unwrap();
    std::os::unix::fs::symlink("../../outside.yaml", place.path("ops/deploy/zarf.yaml")).unwrap();
    let before = std::fs::read_to_string(place.path("outside.yaml")).unwrap();
    let values = place.path("ops/deploy/helm/app/values.yaml");
    let other = std::fs::read_to_string(&values).unwrap();
    assert!(refused(&mut promote(&place, &[SKIP])).contains("deploy/zarf.yaml: it is a symbolic link"));
    assert_eq!(
        std::fs::read_to_string(place.path("outside.yaml")).unwrap(),
        before
    );
    assert_eq!(std::fs::read_to_string(values).unwrap(), other, "all or nothing");
}

#[test]
fn a_check_tells_placeholders_in_production_and_digests_that_differ() {
    let place = Place::new();
    deploy(&place, APP, ZEROS);
    record(&place, NEW);
    let check = |place: &Place| {
        let arguments = ["promote", "record.json", "-C", "ops", "--check"];
        place
            .command(env!("CARGO_BIN_EXE_praxis"), &arguments)
            .output()
            .unwrap()
    };
    let output = check(&place);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        said,
        "deploy/helm/app/values-prod.yaml:2: production is pinned to the placeholder\n1 problems in 5 places\n"
    );
    success(promote(&place, &[SKIP]).output().unwrap());
    success(check(&place));
    place.write(
        "ops/compose.yaml",
        &format!("services:\n  app:\n    image: {APP}@{OLD}\n"),
    );
    assert_eq!(check(&place).status.code(), Some(1));
}

#[test]
fn a_promotion_killed_at_any_moment_is_completed_by_the_next() {
    const CHARTS: usize = 40;
    let place = Place::new();
    record(&place, NEW);
    let values = |digest: &str| format!("image:\n  repository: {APP}\n  digest: {digest}\n");
    let mut mixed = 0;
    for round in 0..12 {
        for chart in 0..CHARTS {
            place.write(&format!("ops/deploy/helm/app{chart}/values.yaml"), &values(OLD));
        }
        let mut child = promote(&place, &[SKIP])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20 + 15 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let held = |place: &Place| -> Vec<String> {
            let chart = |chart| place.path(&format!("ops/deploy/helm/app{chart}/values.yaml"));
            (0..CHARTS)
                .map(|it| std::fs::read_to_string(chart(it)).unwrap())
                .collect()
        };
        let after = held(&place);
        assert!(
            after
                .iter()
                .all(|text| *text == values(OLD) || *text == values(NEW)),
            "{after:?}"
        );
        let done = after.iter().filter(|text| **text == values(NEW)).count();
        mixed += usize::from(done > 0 && done < CHARTS);
        if done > 0 {
            let log = place.good(&["ledger", "log", "--kind", "promote"]);
            assert!(
                log.contains("Ada"),
                "no file changes before the approval is written down: {log}"
            );
        }
        success(promote(&place, &[SKIP]).output().unwrap());
        assert!(held(&place).iter().all(|text| *text == values(NEW)));
        assert_eq!(
            files_below(&place.path("ops")).len(),
            CHARTS,
            "nothing stays beside the files"
        );
    }
    println!("{mixed} of 12 kills fell between two renames");
    place.good(&["ledger", "verify"]);
}

#[test]
fn a_release_is_promoted_after_it_was_verified() {
    let place = Place::new();
    let digest = project(&place);
    let registry = place.registry();
    let name = format!("{}/team/tool", registry.authority());
    success(
        release(&place, "1.0.0", &["--anonymous", "--repository", &name])
            .output()
            .unwrap(),
    );
    std::fs::copy(
        place.path("project/release-1.0.0.json"),
        place.path("record.json"),
    )
    .unwrap();
    deploy(&place, &name, ZEROS);
    place.write(
        "ops/praxis.toml",
        &format!("[deploy]\nreleased = \"{ZEROS}\"\n[verify]\nsbom = true\n"),
    );
    let before = texts(&place);
    let said = refused(&mut promote(&place, &["--key", "other.pub"]));
    assert!(
        said.contains("is not verified") && said.contains("PX801"),
        "{said}"
    );
    let text = std::fs::read_to_string(place.path("record.json")).unwrap();
    place.write("record.json", &text.replace(&digest, NEW));
    refused(&mut promote(&place, &["--key", "own.pub"]));
    assert_eq!(
        texts(&place),
        before,
        "nothing is written of what is not verified"
    );
    place.write("record.json", &text);
    success(promote(&place, &["--key", "own.pub"]).output().unwrap());
    let expected = before
        .iter()
        .map(|(path, text)| (path.clone(), text.replace(ZEROS, &digest)));
    assert_eq!(texts(&place), expected.collect());
    success(
        place
            .command(
                env!("CARGO_BIN_EXE_praxis"),
                &["promote", "--check", "-C", "ops", "record.json"],
            )
            .output()
            .unwrap(),
    );
    assert!(Path::new(&place.path("ops/praxis.toml")).is_file());
}
