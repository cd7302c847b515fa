//! A small test runner: names, a filter, and the whole list once more as an ordinary user.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::fixture::Fixture;
use praxis_sandbox::{Identities, enter_user_namespace};

/// A test and its name.
pub type Test = (&'static str, fn());

const AS_USER: &str = "--as-ordinary-user";
const WITH_ONE_ID: &str = "--with-one-id";
/// Runs a step that sleeps for as many seconds as the next argument says, until killed.
pub const HANG: &str = "--hang";

pub fn main(tests: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&str> = arguments
        .iter()
        .filter(|text| !text.starts_with('-'))
        .map(String::as_str)
        .collect();
    if arguments.iter().any(|text| text == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|text| text == "--time") {
        return time_steps();
    }
    if arguments.iter().any(|text| text == AS_USER) {
        enter_user_namespace(Identities::Range).expect("enter a user namespace");
        return run(tests, &filters, "user");
    }
    if arguments.iter().any(|text| text == WITH_ONE_ID) {
        enter_user_namespace(Identities::Single).expect("enter a user namespace with one id");
        return run(crate::single::TESTS, &filters, "single");
    }
    if let [first, mark] = arguments.as_slice()
        && first == HANG
    {
        return hang(mark);
    }
    assert!(
        rustix_is_root(),
        "these tests make namespaces and mounts: run them as root"
    );
    let root = run(tests, &filters, "root");
    let user = run_as_ordinary_user(&filters);
    if root == ExitCode::SUCCESS && user {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn rustix_is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|text| text.contains("Uid:\t0\t0"))
}

fn run(tests: &[Test], filters: &[&str], who: &str) -> ExitCode {
    let mut failed = Vec::new();
    let chosen = tests
        .iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|part| name.contains(part)));
    let mut count = 0;
    for (name, test) in chosen {
        count += 1;
        let good = std::panic::catch_unwind(test).is_ok();
        println!("test {who}::{name} ... {}", if good { "ok" } else { "FAILED" });
        if !good {
            failed.push(name);
        }
    }
    println!("\n{who}: {count} run, {} failed {failed:?}\n", failed.len());
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Where the machine has a user with subordinate ids, the tests run as that user too.
fn run_as_ordinary_user(filters: &[&str]) -> bool {
    let Some((name, uid, gid)) = user_with_range() else {
        println!("no user has subordinate ids here: the tests ran as root only\n");
        return true;
    };
    println!("once more as the ordinary user {name}");
    let place = tempfile::tempdir().expect("temporary directory");
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755))
        .expect("open the directory");
    let program = place.path().join("steps");
    std::fs::copy("/proc/self/exe", &program).expect("copy the test program");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("make it executable");
    std::os::unix::fs::chown(&program, Some(uid), Some(gid)).expect("give it to the user");
    let good = |mode: &str| {
        let mut command = Command::new(&program);
        command.arg(mode).args(filters).uid(uid).gid(gid).current_dir("/");
        command
            .status()
            .expect("start the tests as an ordinary user")
            .success()
    };
    let range = good(AS_USER);
    good(WITH_ONE_ID) && range
}

fn user_with_range() -> Option<(String, u32, u32)> {
    let ranges = std::fs::read_to_string("/etc/subuid").ok()?;
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let owned = ranges
            .lines()
            .any(|range| range.split(':').next() == Some(fields[0]));
        let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        (owned && uid != 0).then(|| (fields[0].to_owned(), uid, gid))
    })
}

/// `--time`: what a trivial step costs from start to end.
fn time_steps() -> ExitCode {
    const ROUNDS: u32 = 100;
    let fixtures: Vec<Fixture> = (0..ROUNDS).map(|_| Fixture::new()).collect();
    let mut times: Vec<_> = fixtures
        .iter()
        .map(|fixture| {
            let start = std::time::Instant::now();
            crate::fixture::succeed(&fixture.step(&["/bin/true"]));
            start.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "a trivial step takes {:?} (median of {ROUNDS})",
        times[times.len() / 2]
    );
    ExitCode::SUCCESS
}

fn hang(mark: &str) -> ExitCode {
    let fixture = Fixture::new();
    // The test that kills this process removes the directory.
    println!("{}", fixture.place.path().display());
    let _ = crate::fixture::try_run(&fixture.shell(&format!("sleep {mark} & sleep {mark}")));
    ExitCode::FAILURE
}
