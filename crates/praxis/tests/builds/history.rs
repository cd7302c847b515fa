//! Builds on record: `praxis history`.

use std::fs;

use praxis_testkit::files_below;
use serde_json::Value;

use crate::bench::{Bench, Ended, names, run, text};

fn history(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.praxis("store");
    command.arg("history").args(arguments);
    run(command)
}

#[track_caller]
fn printed(bench: &Bench, arguments: &[&str]) -> String {
    let ended = history(bench, arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    text(&ended.stdout)
}

fn json(bench: &Bench, arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(bench, arguments)).unwrap()
}

const DOCKERFILE: &str = "FROM base AS tools\nRUN echo made-a-tool; echo 1 > /tool\nFROM base\n\
    COPY --from=tools /tool /tool\nARG MODE\nRUN printf 'mode \\033[2J%s\\n' $MODE && test $MODE != bad\n";

#[test]
fn builds_are_on_record_with_steps_times_and_logs() {
    let bench = Bench::with(DOCKERFILE);
    let digest = bench.digest(&[
        "-t",
        "app:1",
        "--build-arg",
        "MODE=good",
        "-o",
        "type=oci,dest=out/a.tar",
    ]);
    bench.digest(&["-t", "app:1", "--build-arg", "MODE=good"]);
    let failed = bench.build(&["--build-arg", "MODE=bad"]);
    let message = failed.error(1);
    let all = json(&bench, &["--json"]);
    assert_eq!(all.as_array().unwrap().len(), 3);
    let statuses: Vec<&str> = (0..3).map(|at| all[at]["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["failed", "done", "done"]);
    assert!(
        message.contains(all[0]["error"]["message"].as_str().unwrap()),
        "{message}"
    );
    assert_eq!(all[0]["error"]["line"], 6);
    assert_eq!(all[0]["build_args"]["MODE"], "bad");

    let first = json(&bench, &["show", all[2]["id"].as_str().unwrap(), "--json"]);
    assert_eq!(first["images"][0]["digest"].as_str(), Some(digest.as_str()));
    assert_eq!(first["outputs"][0]["kind"], "oci");
    let dockerfile = praxis_oci::Digest::of(DOCKERFILE.as_bytes()).to_string();
    assert_eq!(first["dockerfile_digest"].as_str(), Some(dockerfile.as_str()));
    let steps = first["steps"].as_array().unwrap();
    let names: Vec<&str> = steps
        .iter()
        .map(|step| step["status"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cached", "done", "cached", "done", "done"]);
    assert_eq!(steps[3]["needs"], serde_json::json!([2]));
    assert_eq!(steps[1]["log"], "made-a-tool\n");
    for step in &steps[3..] {
        assert!(step["key"].is_string() && step["layers"][0].is_string(), "{step}");
    }
    let second = json(&bench, &["show", all[1]["id"].as_str().unwrap(), "--json"]);
    let cached = second["steps"]
        .as_array()
        .unwrap()
        .iter()
        .all(|step| step["status"] == "cached");
    assert!(cached, "{second}");
    bench.assert_clean("store");
}

#[test]
fn row_72_what_a_step_printed_is_shown_escaped() {
    let bench = Bench::with(DOCKERFILE);
    bench.digest(&["--build-arg", "MODE=good"]);
    let list = printed(&bench, &[]);
    assert!(list.contains("done") && list.contains("2/5"), "{list}");
    let show = printed(&bench, &["show"]);
    assert!(
        show.contains("[tools 2/2] RUN echo made-a-tool") && show.contains('█'),
        "{show}"
    );
    let logs = printed(&bench, &["logs", "latest"]);
    assert!(
        logs.contains("#2 [tools 2/2]") && logs.contains("mode \\x1b[2Jgood\n"),
        "{logs}"
    );
    assert_eq!(printed(&bench, &["logs", "latest", "2"]), "made-a-tool\n");
    let none = history(&bench, &["logs", "latest", "9"]);
    assert!(none.error(1).contains("has no step 9"), "{}", none.stderr);
    for shown in [list, show, logs, printed(&bench, &["show", "--json"])] {
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
    let drawn = printed(&bench, &["timeline", "latest", "-o", "out/build.svg"]);
    assert_eq!(drawn, "");
    let svg = fs::read_to_string(bench.path("out/build.svg")).unwrap();
    assert!(
        svg.starts_with("<svg ") && svg.contains("class=\"need\""),
        "{svg}"
    );
    assert_eq!(names(&bench.path("out")), ["build.svg"]);
}

#[test]
fn row_24_builds_are_forgotten_by_id_and_never_by_path() {
    let bench = Bench::with("FROM base\nRUN true\n");
    let digest = bench.digest(&["-t", "kept:1"]);
    bench.digest(&["--no-cache"]);
    fs::write(bench.path("store/victim"), "x").unwrap();
    for id in ["../victim", "", "/", "*"] {
        assert!(
            history(&bench, &["rm", id]).error(1).contains("is on record"),
            "{id:?}"
        );
    }
    assert!(bench.path("store/victim").exists());
    let all = json(&bench, &["--json"]);
    let id = all[0]["id"].as_str().unwrap();
    // Nothing is forgotten when one of several is not there.
    history(&bench, &["rm", id, "ffff"]).error(1);
    assert_eq!(printed(&bench, &["rm", id]).trim(), id);
    assert_eq!(json(&bench, &["--json"]).as_array().unwrap().len(), 1);
    printed(&bench, &["rm", "--all"]);
    assert!(
        history(&bench, &["show"])
            .error(1)
            .contains("no build is on record")
    );
    assert_eq!(bench.digest(&["-t", "kept:1"]), digest);
}

#[test]
fn row_67_no_secret_is_on_record() {
    const CANARY: &str = "canary-5b1d-secret";
    let bench = Bench::with(
        "FROM base\nARG API_TOKEN\nARG PLAIN\nRUN --mount=type=secret,id=key cat /run/secrets/key; \
         echo $API_TOKEN; echo $PLAIN; false\n",
    );
    fs::write(bench.path("key"), format!("{CANARY}\nsecond-{CANARY}\n")).unwrap();
    let token = format!("API_TOKEN=token-{CANARY}");
    let arguments = [
        "--secret",
        "id=key,src=key",
        "--build-arg",
        &token,
        "--build-arg",
        "PLAIN=plain-value",
    ];
    assert_eq!(bench.build(&arguments).code, Some(1));
    let record = json(&bench, &["show", "--json"]);
    assert_eq!(record["secrets"][0], "key");
    assert_eq!(record["build_args"]["API_TOKEN"], Value::Null);
    let log = record["steps"][1]["log"].as_str().unwrap();
    assert!(log.contains("********\n") && log.contains("plain-value"), "{log}");
    for file in files_below(&bench.path("store/builds")) {
        let bytes = fs::read(&file).unwrap();
        assert!(!text(&bytes).contains("canary"), "{}", text(&bytes));
    }
}

#[test]
fn what_is_no_build_is_not_on_record_and_old_ones_are_collected() {
    let bench = Bench::with("FROM base\nRUN true\n");
    bench.build(&["--dry-run"]);
    bench.build(&["--check"]);
    assert_eq!(json(&bench, &["--json"]).as_array().unwrap().len(), 0);
    let missing = bench.build(&["-f", "nowhere"]);
    missing.error(1);
    assert_eq!(json(&bench, &["--json"])[0]["status"], "failed");
    let mut gc = bench.praxis("store");
    gc.args(["store", "gc"]);
    assert_eq!(run(gc).code, Some(0));
    assert_eq!(json(&bench, &["--json"]).as_array().unwrap().len(), 1);
    let mut gc = bench.praxis("store");
    gc.args(["store", "gc", "--all"]);
    assert_eq!(run(gc).code, Some(0));
    assert_eq!(json(&bench, &["--json"]).as_array().unwrap().len(), 0);
}
