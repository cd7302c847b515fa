//! `praxis ci`: one report of check, build and test, and no way to publish.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, Ended, run, text};

const DOCKERFILE: &str = "FROM base AS default\nUSER 10001:10001\nCMD [\"/bin/echo\", \"hello\"]\n\
    FROM default AS loud\nLABEL io.praxis.variant=loud\nCMD [\"/bin/echo\", \"HELLO\"]\nFROM default\n";

const POLICY: &str = "[image]\nuser = \"10001:10001\"\n[variants.loud]\nstage = \"loud\"\n\
    [[smoke]]\nname = \"greets\"\nstderr-contains = []\n[[smoke]]\nname = \"shouts\"\nvariants = [\"loud\"]\nstdout = \"HELLO\\n\"\n";

fn bench(policy: &str) -> Bench {
    let bench = Bench::with(DOCKERFILE);
    bench.write("praxis.toml", policy);
    bench
}

fn command(bench: &Bench, options: &[&str]) -> Command {
    let mut command = bench.praxis("store");
    command
        .args(["ci", "--build-context", "base=oci-layout://base"])
        .args(options)
        .arg("context");
    command
}

fn report(bench: &Bench, code: i32, options: &[&str]) -> (Value, Ended) {
    let ended = run(command(
        bench,
        &[options, &["--json", "--progress", "quiet"]].concat(),
    ));
    assert_eq!(ended.code, Some(code), "{} {}", text(&ended.stdout), ended.stderr);
    (serde_json::from_slice(&ended.stdout).unwrap(), ended)
}

#[test]
fn everything_is_checked_built_and_tested_and_written_down() {
    let bench = bench(POLICY);
    let out = bench.path("out");
    let reports: Vec<String> = [
        ("json", "r.json"),
        ("junit", "r.xml"),
        ("html", "r.html"),
        ("markdown", "r.md"),
    ]
    .iter()
    .map(|(format, name)| format!("--report={format}={}", out.join(name).display()))
    .collect();
    let options: Vec<&str> = reports
        .iter()
        .map(String::as_str)
        .chain(["-t", "app:1"])
        .collect();
    let (report, _) = report(&bench, 0, &options);
    assert_eq!(report["passed"], true);
    assert_eq!(report["can_push"], false);
    let images = report["images"].as_array().unwrap();
    let names: Vec<&str> = images
        .iter()
        .map(|image| image["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["app:1", "app:1-loud"]);
    assert_eq!(images[0]["test"]["tests"].as_array().unwrap().len(), 1);
    assert_eq!(images[1]["test"]["tests"].as_array().unwrap().len(), 2);
    assert_eq!(images[0]["digest"].as_str(), Some(bench.digest(&[]).as_str()));
    let written: Value = serde_json::from_slice(&fs::read(out.join("r.json")).unwrap()).unwrap();
    assert_eq!(written["images"], report["images"]);
    let digest = images[1]["digest"].as_str().unwrap();
    for name in ["r.xml", "r.html", "r.md"] {
        let page = fs::read_to_string(out.join(name)).unwrap();
        assert!(
            page.contains("greets") && page.contains("passed") | name.ends_with("xml"),
            "{name}: {page}"
        );
        assert!(name == "r.xml" || page.contains(digest), "{name}: {page}");
    }
    let mut log = bench.praxis("store");
    log.args(["ledger", "log", "--kind", "test", "--subject", digest, "--json"]);
    let log: Value = serde_json::from_slice(&run(log).stdout).unwrap();
    assert_eq!(log[0]["success"], true);
    bench.assert_clean("store");
}

#[test]
fn what_fails_is_told_and_the_rest_is_done() {
    let bench = bench(&POLICY.replace("HELLO\\n", "other"));
    let (first, _) = report(&bench, 1, &[]);
    assert_eq!(first["passed"], false);
    assert_eq!(first["images"][0]["test"]["passed"], true);
    assert_eq!(first["images"][1]["test"]["passed"], false);
    let told = text(&run(command(&bench, &["--progress", "quiet"])).stdout);
    assert!(
        told.contains("shouts: standard output is as expected: it is \"HELLO\\n\" instead of \"other\""),
        "{told}"
    );
    // A stage that does not build, and a finding.
    bench.write("praxis.toml", "preset = \"adr-0032\"\n");
    bench.write("Dockerfile", "FROM base\nRUN exit 3\n");
    let (second, ended) = report(&bench, 1, &[]);
    assert_eq!(second["check"]["passed"], false);
    assert!(
        second["images"][0]["error"]
            .as_str()
            .unwrap()
            .contains("exit code: 3")
    );
    assert!(ended.stderr.contains("exit code: 3"), "{}", ended.stderr);
}

#[test]
fn credentials_in_reach_stop_it_before_anything_runs() {
    let bench = bench(POLICY);
    fs::write(
        bench.path("out/config.json"),
        r#"{"auths":{"registry.test":{"auth":"Y2FuYXJ5"}}}"#,
    )
    .unwrap();
    let with = |options: &[&str]| {
        let mut command = command(&bench, options);
        command.env("DOCKER_CONFIG", bench.path("out"));
        run(command)
    };
    let refused = with(&[]);
    assert!(
        refused.error(1).contains("config.json (for registry.test)"),
        "{}",
        refused.stderr
    );
    assert!(!bench.store().exists(), "nothing was done");
    let allowed = with(&["--allow-credentials", "--json", "--progress", "quiet"]);
    assert_eq!(allowed.code, Some(0), "{}", allowed.stderr);
    assert!(text(&allowed.stdout).contains("registry.test") && !text(&allowed.stdout).contains("Y2FuYXJ5"));
    let push = run(command(&bench, &["--push"]));
    assert!(push.error(2).contains("--push"), "{}", push.stderr);
}
