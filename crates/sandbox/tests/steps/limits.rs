//! Limits, cancelling, and that nothing survives a step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use praxis_sandbox::run;

use crate::fixture::{Fixture, succeed, try_run};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("the_wall_clock_ends_everything", the_wall_clock),
    ("cancelling_ends_everything", cancelling),
    ("background_processes_end_with_the_command", background_processes),
    ("output_beyond_the_limit_is_dropped_and_counted", output_limit),
    ("unenforced_limits_are_named", unenforced_limits),
    ("steps_run_side_by_side", side_by_side),
    ("a_caller_that_dies_takes_the_step_along", no_orphans),
];

fn the_wall_clock() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("trap '' TERM INT; sleep 1000 & sleep 1000");
    step.limits.wall_clock = Some(Duration::from_millis(200));
    let start = Instant::now();
    let outcome = try_run(&step).expect("runs");
    assert!(outcome.exit.timed_out && !outcome.exit.cancelled, "{outcome:?}");
    assert_eq!((outcome.exit.code, outcome.exit.signal), (None, Some(9)));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        start.elapsed()
    );
}

fn cancelling() {
    let fixture = Fixture::new();
    let cancel = Arc::new(AtomicBool::new(false));
    let later = {
        let cancel = cancel.clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            cancel.store(true, Ordering::Relaxed);
        })
    };
    let exit = run(&fixture.shell("sleep 1000"), &mut |_, _| {}, &cancel).expect("runs");
    later.join().expect("the cancelling thread");
    assert!(exit.cancelled && exit.signal == Some(9), "{exit:?}");
}

fn background_processes() {
    let fixture = Fixture::new();
    let start = Instant::now();
    assert_eq!(
        succeed(&fixture.shell("(sleep 1000; echo late) & echo early")),
        "early\n"
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}

fn output_limit() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("seq 1 100000; echo end >&2");
    step.limits.output_bytes = Some(10);
    let outcome = try_run(&step).expect("runs");
    assert_eq!(outcome.stdout.len() + outcome.stderr.len(), 10);
    assert_eq!(outcome.exit.dropped_output, 588_895 + 4 - 10);
    assert!(outcome.exit.success());
}

fn unenforced_limits() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("true");
    step.limits.memory = Some(1 << 30);
    step.limits.pids = Some(1000);
    let outcome = try_run(&step).expect("runs");
    assert!(outcome.exit.success());
    let delegated = praxis_sandbox::probe()
        .iter()
        .any(|fact| fact.name == "control groups" && fact.state == praxis_sandbox::State::Works);
    let memory = outcome.exit.unenforced.iter().any(|text| text.contains("memory"));
    assert_eq!(memory, !delegated, "{:?}", outcome.exit.unenforced);
}

fn side_by_side() {
    let threads: Vec<_> = (0..8)
        .map(|number| {
            std::thread::spawn(move || {
                let fixture = Fixture::new();
                assert_eq!(
                    succeed(&fixture.shell(&format!("echo {number}"))),
                    format!("{number}\n")
                );
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a step beside others");
    }
}

fn no_orphans() {
    let mark = format!("{}", 100_000 + std::process::id());
    let mut caller = std::process::Command::new("/proc/self/exe")
        .args([crate::runner::HANG, &mark])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("start a caller");
    let mut output = std::io::BufReader::new(caller.stdout.take().expect("its output"));
    let mut place = String::new();
    std::io::BufRead::read_line(&mut output, &mut place).expect("its directory");
    until("the step runs", || alive(&mark));
    caller.kill().expect("kill the caller");
    caller.wait().expect("wait for the caller");
    until("the step is gone", || !alive(&mark));
    std::fs::remove_dir_all(place.trim()).expect("remove its directory");
}

fn alive(mark: &str) -> bool {
    std::fs::read_dir("/proc")
        .expect("proc")
        .filter_map(Result::ok)
        .any(|entry| {
            std::fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&format!("sleep\0{mark}")))
        })
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "waited in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}
