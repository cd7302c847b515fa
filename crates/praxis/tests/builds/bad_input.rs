//! Bad input ends with one clear message and an exit code, and leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader};

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::{Bench, Ended, run};

const OUTPUTS: &[&str] = &[
    "-o",
    "type=oci,dest=out/image.tar",
    "--iidfile",
    "out/id",
    "--metadata-file",
    "out/metadata.json",
    "-t",
    "bad:1",
];

/// Builds with outputs, which must fail with `code` and a message with every one of `says`, and leave nothing.
#[track_caller]
fn refused(bench: &Bench, code: i32, says: &[&str]) -> Ended {
    refused_with(bench, OUTPUTS, code, says)
}

#[track_caller]
fn refused_with(bench: &Bench, arguments: &[&str], code: i32, says: &[&str]) -> Ended {
    let ended = bench.build(arguments);
    let error = ended.error(code);
    for part in says {
        assert!(error.contains(part), "{part:?} is not said: {}", ended.stderr);
    }
    nothing_left(bench);
    ended
}

#[track_caller]
fn nothing_left(bench: &Bench) {
    assert_eq!(
        crate::bench::names(&bench.path("out")),
        [""; 0],
        "outputs were left"
    );
    bench.assert_clean("store");
    let mut inspect = bench.praxis("store");
    inspect.args(["inspect", "bad:1"]);
    assert_eq!(run(inspect).code, Some(1), "the image has its name");
}

#[test]
fn no_dockerfile() {
    let ended = refused(
        &Bench::new(),
        1,
        &["failed to read Dockerfile", "context/Dockerfile"],
    );
    assert!(ended.says("try: "), "{}", ended.stderr);
}

#[test]
fn no_context() {
    let bench = Bench::new();
    fs::remove_dir(bench.path("context")).unwrap();
    refused(&bench, 1, &["build context", "context", "no such directory"]);
}

#[test]
fn a_syntax_error_is_shown_with_its_place() {
    let bench = Bench::with("FROM base\n\nRUNN true\nCOPY\n");
    let ended = bench.build(OUTPUTS);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.starts_with("error: Dockerfile:3:1: ") && last.contains("RUNN"),
        "{}",
        ended.stderr
    );
    assert!(ended.says("3 | RUNN true\n  | ^^^^"), "{}", ended.stderr);
    nothing_left(&bench);
}

#[test]
fn a_missing_source_names_it_and_its_line() {
    let bench = Bench::with("FROM base\nRUN echo done > /done\nCOPY not-there /\n");
    let ended = refused(&bench, 1, &["/not-there", "not found"]);
    assert!(
        ended.says("Dockerfile:3:1") && ended.says(".dockerignore"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_source_that_is_ignored_is_missing() {
    let bench = Bench::with("FROM base\nCOPY ignored /\n");
    bench.write("ignored", "x");
    bench.write(".dockerignore", "ignored\n");
    refused(&bench, 1, &["/ignored", "not found"]);
}

#[test]
fn a_base_that_cannot_be_found() {
    let bench = Bench::with("FROM nowhere.example/base:7\nRUN true\n");
    let ended = refused(
        &bench,
        1,
        &["Dockerfile:1:6", "nowhere.example/base:7", "not found"],
    );
    assert!(
        ended.says("try: ") && ended.says("--build-context"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_layout_that_is_none() {
    let bench = Bench::with("FROM other\n");
    fs::create_dir(bench.path("empty")).unwrap();
    let mut arguments = OUTPUTS.to_vec();
    arguments.extend(["--build-context", "other=oci-layout://empty"]);
    refused_with(&bench, &arguments, 1, &["other", "index.json"]);
}

#[test]
fn a_base_with_another_digest_than_pinned() {
    let wrong = "0".repeat(64);
    for name in ["base", "base:latest", "docker.io/library/base"] {
        let bench = Bench::with(&format!("FROM {name}@sha256:{wrong}\nRUN true\n"));
        refused(&bench, 1, &[&wrong, &bench.base.manifest().to_string()]);
    }
    let bench = Bench::new();
    bench.write(
        "Dockerfile",
        &format!("FROM base@{}\nRUN true\n", bench.base.manifest()),
    );
    bench.digest(&[]);
}

#[test]
fn a_stored_image_with_another_digest_than_pinned() {
    let bench = Bench::with("FROM base\nLABEL one=1\n");
    let digest = bench.digest(&["-t", "kept:1"]);
    bench.write("Dockerfile", &format!("FROM kept:1@{digest}\nRUN true\n"));
    bench.digest(&[]);
    let wrong = "1".repeat(64);
    bench.write("Dockerfile", &format!("FROM kept:1@sha256:{wrong}\nRUN true\n"));
    refused(&bench, 1, &[&wrong, "not found"]);
}

#[test]
fn a_base_with_a_damaged_blob() {
    for truncate in [false, true] {
        let bench = Bench::with("FROM base\nRUN true\n");
        let mut bytes = fs::read(bench.base.layer_file()).unwrap();
        let middle = bytes.len() / 2;
        match truncate {
            true => bytes.truncate(middle),
            false => bytes[middle] ^= 1,
        }
        fs::write(bench.base.layer_file(), bytes).unwrap();
        let name = bench
            .base
            .layer_file()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        refused(&bench, 1, &[&name]);
    }
}

#[test]
fn a_checksum_for_what_has_none() {
    let checksum = "2".repeat(64);
    let bench = Bench::with(&format!("FROM base\nADD --checksum=sha256:{checksum} file /\n"));
    bench.write("file", "x");
    refused(&bench, 1, &["Dockerfile:2:1", "checksum"]);
}

#[test]
fn a_download_with_another_checksum() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nevil";
            let _ = std::io::Write::write_all(&mut &stream, answer.as_bytes());
        }
    });
    let checksum = "3".repeat(64);
    let bench = Bench::with(&format!(
        "FROM base\nADD --checksum=sha256:{checksum} http://{address}/file /\n"
    ));
    refused(&bench, 1, &[&checksum]);
}

#[test]
fn an_unwritable_store() {
    let bench = Bench::with("FROM base\n");
    fs::write(bench.path("file"), "mine").unwrap();
    for store in ["/proc/praxis-store", "file", "file/store"] {
        let ended = run(bench.build_command(store, OUTPUTS, "context"));
        let error = ended.error(1);
        assert!(error.contains("store: ") && error.contains(store), "{error}");
        assert!(bench.outputs().is_empty());
    }
    assert_eq!(fs::read_to_string(bench.path("file")).unwrap(), "mine");
}

#[test]
fn an_unwritable_output() {
    let bench = Bench::with("FROM base\nRUN true\n");
    let ended = bench.build(&["-o", "type=oci,dest=/proc/praxis/image.tar"]);
    assert!(ended.error(1).contains("/proc/praxis"), "{}", ended.stderr);
    bench.assert_clean("store");
    fs::create_dir(bench.path("out/image.tar")).unwrap();
    let ended = bench.build(&["-o", "type=oci,dest=out/image.tar"]);
    assert!(ended.error(1).contains("is a directory"), "{}", ended.stderr);
    assert_eq!(crate::bench::names(&bench.path("out")), ["image.tar"]);
}

#[test]
fn a_failing_run_shows_its_line_output_and_exit_code() {
    let bench = Bench::with("FROM base\nRUN echo fine\nRUN echo the reason >&2; exit 37\nRUN echo never\n");
    let ended = refused(&bench, 1, &["exit code: 37", "exit 37"]);
    assert!(
        ended.says("Dockerfile:3:1") && ended.says("3 | RUN echo the reason"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.says("  | ^^^^") && ended.says("\n  the reason\n"),
        "{}",
        ended.stderr
    );
    assert!(!ended.says("never"), "{}", ended.stderr);
    assert!(ended.says("try: the steps above stay cached"), "{}", ended.stderr);
}

#[test]
fn a_failing_stage_stops_the_others() {
    let bench = Bench::with(
        "FROM base AS slow\nRUN sleep 60\nFROM base AS bad\nRUN exit 1\nFROM base\nCOPY --from=slow /etc /1\nCOPY --from=bad /etc /2\n",
    );
    let start = std::time::Instant::now();
    refused(&bench, 1, &["exit code: 1"]);
    assert!(start.elapsed().as_secs() < 30, "the other stage went on");
}

#[test]
fn an_interrupt_stops_the_step_and_the_next_build_works() {
    let bench = Bench::with("FROM base\nARG TIME=0\nRUN echo started; sleep $TIME\n");
    for signal in [Signal::INT, Signal::TERM] {
        let mut arguments = OUTPUTS.to_vec();
        arguments.extend(["--build-arg", "TIME=9173"]);
        let mut child = bench.start(&arguments);
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let started = lines.any(|line| line.ends_with(" started"));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let rest: Vec<String> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
        assert!(started);
        assert_eq!(rest.last().unwrap(), "error: interrupted");
        nothing_left(&bench);
    }
    bench.digest(&[]);
}
