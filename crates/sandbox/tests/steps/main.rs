//! Runs real steps, as root and once more as an ordinary user in a user namespace. Needs root and a static busybox.

mod fixture;
mod identity;
mod isolation;
mod limits;
mod mounts;
mod probing;
mod root;
mod runner;
mod single;

fn main() -> std::process::ExitCode {
    if praxis_sandbox::is_child() {
        praxis_sandbox::init_main();
    }
    let mut tests = Vec::new();
    tests.extend(root::TESTS);
    tests.extend(mounts::TESTS);
    tests.extend(identity::TESTS);
    tests.extend(isolation::TESTS);
    tests.extend(limits::TESTS);
    tests.extend(probing::TESTS);
    runner::main(&tests)
}
