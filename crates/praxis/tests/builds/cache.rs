//! Nothing is done twice, and what is damaged is made again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use praxis_testkit::files_below;

use crate::bench::{Bench, names, run, text};

const DOCKERFILE: &str = "FROM base AS one\nRUN date +%N > /one\nFROM base\nCOPY file /file\n\
    COPY --from=one /etc/passwd /users\nRUN cat /file > /two\n";

fn bench() -> Bench {
    let bench = Bench::with(DOCKERFILE);
    bench.write("file", "content\n");
    bench
}

#[test]
fn an_unchanged_build_runs_no_step_and_leaves_its_output_alone() {
    let bench = bench();
    let output = ["-o", "type=oci,dest=out/image.tar"];
    let first = bench.digest(&output);
    let before = fs::metadata(bench.path("out/image.tar")).unwrap();
    let second = bench.build(&output);
    assert_eq!(second.digest(), first);
    assert!(
        !second.says(" DONE ") && second.says("6 of 6 steps cached"),
        "{}",
        second.stderr
    );
    let after = fs::metadata(bench.path("out/image.tar")).unwrap();
    let identity = |it: &fs::Metadata| (it.ino(), it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec());
    assert_eq!(
        identity(&before),
        identity(&after),
        "the output was written again"
    );
}

#[test]
fn an_output_that_was_changed_is_written_again() {
    let bench = bench();
    let output = ["-o", "type=oci,dest=out/image.tar"];
    bench.digest(&output);
    let whole = fs::read(bench.path("out/image.tar")).unwrap();
    fs::write(bench.path("out/image.tar"), "changed").unwrap();
    bench.digest(&output);
    assert!(fs::read(bench.path("out/image.tar")).unwrap() == whole);
    fs::remove_file(bench.path("out/image.tar")).unwrap();
    bench.digest(&output);
    assert!(fs::read(bench.path("out/image.tar")).unwrap() == whole);
}

#[test]
fn only_what_depends_on_a_change_runs_again() {
    let bench = bench();
    let first = bench.digest(&[]);
    bench.write("file", "other\n");
    let second = bench.build(&[]);
    assert_ne!(second.digest(), first);
    for (step, again) in [("RUN date", false), ("COPY file", true), ("RUN cat", true)] {
        let line = second.stderr.lines().find(|line| line.contains(step)).unwrap();
        let number = line.split_whitespace().next().unwrap();
        assert_eq!(
            second.says(&format!("{number} DONE")),
            again,
            "{step}: {}",
            second.stderr
        );
    }
    bench.write("file", "content\n");
    assert_eq!(bench.digest(&[]), first);
}

#[test]
fn a_step_that_is_not_deterministic_is_kept() {
    let bench = Bench::with("FROM base\nRUN head -c 16 /dev/urandom > /random\n");
    let first = bench.digest(&[]);
    assert_eq!(bench.digest(&[]), first);
    assert_ne!(bench.digest(&["--no-cache"]), first);
}

#[test]
fn a_dry_run_prints_the_plan_and_runs_nothing() {
    let bench = Bench::with(
        "FROM base AS one\nRUN --mount=type=cache,target=/shared touch /shared/ran && echo 1 > /1\n\
         FROM base AS never\nRUN false\nFROM base\nCOPY file /file\nCOPY --from=one /1 /1\nRUN cat /1\n",
    );
    bench.write("file", "content\n");
    let plan = |what: [&str; 4]| {
        let steps = [
            "[one 2/2] RUN",
            "2/4] COPY file",
            "3/4] COPY --from=one",
            "4/4] RUN cat",
        ];
        let ended = bench.build(&["--dry-run", "-o", "type=oci,dest=out/image.tar"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let lines = text(&ended.stdout);
        assert_eq!(lines.lines().count(), 4, "{lines}");
        for (step, what) in steps.iter().zip(what) {
            let line = lines.lines().find(|line| line.contains(step));
            let line = line.unwrap_or_else(|| panic!("{step} is not in {lines}"));
            assert!(line.starts_with(what), "{step} is not {what}: {lines}");
        }
        assert!(bench.outputs().is_empty());
    };
    plan(["run", "run", "run", "run"]);
    assert_eq!(names(&bench.path("store/caches")), [""; 0], "a step ran");
    bench.digest(&[]);
    plan(["cached", "cached", "cached", "cached"]);
    bench.write("file", "other\n");
    plan(["cached", "run", "run", "run"]);
}

/// Everything of the store that a build reads, except snapshots (compared with their listings by `store verify`).
fn entries(store: &Path) -> Vec<PathBuf> {
    let mut files = files_below(store);
    files.retain(|path| {
        let inside = path.strip_prefix(store).unwrap();
        let area = inside.iter().next().unwrap().to_str().unwrap();
        let of_snapshot = inside.iter().any(|part| part == "snapshot");
        ["blobs", "records", "layers", "images", "exports", "contexts"].contains(&area) && !of_snapshot
    });
    files
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    match bytes.get_mut(middle) {
        Some(byte) => *byte ^= 0x20,
        None => bytes.push(b'x'),
    }
    fs::write(path, bytes).unwrap();
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

/// Builds, damages every entry in turn, and builds each time with every use of the store.
fn survives(damage: fn(&Path)) {
    let bench = Bench::with(
        "FROM base AS one\nRUN echo 1 > /one\nFROM base\nCOPY file /file\nCOPY --from=one /one /\n",
    );
    bench.write("file", "content\n");
    let output = ["-t", "kept:1", "-o", "type=oci,dest=out/image.tar"];
    let first = bench.digest(&output);
    let whole = fs::read(bench.path("out/image.tar")).unwrap();
    let kept = entries(&bench.store());
    assert!(kept.len() > 20, "{kept:?}");
    for path in kept {
        let _ = fs::remove_file(bench.path("out/image.tar"));
        // What an earlier round made under another name is not damaged any more.
        if !path.exists() {
            continue;
        }
        damage(&path);
        let ended = bench.build(&output);
        assert_eq!(ended.code, Some(0), "{}: {}", path.display(), ended.stderr);
        assert_eq!(ended.digest(), first, "{}", path.display());
        assert!(
            fs::read(bench.path("out/image.tar")).unwrap() == whole,
            "{}: another archive",
            path.display()
        );
    }
    // A build does not read all of it; what is left is found and removed, and then all is well.
    let mut verify = bench.praxis("store");
    verify.args(["store", "verify"]);
    run(verify);
    bench.assert_clean("store");
    assert_eq!(bench.digest(&output), first);
}

#[test]
fn a_flipped_bit_in_any_entry_is_made_good() {
    survives(flip);
}

#[test]
fn any_entry_cut_short_is_made_good() {
    survives(truncate);
}

#[test]
fn any_entry_missing_is_made_again() {
    survives(|path| fs::remove_file(path).unwrap());
}

#[test]
fn a_damaged_snapshot_is_found_and_made_again() {
    let bench = Bench::with("FROM base\nRUN echo one > /one\nARG AGAIN=1\nRUN cat /one\n");
    let first = bench.digest(&["-t", "kept:1"]);
    let is_snapshot = |path: &PathBuf| path.ends_with("snapshot/one");
    let snapshot = files_below(&bench.path("store/layers"))
        .into_iter()
        .find(is_snapshot)
        .unwrap();
    fs::write(&snapshot, "two\n").unwrap();
    let mut verify = bench.praxis("store");
    verify.args(["store", "verify"]);
    let ended = run(verify);
    assert!(
        ended.error(1).contains("1 damaged"),
        "{}{}",
        text(&ended.stdout),
        ended.stderr
    );
    assert!(!snapshot.exists());
    assert_eq!(bench.digest(&["-t", "kept:1"]), first);
    let again = bench.build(&["--build-arg", "AGAIN=2", "--no-cache-filter", "none"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    bench.assert_clean("store");
}

#[test]
fn a_snapshot_over_one_that_is_gone_is_made_again() {
    let bench = Bench::with(
        "FROM base\nCOPY tree /tree\nARG AGAIN=1\nRUN cat /tree/* > /all && echo $AGAIN > /again\n",
    );
    for number in 0..50 {
        bench.write(&format!("tree/{number}"), &format!("{number}\n"));
    }
    bench.digest(&[]);
    let damaged = "tree/49";
    let of_first = |path: &PathBuf| path.ends_with("snapshot/tree/49");
    let first = files_below(&bench.path("store/layers"))
        .into_iter()
        .find(of_first)
        .unwrap();
    bench.write("tree/0", "changed\n");
    bench.digest(&[]);
    fs::write(&first, damaged).unwrap();
    let mut verify = bench.praxis("store");
    verify.args(["store", "verify"]);
    assert_eq!(run(verify).code, Some(1));
    assert!(!first.exists());
    let arguments = ["--build-arg", "AGAIN=2"];
    assert_eq!(
        bench.digest(&arguments),
        bench.digest_afresh("other", &arguments, "context")
    );
    bench.assert_clean("store");
}
