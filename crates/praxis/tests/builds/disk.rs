//! What the disk holds: cache mounts and how builds share them, pruning, and what each build holds.

use std::fs;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::bench::{Bench, Ended, names, run, text};

fn store(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.praxis("store");
    command.arg("store").args(arguments);
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

fn json(bench: &Bench, arguments: &[&str]) -> Value {
    serde_json::from_slice(&store(bench, arguments).stdout).unwrap()
}

fn runs(bench: &Bench) -> usize {
    let mounts = json(bench, &["caches", "--json"]);
    mounts.as_array().unwrap().len()
}

const COUNTS: &str = "FROM base AS tools\nARG N\n\
    RUN --mount=type=cache,id=counter,target=/c echo $N >> /c/runs && wc -l < /c/runs > /count\n\
    FROM scratch\nCOPY --from=tools /count /count\n";

fn count(bench: &Bench, arguments: &[&str]) -> String {
    let mut all = vec!["-o", "out/files"];
    all.extend(arguments);
    let ended = bench.build(&all);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fs::read_to_string(bench.path("out/files/count"))
        .unwrap()
        .trim()
        .to_string()
}

#[test]
fn cache_mounts_survive_are_listed_and_pruned_by_kind() {
    let bench = Bench::with(COUNTS);
    assert_eq!(count(&bench, &["--build-arg", "N=1"]), "1");
    assert_eq!(count(&bench, &["--build-arg", "N=2"]), "2");
    let mounts = json(&bench, &["caches", "--json"]);
    let mut history = bench.praxis("store");
    history.args(["history", "show", "--json"]);
    let latest: Value = serde_json::from_slice(&run(history).stdout).unwrap();
    assert_eq!(mounts[0]["id"], "counter");
    assert_eq!(mounts[0]["sharing"], "shared");
    assert_eq!(mounts[0]["build"], latest["id"]);
    assert!(
        mounts[0]["step"]
            .as_str()
            .unwrap()
            .starts_with("[tools 2/2] RUN --mount"),
        "{mounts}"
    );
    assert!(mounts[0]["bytes"].as_u64().unwrap() > 0 && mounts[0]["last_used"].as_u64().unwrap() > 0);
    let table = text(&store(&bench, &["caches"]).stdout);
    assert!(
        table.contains("counter") && table.contains("1 cache mounts"),
        "{table}"
    );
    // Neither of these fits it.
    store(
        &bench,
        &[
            "prune",
            "--filter",
            "type=exec.cachemount",
            "--filter",
            "until=1h",
        ],
    );
    store(
        &bench,
        &["prune", "--filter", "type=regular", "--filter", "until=1h"],
    );
    assert_eq!(runs(&bench), 1);
    store(&bench, &["prune", "--filter", "type=exec.cachemount"]);
    assert_eq!(runs(&bench), 0);
    let cached = bench.build(&["--build-arg", "N=2"]);
    assert!(!cached.says(" DONE "), "step results went too: {}", cached.stderr);
    assert_eq!(count(&bench, &["--build-arg", "N=3"]), "1");
    bench.assert_clean("store");
}

#[test]
fn no_cache_gives_fresh_cache_mounts_and_filters_name_stages() {
    let bench = Bench::with(COUNTS);
    assert_eq!(count(&bench, &["--build-arg", "N=1"]), "1");
    assert_eq!(count(&bench, &["--build-arg", "N=1", "--no-cache"]), "1");
    assert_eq!(count(&bench, &["--build-arg", "N=2"]), "2");
    assert_eq!(
        count(
            &bench,
            &["--build-arg", "N=2", "--no-cache-filter", "other,tools"]
        ),
        "1"
    );
    assert_eq!(
        count(&bench, &["--build-arg", "N=3", "--no-cache-filter", "1"]),
        "2"
    );
    assert_eq!(
        count(
            &bench,
            &[
                "--build-arg",
                "N=3",
                "--no-cache-filter",
                "other",
                "--no-cache-filter",
                "0"
            ]
        ),
        "1"
    );
}

/// Two builds at once, `$WHO` is one or two.
fn both(bench: &Bench) -> [Ended; 2] {
    let start = |who: &str| -> Child {
        let mut command = bench.build_command("store", &["--build-arg", &format!("WHO={who}")], "context");
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running = [start("one"), start("two")];
    running.map(|child| {
        let output = child.wait_with_output().unwrap();
        Ended {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: text(&output.stderr),
        }
    })
}

const MEET: &str =
    "touch /c/$WHO && timeout 60 sh -c 'until test -e /c/one && test -e /c/two; do sleep 0.02; done'";

#[track_caller]
fn assert_both_build(bench: &Bench) {
    for ended in both(bench) {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

#[test]
fn shared_cache_mounts_are_used_at_once() {
    let bench = Bench::with(&format!(
        "FROM base\nARG WHO\nRUN --mount=type=cache,target=/c {MEET}\n"
    ));
    assert_both_build(&bench);
    assert_eq!(runs(&bench), 1);
}

#[test]
fn private_cache_mounts_are_used_by_one_build_each() {
    let bench = Bench::with(&format!(
        "FROM base\nARG WHO\nRUN --mount=type=cache,target=/c --mount=type=cache,target=/p,sharing=private \
         touch /p/$WHO && {MEET} && test \"$(ls /p)\" = $WHO\n"
    ));
    assert_both_build(&bench);
    assert_eq!(runs(&bench), 3);
}

#[test]
fn locked_cache_mounts_are_used_one_after_the_other() {
    let bench = Bench::with(
        "FROM base\nARG WHO\nRUN --mount=type=cache,target=/c,sharing=locked \
         mkdir /c/held && sleep 0.3 && rmdir /c/held && echo $WHO >> /c/list\nRUN --mount=type=cache,target=/c \
         cat /c/list\n",
    );
    assert_both_build(&bench);
    assert_eq!(runs(&bench), 1);
}

fn used(bench: &Bench) -> u64 {
    let du = json(bench, &["du", "--json"]);
    [
        "blobs", "layers", "records", "exports", "caches", "contexts", "history",
    ]
    .iter()
    .map(|area| du[area].as_u64().unwrap())
    .sum()
}

#[test]
fn a_size_limit_takes_what_was_unused_for_longest_and_no_named_image() {
    let bench = Bench::with("FROM base\nARG N\nRUN head -c 3000000 /dev/zero | tr '\\0' $N > /file\n");
    let build = |number: &str, more: &[&str]| {
        let argument = format!("N={number}");
        let mut all = vec!["--build-arg", argument.as_str()];
        all.extend(more);
        bench.build(&all)
    };
    let first = build("1", &["-t", "kept:1"]).digest();
    for number in ["2", "3", "4"] {
        build(number, &[]).digest();
        // Times of use are compared in seconds.
        let records = praxis_testkit::files_below(&bench.path("store/records"));
        for path in records {
            let file = fs::File::open(&path).unwrap();
            let past = file.metadata().unwrap().modified().unwrap() - std::time::Duration::from_secs(100);
            file.set_modified(past).unwrap();
        }
    }
    let before = used(&bench);
    let limit = (before - 4_000_000).to_string();
    let report = json(
        &bench,
        &[
            "prune",
            "--max-used-space",
            &limit,
            "--filter",
            "type=regular",
            "--json",
        ],
    );
    assert!(report["used"].as_u64().unwrap() <= before - 4_000_000, "{report}");
    assert_eq!(report["removed"].as_array().unwrap().len(), 2, "{report}");
    let ran = |number: &str| build(number, &[]).says(" DONE ");
    assert!(!ran("1") && ran("2") && ran("3") && !ran("4"));
    // Enough is free and reserved space stays: nothing goes.
    let report = json(&bench, &["prune", "--min-free-space", "1", "--json"]);
    assert_eq!(report["removed"], serde_json::json!([]));
    let report = json(
        &bench,
        &[
            "prune",
            "--max-used-space",
            "1",
            "--reserved-space",
            "10GB",
            "--json",
        ],
    );
    assert_eq!(report["removed"], serde_json::json!([]));
    // Everything: the named image stays.
    store(&bench, &["prune", "--all"]);
    let mut inspect = bench.praxis("store");
    inspect.args(["inspect", "kept:1"]);
    assert!(text(&run(inspect).stdout).contains(&first));
    bench.assert_clean("store");
    assert_eq!(build("1", &[]).digest(), first);
}

#[test]
fn du_says_what_each_build_holds() {
    let bench = Bench::with(
        "FROM base\nRUN head -c 2000000 /dev/urandom > /common\nARG N\nRUN head -c 1000000 /dev/urandom > /own && echo $N\n",
    );
    bench.digest(&["--build-arg", "N=1", "-t", "a:1"]);
    let alone = json(&bench, &["du", "--json"]);
    assert_eq!(alone["builds"][0]["shared"], 0);
    bench.digest(&["--build-arg", "N=2"]);
    let du = json(&bench, &["du", "--json"]);
    for build in du["builds"].as_array().unwrap() {
        let of = |name: &str| build[name].as_u64().unwrap();
        assert_eq!(of("unique") + of("shared"), of("total"));
        // A snapshot and a blob of each layer.
        assert!((2_000_000..3_000_000).contains(&of("unique")), "{build}");
        assert!(of("shared") > 4_000_000, "{build}");
        assert!(
            build["steps"][1]["bytes"].as_u64().unwrap() > 4_000_000,
            "{build}"
        );
    }
    let table = text(&store(&bench, &["du"]).stdout);
    assert!(
        table.contains("total") && table.contains("a:1") && !table.contains("RUN head"),
        "{table}"
    );
    let verbose = text(&store(&bench, &["du", "--verbose"]).stdout);
    assert!(verbose.contains("RUN head -c 2000000"), "{verbose}");
}

#[test]
fn wrong_sizes_and_filters_are_refused() {
    let bench = Bench::with("FROM base\nRUN true\n");
    bench.digest(&[]);
    for wrong in ["--max-used-space=lots", "--filter=colour=red", "--filter=until=x"] {
        let mut command = bench.praxis("store");
        command.args(["store", "prune", wrong]);
        assert_eq!(run(command).code, Some(2), "{wrong}");
    }
    assert!(!names(&bench.path("store/records")).is_empty());
}
