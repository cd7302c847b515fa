//! `praxis run` and `praxis test`: what an image may do, and what it must show.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::bench::{Bench, Ended, run, text};

/// An image whose user is 10001 and whose command says what it may do.
const DOCKERFILE: &str = "FROM base\nRUN mkdir -p /srv/data && chown 10001:10001 /srv/data && chmod u+s /bin/busybox\n\
    COPY serve /bin/serve\nENV COLOUR=green\nUSER 10001:10001\nWORKDIR /srv\nENTRYPOINT [\"/bin/sh\", \"-c\"]\n\
    CMD [\"id -u; pwd; echo $COLOUR\"]\n";

fn image(bench: &Bench) -> String {
    bench.write("serve", "#!/bin/sh\n");
    bench.digest(&["-t", "app:1"])
}

fn praxis(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.praxis("store");
    command.args(arguments).current_dir(bench.path("out"));
    run(command)
}

/// What a script in the image writes; it must end with `code`.
#[track_caller]
fn script(bench: &Bench, options: &[&str], script: &str, code: i32) -> String {
    let arguments = [&["run"], options, &["app:1", "--", script]].concat();
    let ended = praxis(bench, &arguments);
    assert_eq!(ended.code, Some(code), "{} {}", text(&ended.stdout), ended.stderr);
    text(&ended.stdout) + &ended.stderr
}

#[test]
fn a_command_runs_as_the_image_says_and_may_do_nothing_else() {
    let bench = Bench::with(DOCKERFILE);
    image(&bench);
    assert_eq!(
        text(&praxis(&bench, &["run", "app:1"]).stdout),
        "10001\n/srv\ngreen\n"
    );
    assert_eq!(
        script(
            &bench,
            &["-e", "COLOUR=red", "-w", "/"],
            "pwd; echo $COLOUR; exit 7",
            7
        ),
        "/\nred\n"
    );
    // Nothing can be written, not even by its owner; what is declared can.
    assert!(script(&bench, &[], "echo x > /srv/data/x", 1).contains("Read-only file system"));
    assert_eq!(
        script(
            &bench,
            &["--tmpfs", "/srv/data:1m"],
            "echo x > data/x && cat data/x",
            0
        ),
        "x\n"
    );
    script(
        &bench,
        &["--tmpfs", "/srv/data:1m"],
        "head -c 2m /dev/zero > data/x",
        1,
    );
    assert_eq!(
        script(&bench, &["--writable"], "echo x > data/x && cat data/x", 0),
        "x\n"
    );
    assert!(script(&bench, &["--writable"], "cat data/x", 1).contains("No such file"));
    // No capability, now or ever, no network, one process tree.
    let status = script(&bench, &[], "cat /proc/self/status", 0);
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(status.contains(&format!("{name}:\t0000000000000000")), "{status}");
    }
    assert!(
        status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"),
        "{status}"
    );
    assert_eq!(
        script(&bench, &[], "busybox id -u", 0),
        "10001\n",
        "a set-uid program gives nothing"
    );
    assert!(!script(&bench, &[], "cat /proc/net/dev", 0).contains("eth"));
    assert_eq!(
        script(
            &bench,
            &["-u", "0"],
            "id -u; chown 1 /tmp 2>&1 | grep -c -e permitted -e Read-only",
            0
        ),
        "0\n1\n"
    );
    assert_eq!(script(&bench, &["--entrypoint", "/bin/busybox"], "true", 0), "");
    assert_eq!(
        praxis(&bench, &["run", "--timeout", "1", "app:1", "--", "sleep 60"]).code,
        Some(124)
    );
    let missing = praxis(&bench, &["run", "--entrypoint", "/no", "app:1"]);
    assert!(missing.error(1).contains("/no"));
    bench.assert_clean("store");
}

#[test]
fn archives_and_layouts_run_and_an_ordinary_user_runs_them_too() {
    let bench = Bench::with(DOCKERFILE);
    bench.write("serve", "");
    bench.digest(&[
        "-o",
        "type=oci,dest=out/a.tar",
        "-o",
        "type=oci,dest=out/layout,tar=false",
        "-o",
        "type=docker,dest=out/d.tar",
    ]);
    for place in ["oci-archive:a.tar", "layout", "docker-archive:d.tar"] {
        let mut command = bench.praxis(place.split(':').next().unwrap());
        command.args(["run", place]).current_dir(bench.path("out"));
        let ended = run(command);
        assert_eq!(
            text(&ended.stdout),
            "10001\n/srv\ngreen\n",
            "{place}: {}",
            ended.stderr
        );
    }
    let archive = bench.path("out/a.tar").display().to_string();
    praxis_testkit::make_readable(&bench.path("out"));
    let mut command = bench.praxis("home/store");
    command.args(["run", &archive]);
    if let Some(ended) = bench.as_user(command) {
        assert_eq!(text(&ended.stdout), "10001\n/srv\ngreen\n", "{}", ended.stderr);
    }
}

#[test]
fn a_command_reads_standard_input_if_it_may() {
    let bench = Bench::with(DOCKERFILE);
    image(&bench);
    for (options, expected) in [
        (&["run", "-i", "app:1", "--", "cat"][..], "hello"),
        (&["run", "app:1", "--", "cat"], ""),
    ] {
        let mut command = bench.praxis("store");
        let mut child = command
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        // A command that reads nothing may be over before.
        _ = input.write_all(b"hello");
        drop(input);
        assert_eq!(text(&child.wait_with_output().unwrap().stdout), expected);
    }
}

const TESTS: &str = r#"
[image]
user = "10001:10001"

[[smoke]]
name = "says its colour"
stdout = "10001\n/srv\ngreen\n"

[[smoke]]
name = "answers"
args = ["read name; echo hello $name; echo thanks >&2"]
stdin = "world\n"
stdout-contains = ["hello world"]
stderr-contains = ["thanks"]

[[smoke]]
name = "refuses"
command = ["/bin/sh", "-c", "exit 3"]
exit = 3

[[smoke]]
name = "keeps to memory"
args = ["echo x > data/x"]
tmpfs = ["/srv/data"]

[[smoke]]
name = "serves"
args = ["mkdir data/cgi-bin; echo fine > data/health; exec httpd -f -p 8080 -h data"]
tmpfs = ["/srv/data"]
http = { port = 8080, path = "/health", contains = "fine" }

[[smoke]]
name = "only the other variant"
variants = ["other"]
args = ["false"]
"#;

fn report(bench: &Bench, code: i32, options: &[&str]) -> Value {
    let arguments = [&["test", "app:1", "--json"], options].concat();
    let ended = praxis(bench, &arguments);
    assert_eq!(ended.code, Some(code), "{} {}", text(&ended.stdout), ended.stderr);
    serde_json::from_slice(&ended.stdout).unwrap()
}

#[test]
fn smoke_tests_pass_and_are_written_down() {
    let bench = Bench::with(DOCKERFILE);
    let digest = image(&bench);
    fs::write(bench.path("out/praxis.toml"), TESTS).unwrap();
    let report = report(&bench, 0, &[]);
    assert_eq!(report["digest"].as_str(), Some(digest.as_str()));
    assert_eq!(report["tests"].as_array().unwrap().len(), 5);
    let shown = text(&praxis(&bench, &["test", "app:1"]).stdout);
    assert!(shown.contains("port 8080 answers 200 on /health"), "{shown}");
    assert!(
        shown.ends_with(&format!("5 of 5 tests passed: {digest}\n")),
        "{shown}"
    );
    let log = praxis(&bench, &["ledger", "log", "--kind", "test", "--json"]);
    let log: Value = serde_json::from_slice(&log.stdout).unwrap();
    assert_eq!(log.as_array().unwrap().len(), 2);
    assert_eq!(log[0]["subject"].as_str(), Some(digest.as_str()));
    assert_eq!(log[0]["body"]["tests"][4]["name"], "serves");
    bench.assert_clean("store");
}

#[test]
fn every_promise_that_is_broken_is_named() {
    let bench = Bench::with(DOCKERFILE);
    image(&bench);
    for (test, expected) in [
        ("args = [\"exit 1\"]", "exit code 1"),
        ("args = [\"sleep 60\"]\ntimeout = 1", "it did not end within 1 s"),
        ("stdout = \"other\"", "instead of \\\"other\\\""),
        ("args = [\"echo x > data/x\"]", "exit code 1"),
        (
            "args = [\"sleep 60\"]\nhttp = { port = 9 }\ntimeout = 1",
            "no answer",
        ),
        (
            "args = [\"exit 0\"]\nhttp = { port = 9 }",
            "it ended before: exit code 0",
        ),
        (
            "args = [\"httpd -f -p 80 -h data & httpd -f -p 8080 -h data\"]\nhttp = { port = 8080 }\ntimeout = 1",
            "status 404",
        ),
        ("stderr-contains = [\"x\"]", "standard error holds"),
    ] {
        fs::write(bench.path("out/praxis.toml"), format!("[smoke]\n{test}\n")).unwrap();
        let report = report(&bench, 1, &[]).to_string();
        assert!(report.contains(expected), "{test}: {report}");
    }
    // Whoever runs as root, or as a name, or as another than declared.
    fs::write(bench.path("out/praxis.toml"), "[image]\nuser = \"10001\"\n").unwrap();
    for (user, expected) in [
        ("0", "it runs as 0:0"),
        ("nobody", "USER is \\\"nobody\\\""),
        ("10002", "it runs as 10002:"),
    ] {
        bench.write(
            "Dockerfile",
            &format!(
                "FROM base\nRUN echo nobody:x:65534:65534::/: > /etc/passwd\nUSER {user}\nCMD [\"true\"]\n"
            ),
        );
        bench.digest(&["-t", "app:1"]);
        let report = report(&bench, 1, &[]).to_string();
        assert!(report.contains(expected), "{user}: {report}");
    }
    let ended = praxis(&bench, &["test", "app:1", "--config", "nowhere.toml"]);
    assert!(ended.error(1).contains("nowhere.toml"));
}

#[test]
fn without_tests_an_image_must_start() {
    for (command, code, expected) in [
        ("sleep 60", 0, "passed"),
        ("exit 0", 0, "passed"),
        ("exit 5", 1, "exit code 5"),
    ] {
        let bench = Bench::with(&format!(
            "FROM base\nUSER 10001:10001\nCMD [\"/bin/sh\", \"-c\", \"{command}\"]\n"
        ));
        bench.digest(&["-t", "app:1"]);
        let report = report(&bench, code, &[]).to_string();
        assert!(report.contains(expected), "{report}");
    }
}

/// praxis itself in an image, with the libraries it needs, run as an orchestrator would run it.
#[test]
fn praxis_works_where_nobody_may_have_a_user_namespace() {
    let bench = Bench::with(
        "FROM base\nCOPY libraries /\nCOPY praxis /\nENV PRAXIS_ROOT=/srv/store\nUSER 10001:10001\nENTRYPOINT [\"/praxis\"]\n",
    );
    let program = env!("CARGO_BIN_EXE_praxis");
    fs::copy(program, bench.path("context/praxis")).unwrap();
    let libraries = std::process::Command::new("ldd").arg(program).output().unwrap();
    for word in text(&libraries.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let target = bench.path(&format!("context/libraries{word}"));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(word, target).unwrap();
    }
    image(&bench);
    let inside = |arguments: &[&str]| {
        let run = ["run", "--tmpfs", "/srv", "--memory", "2g", "app:1", "--"];
        praxis(&bench, &[&run[..], arguments].concat())
    };
    let doctor = inside(&["doctor"]);
    assert!(
        text(&doctor.stdout).contains("✗ user namespace"),
        "{}",
        text(&doctor.stdout)
    );
    let served = inside(&["serve"]);
    assert_eq!(served.code, Some(0), "{}", served.stderr);
    assert!(
        served.stderr.contains("what runs commands is refused"),
        "{}",
        served.stderr
    );
    assert_eq!(inside(&["history"]).code, Some(0));
    let built = inside(&["build", "/srv"]);
    assert_eq!(built.code, Some(1));
    assert!(
        built.stderr.contains("the kernel does not allow user namespaces"),
        "{}",
        built.stderr
    );
}
