//! What was done is in the ledger, and changes of the ledger show.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, Ended, run, text};

fn praxis(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.praxis("store");
    command.args(arguments);
    run(command)
}

#[track_caller]
fn printed(bench: &Bench, arguments: &[&str]) -> String {
    let ended = praxis(bench, arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    text(&ended.stdout)
}

fn json(bench: &Bench, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(bench, arguments)).unwrap()
}

#[test]
fn builds_checks_and_pins_are_written_down() {
    let bench = Bench::with("FROM base\nARG PASSWORD\nRUN test ${#PASSWORD} -eq 8\n");
    let context = bench.path("context").display().to_string();
    // Without a store nothing is written down, and no store is made.
    praxis(&bench, &["check", &context]);
    assert!(!bench.store().exists());
    assert_eq!(printed(&bench, &["ledger", "log"]), "");
    let digest = bench.digest(&["-t", "app:1", "--build-arg", "PASSWORD=canary-1"]);
    bench.build(&["--build-arg", "PASSWORD=canary-22"]).error(1);
    praxis(&bench, &["check", &context]);
    praxis(&bench, &["pin", &context]);
    let log = json(&bench, &["ledger", "log", "--json"]);
    let of = |key: &str| -> Vec<Value> { log.as_array().unwrap().iter().map(|it| it[key].clone()).collect() };
    assert_eq!(of("kind"), ["pin", "check", "build", "build"]);
    assert_eq!(of("number"), [4, 3, 2, 1]);
    assert_eq!(log[3]["subject"].as_str(), Some(digest.as_str()));
    assert_eq!(log[3]["success"], true);
    assert_eq!(log[2]["success"], false);
    assert_eq!(log[2]["previous"], log[3]["hash"]);
    let history = json(&bench, &["history", "--json"]);
    assert_eq!(log[3]["body"]["build"], history[1]["id"]);
    let builds = json(&bench, &["ledger", "log", "--kind", "build", "-n", "1", "--json"]);
    assert_eq!(builds.as_array().unwrap().len(), 1);
    let about = printed(&bench, &["ledger", "log", "--subject", &digest]);
    assert!(about.contains("built app:1"), "{about}");
    let ledger = fs::read(bench.store().join("ledger")).unwrap();
    assert!(!String::from_utf8_lossy(&ledger).contains("canary-"));
    let shown = printed(&bench, &["ledger", "show", "1", "--proof"]);
    assert!(
        shown.contains(&digest) && shown.contains("inclusion\nsha256:"),
        "{shown}"
    );
    assert!(
        praxis(&bench, &["ledger", "show", "9"])
            .error(1)
            .contains("no record 9; it has 4")
    );
}

#[test]
fn a_changed_ledger_is_found_out() {
    let bench = Bench::with("FROM base\n");
    bench.digest(&["-t", "app:1"]);
    bench.digest(&["-t", "app:2"]);
    let checkpoint = bench.path("checkpoint").display().to_string();
    let export = bench.path("export").display().to_string();
    printed(&bench, &["ledger", "checkpoint", "-o", &checkpoint]);
    bench.digest(&["-t", "app:3"]);
    printed(&bench, &["ledger", "export", "-o", &export]);
    let verify = ["ledger", "verify", "--checkpoint", &checkpoint];
    assert!(printed(&bench, &verify).contains("3 records"));
    assert!(printed(&bench, &["ledger", "verify", "--export", &export]).contains("nothing was changed"));

    let path = bench.store().join("ledger");
    let sound = fs::read(&path).unwrap();
    let at = sound
        .windows(11)
        .position(|bytes| bytes == b"built app:2")
        .unwrap();
    let mut changed = sound.clone();
    changed[at + 10] = b'7';
    fs::write(&path, &changed).unwrap();
    let ended = praxis(&bench, &verify);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let found = text(&ended.stdout);
    assert!(
        found.contains("record 2: its text is not the one that was written"),
        "{found}"
    );
    // A build is not stopped by it, and says so.
    fs::write(&path, "not a ledger").unwrap();
    let ended = bench.build(&["-t", "app:4"]);
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.contains("this build is not in the ledger"),
        "{}",
        ended.stderr
    );
    // The first two records alone fit the checkpoint, the ledger of another store does not.
    fs::remove_file(&path).unwrap();
    bench.digest(&["-t", "app:5"]);
    let ended = praxis(&bench, &verify);
    assert_eq!(ended.code, Some(1));
    assert!(text(&ended.stdout).contains("another ledger"));
    let changed = fs::read_to_string(&export)
        .unwrap()
        .replace("built app:2", "built app:7");
    fs::write(&export, changed).unwrap();
    let ended = praxis(&bench, &["ledger", "verify", "--export", &export]);
    assert_eq!(ended.code, Some(1));
    assert!(text(&ended.stdout).contains("record 3: it does not follow record 2"));
}

#[test]
fn an_ordinary_user_has_a_ledger_too() {
    let bench = Bench::with("FROM base\nRUN true\n");
    let Some(digest) = bench.digest_as_user(&["-t", "app:1"]) else {
        return;
    };
    let mut command = bench.praxis("home/store");
    command.args(["ledger", "log", "--json"]);
    let ended = bench.as_user(command).unwrap();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let log: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(log[0]["subject"].as_str(), Some(digest.as_str()));
}
