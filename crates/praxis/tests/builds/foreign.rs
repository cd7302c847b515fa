//! RUN of programs of another processor, through an emulator that the host does not know.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use praxis_testkit::files_below;

use crate::bench::{Bench, Ended, run, text};
use crate::foreign_packages::can_emulate;

/// A program for arm64 that writes `aarch64` and ends.
fn program() -> Vec<u8> {
    let code: [u32; 8] = [
        0xd280_0020, // mov x0, #1
        0x1000_00e1, // adr x1, the text
        0xd280_0102, // mov x2, #8
        0xd280_0808, // mov x8, #64 (write)
        0xd400_0001, // svc #0
        0xd280_0000, // mov x0, #0
        0xd280_0ba8, // mov x8, #93 (exit)
        0xd400_0001, // svc #0
    ];
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.extend([0; 9]);
    let half = |file: &mut Vec<u8>, number: u16| file.extend(number.to_le_bytes());
    let word = |file: &mut Vec<u8>, number: u32| file.extend(number.to_le_bytes());
    let long = |file: &mut Vec<u8>, number: u64| file.extend(number.to_le_bytes());
    half(&mut file, 2);
    half(&mut file, 183);
    word(&mut file, 1);
    for number in [0x40_0078, 64, 0] {
        long(&mut file, number);
    }
    word(&mut file, 0);
    for number in [64, 56, 1, 64, 0, 0] {
        half(&mut file, number);
    }
    for number in [1, 5] {
        word(&mut file, number);
    }
    for number in [0, 0x40_0000, 0x40_0000, 160, 160, 4096] {
        long(&mut file, number);
    }
    for instruction in code {
        word(&mut file, instruction);
    }
    file.extend(b"aarch64\n");
    assert_eq!(file.len(), 160);
    file
}

fn bench() -> Bench {
    let bench = Bench::with("FROM scratch\nCOPY program /program\nRUN [\"/program\"]\n");
    let path = bench.path("context/program");
    fs::write(&path, program()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    bench
}

const ARGUMENTS: [&str; 6] = [
    "--platform",
    "linux/arm64",
    "-o",
    "type=local,dest=out/files",
    "--progress",
    "plain",
];

/// Whether this machine can start programs of arm64 at all, as `praxis doctor` says.
fn emulates(bench: &Bench) -> bool {
    let mut command = bench.praxis("store");
    command.arg("doctor");
    let said = text(&run(command).stdout);
    let line = said.lines().find(|line| line.contains("platforms")).unwrap();
    line.contains("arm64")
}

#[track_caller]
fn judge(bench: &Bench, ended: &Ended) {
    if !emulates(bench) {
        assert!(
            !can_emulate(),
            "doctor denies what this kernel and its packages can do"
        );
        println!("SKIPPED in part: no emulator for arm64 here, so the step must fail");
        assert_eq!(ended.code, Some(1));
        return;
    }
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.lines().any(|line| line.ends_with(" aarch64")),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_step_of_another_processor_runs_without_the_host_knowing() {
    let bench = bench();
    let handlers = || {
        fs::read_dir("/proc/sys/fs/binfmt_misc")
            .map(|list| list.count())
            .unwrap_or_default()
    };
    let before = handlers();
    let ended = run(bench.build_command("store", &ARGUMENTS, "context"));
    judge(&bench, &ended);
    assert_eq!(handlers(), before);
    if ended.code == Some(0) {
        let files = files_below(&bench.path("out/files"));
        assert_eq!(files.len(), 1, "{files:?}");
    }
    bench.assert_clean("store");
}

#[test]
fn an_ordinary_user_needs_nothing_registered() {
    let bench = bench();
    let arguments = ["--platform", "linux/arm64", "--progress", "plain"];
    if let Some(ended) = bench.as_user(bench.build_command("home/store", &arguments, "context")) {
        judge(&bench, &ended);
    }
}

#[test]
fn platforms_of_a_bake_file_count_as_those_of_the_option() {
    let bench = bench();
    let file = "target \"default\" {\n  context = \"context\"\n  platforms = [\"linux/arm64\"]\n  output = [\"type=local,dest=out/files\"]\n}\n";
    fs::write(bench.path("docker-bake.hcl"), file).unwrap();
    let mut command = bench.praxis("store");
    command.args(["bake", "--progress", "plain", "--allow", "fs=*"]);
    judge(&bench, &run(command));
}

#[test]
fn an_image_of_another_processor_is_built_again_without_the_option() {
    let bench = bench();
    let arguments = ["--platform", "linux/arm64", "-t", "foreign:1"];
    let built = bench.build(&arguments);
    judge(&bench, &built);
    if built.code == Some(0) {
        let mut command = bench.praxis("store");
        command.args(["reproduce", "foreign:1", "--progress", "quiet"]);
        let again = run(command);
        assert_eq!(again.code, Some(0), "{}", again.stderr);
    }
}

#[test]
fn platforms_of_from_lines_count_as_those_of_the_option() {
    let bench = bench();
    bench.write("Dockerfile", "FROM scratch\nCOPY program /program\n");
    bench.digest(&["--platform", "linux/arm64", "-t", "localhost/foreign:1"]);
    bench.write(
        "Dockerfile",
        "ARG OTHER=linux/arm64\nFROM --platform=$OTHER localhost/foreign:1 AS other\nRUN [\"/program\"]\n\
         FROM base\nCOPY --from=other /program /program\n",
    );
    judge(&bench, &bench.build(&[]));
}
