//! Kills, builders side by side, and collection while builds run. `scripts/crash` does more of it.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use praxis_testkit::files_below;

use crate::bench::{Bench, Ended, run, text};

const DOCKERFILE: &str = "FROM base AS numbers\nRUN seq 1 100000 > /numbers\nRUN sort -r /numbers > /reversed\n\
    FROM base AS text\nWORKDIR /work\nCOPY . .\nRUN find . -type f | sort > /list\n\
    FROM base\nCOPY --from=numbers /reversed /numbers /\nCOPY --from=text /list /list\nRUN sha256sum /reversed > /sum\n";
const OUTPUT: &[&str] = &["-o", "type=oci,dest=out/image.tar"];

fn bench() -> Bench {
    let bench = Bench::with(DOCKERFILE);
    for number in 0..20 {
        bench.write(&format!("file{number}"), &format!("{number}\n").repeat(5000));
    }
    bench
}

/// Numbers that look random and are the same in every run.
struct Chance(u64);

impl Chance {
    /// A number below `limit`.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn wait_until_gone(bench: &Bench) {
    let start = Instant::now();
    while !bench.strays().is_empty() && start.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn builds_killed_at_any_moment_leave_a_sound_store() {
    const KILLS: u32 = 20;
    let bench = bench();
    let start = Instant::now();
    let expected = bench.digest(OUTPUT);
    let whole = fs::read(bench.path("out/image.tar")).unwrap();
    let cold = start.elapsed().as_micros() as u64;
    let mut chance = Chance(41);
    let mut killed = 0;
    for _ in 0..KILLS * 20 {
        let records = files_below(&bench.path("store/records"));
        records
            .iter()
            .filter(|_| chance.below(2) == 0)
            .for_each(|path| fs::remove_file(path).unwrap());
        let _ = fs::remove_file(bench.path("out/image.tar"));
        let mut child = bench.start(OUTPUT);
        std::thread::sleep(Duration::from_micros(chance.below(cold / 2)));
        child.kill().unwrap();
        let early = child.wait().unwrap().code().is_none();
        killed += u32::from(early);
        wait_until_gone(&bench);
        let ended = bench.build(OUTPUT);
        assert_eq!(ended.digest(), expected);
        assert!(
            fs::read(bench.path("out/image.tar")).unwrap() == whole,
            "another archive"
        );
        bench.assert_clean("store");
        if killed == KILLS {
            return;
        }
    }
    panic!("only {killed} builds were killed before they ended");
}

#[test]
fn a_first_build_killed_at_any_moment_leaves_a_store_that_opens() {
    let bench = bench();
    let expected = bench.digest_afresh("other", &[], "context");
    let mut chance = Chance(43);
    for _ in 0..20 {
        let _ = fs::remove_dir_all(bench.store());
        let mut child = bench.start(&[]);
        std::thread::sleep(Duration::from_micros(chance.below(30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until_gone(&bench);
        bench.assert_clean("store");
    }
    assert_eq!(bench.digest(&[]), expected);
}

fn start(bench: &Bench) -> Child {
    let mut command = bench.build_command("store", &[], "context");
    command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: text(&output.stderr),
    }
}

#[test]
fn builders_side_by_side_on_a_new_store_agree() {
    let bench = bench();
    let expected = bench.digest_afresh("other", &[], "context");
    for _ in 0..5 {
        let _ = fs::remove_dir_all(bench.store());
        let builders: Vec<Child> = (0..4).map(|_| start(&bench)).collect();
        for builder in builders {
            assert_eq!(end(builder).digest(), expected);
        }
        bench.assert_clean("store");
    }
}

#[test]
fn collection_waits_for_builders_or_is_refused() {
    let bench = bench();
    let expected = bench.digest(&["-t", "kept:1"]);
    let collect = || {
        let mut command = bench.praxis("store");
        command.args(["store", "gc", "--all"]);
        run(command)
    };
    let (mut done, mut refused) = (0, 0);
    for _ in 0..5 {
        let mut builder = start(&bench);
        while builder.try_wait().unwrap().is_none() {
            let ended = collect();
            match ended.code {
                Some(0) => done += 1,
                _ => {
                    assert!(ended.error(1).contains("in use"), "{}", ended.stderr);
                    refused += 1;
                }
            }
        }
        assert_eq!(end(builder).digest(), expected);
        assert_eq!(collect().code, Some(0));
        bench.assert_clean("store");
    }
    assert!(refused > 0, "no collection met a build ({done} done)");
    let mut inspect = bench.praxis("store");
    inspect.args(["inspect", "kept:1"]);
    assert_eq!(run(inspect).code, Some(0), "a named image was collected");
    assert_eq!(bench.digest(OUTPUT), expected);
}
