//! The real program with a real PostgreSQL: one ledger, one history and one queue for several stores.
#![cfg(feature = "postgres")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use praxis_testkit::{Base, RealPostgres, TestDatabase};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(90);

struct Place {
    place: tempfile::TempDir,
    database: TestDatabase,
}

impl Place {
    /// A database without tables, and the files that name it.
    fn new() -> Place {
        let place = Place {
            place: tempfile::tempdir().unwrap(),
            database: RealPostgres::shared().database(),
        };
        Base::write(&place.path("contexts/base"));
        place.write("contexts/app/Dockerfile", "FROM scratch\nCOPY file /\n");
        place.write("contexts/app/file", "content");
        place.write("contexts/broken/Dockerfile", "FROM scratch\nCOPY missing /\n");
        place.secret("owner", &place.database.owner_url());
        place.secret("server", &place.database.serving_url());
        place
    }

    fn migrated() -> Place {
        let place = Place::new();
        let said = place.good(
            "owner",
            "one",
            &[
                "database",
                "migrate",
                "--serving-role",
                &place.database.serving_role(),
            ],
        );
        assert!(said.ends_with("version 0 → 2\n"), "{said}");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn secret(&self, name: &str, text: &str) {
        self.write(name, text);
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// The program on a store of its own, with the URL of a role.
    fn command(&self, role: &str, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_praxis"));
        command
            .args(arguments)
            .current_dir(self.place.path())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("PRAXIS_ROOT", self.path(store))
            .env("PRAXIS_DATABASE", self.path(role))
            .env("USER", "tester");
        command
    }

    fn run(&self, role: &str, store: &str, arguments: &[&str]) -> Output {
        let output = self.command(role, store, arguments).output().unwrap();
        let said = [output.stdout.clone(), output.stderr.clone()].concat();
        assert!(!String::from_utf8_lossy(&said).contains("pass-word"));
        output
    }

    #[track_caller]
    fn good(&self, role: &str, store: &str, arguments: &[&str]) -> String {
        let output = self.run(role, store, arguments);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn bad(&self, role: &str, arguments: &[&str]) -> String {
        let output = self.run(role, "one", arguments);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, store: &str, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        serde_json::from_str(&self.good("server", store, &arguments)).unwrap()
    }

    fn worker(&self, name: &str, more: &[&str]) -> Command {
        let arguments = [
            "work",
            "--context-root",
            "contexts",
            "--name",
            name,
            "--lease",
            "3s",
        ];
        self.command("server", name, &[&arguments, more].concat())
    }

    /// Waits until the build has come so far.
    fn wait_for(&self, number: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let build = self.json("one", &["queue", "show", number]);
            if wanted(&build) {
                return build;
            }
            assert!(begun.elapsed() < PATIENCE, "{build}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn shared_ledger_and_history_of_two_stores() {
    let place = Place::migrated();
    for (store, name) in [("one", "first:1"), ("two", "second:1")] {
        place.good("server", store, &["build", "-q", "-t", name, "contexts/app"]);
        assert!(
            !place.path(store).join("ledger").exists(),
            "the ledger is not in the store"
        );
    }
    place.good("server", "two", &["check", "contexts/app"]);
    assert!(
        place
            .good("server", "three", &["ledger", "verify"])
            .contains("3 records")
    );
    let log = place.json("one", &["ledger", "log"]);
    let kinds: Vec<&str> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["check", "build", "build"]);
    let history = place.json("one", &["history", "ls"]);
    let tags: Vec<&Value> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["tags"][0])
        .collect();
    assert_eq!(tags, ["second:1", "first:1"]);
    let shown = place.json("one", &["history", "show", history[0]["id"].as_str().unwrap()]);
    assert_eq!(shown["tags"][0], "second:1", "a build of another store");
    place.good("server", "one", &["ledger", "export", "-o", "export"]);
    place.good("server", "one", &["ledger", "checkpoint", "-o", "checkpoint"]);
    place.good("server", "one", &["ledger", "verify", "--export", "export"]);
    place.database.sql(
        "SET session_replication_role = replica;
         UPDATE praxis.records SET text = replace(text, 'first', 'forged') WHERE number = 1;",
    );
    let output = place.run(
        "server",
        "two",
        &["ledger", "verify", "--checkpoint", "checkpoint"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stdout)
            .contains("record 1: its text is not the one that was written")
    );
}

#[test]
fn shared_queue_of_two_workers() {
    let place = Place::migrated();
    let add = |arguments: &[&str]| {
        place
            .good("server", "one", &[&["queue", "add"], arguments].concat())
            .trim()
            .to_string()
    };
    let done: Vec<String> = (0..4).map(|_| add(&["app", "--tag", "app:1"])).collect();
    let broken = add(&["broken"]);
    let outside = add(&["/etc"]);
    let cancelled = add(&["app"]);
    place.good("server", "one", &["queue", "cancel", &cancelled]);
    let workers = ["one", "two"].map(|name| {
        let mut worker = place.worker(name, &["--until-empty"]);
        Running(worker.stderr(Stdio::null()).spawn().unwrap())
    });
    for mut worker in workers {
        assert!(worker.0.wait().unwrap().success());
    }
    let mut digests: Vec<Value> = Vec::new();
    for number in &done {
        let build = place.json("one", &["queue", "show", number]);
        assert_eq!(
            (&build["state"], &build["attempt"]),
            (&"done".into(), &1.into()),
            "{build}"
        );
        let result: Value = serde_json::from_str(build["result"].as_str().unwrap()).unwrap();
        digests.push(result["digest"].clone());
    }
    digests.dedup();
    assert_eq!(digests.len(), 1, "one image, whoever makes it");
    let failed = place.json("one", &["queue", "show", &broken]);
    assert_eq!(failed["state"], "failed");
    assert!(failed["result"].as_str().unwrap().contains("missing"), "{failed}");
    let refused = place.json("one", &["queue", "show", &outside]);
    assert!(refused["result"].as_str().unwrap().contains("root"), "{refused}");
    assert_eq!(
        place.json("one", &["queue", "show", &cancelled])["state"],
        "cancelled"
    );
    assert_eq!(place.json("one", &["queue", "list", "--open"]), json!([]));
    assert_eq!(place.json("two", &["queue", "list"]).as_array().unwrap().len(), 7);
    // Four builds, one that failed, one that was refused: a record each.
    assert!(
        place
            .good("server", "two", &["ledger", "verify"])
            .contains("6 records")
    );
    assert!(
        place
            .bad("server", &["queue", "cancel", &done[0]])
            .contains("has ended")
    );
}

/// A build of one command that a worker of this name has begun.
fn begun(place: &Place, worker: &str, command: &str) -> (String, Running) {
    place.write("contexts/slow/Dockerfile", &format!("FROM base\nRUN {command}\n"));
    let base = ["--build-context", "base=oci-layout://base"];
    let arguments = [&["queue", "add", "slow"][..], &base].concat();
    let number = place.good("server", "one", &arguments).trim().to_string();
    let worker = Running(place.worker(worker, &[]).stderr(Stdio::null()).spawn().unwrap());
    place.wait_for(&number, |build| build["state"] == "running");
    (number, worker)
}

#[test]
fn shared_queue_outlives_a_worker_that_is_killed() {
    let place = Place::migrated();
    let (number, mut first) = begun(&place, "first", "sleep 4");
    first.0.kill().unwrap();
    let _second = Running(place.worker("second", &[]).stderr(Stdio::null()).spawn().unwrap());
    let build = place.wait_for(&number, |build| !build["ended_at"].is_null());
    assert_eq!(
        (&build["state"], &build["worker"]),
        (&"done".into(), &"second".into()),
        "{build}"
    );
    assert_eq!(build["attempt"], 2);
    let records = place.json("one", &["ledger", "log"]);
    assert_eq!(
        records.as_array().unwrap().len(),
        1,
        "what the dead worker did is no record"
    );
    assert_eq!(place.json("one", &["history", "ls"]).as_array().unwrap().len(), 1);
}

#[test]
fn shared_queue_stops_a_build_that_nobody_wants() {
    let place = Place::migrated();
    let (number, mut worker) = begun(&place, "worker", "sleep 600");
    place.good("server", "one", &["queue", "cancel", &number]);
    let build = place.wait_for(&number, |build| !build["ended_at"].is_null());
    assert_eq!(build["state"], "cancelled", "{build}");
    // SIGTERM ends a worker that has nothing at hand.
    let pid = worker.0.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    assert!(worker.0.wait().unwrap().success());
}

/// What the tool `build` says to a call over standard input and output, and what it told before.
fn call_build(place: &Place, arguments: &Value) -> (Value, Vec<Value>) {
    let serve = ["serve", "--queue", "--context-root", "contexts"];
    let mut server = place.command("server", "front", &serve);
    let mut server = server
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = server.stdin.take().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let _server = Running(server);
    for message in [
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
            "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "build", "arguments": arguments,
            "_meta": {"progressToken": "p"}}}),
    ] {
        writeln!(input, "{message}").unwrap();
    }
    let mut told = Vec::new();
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "the server ended");
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"] == 2 {
            return (message["result"].clone(), told);
        }
        if message["method"] == "notifications/progress" {
            told.push(message["params"].clone());
        }
    }
}

#[test]
fn shared_queue_makes_the_builds_of_a_server() {
    let place = Place::migrated();
    let (refused, _) = call_build(&place, &json!({"context": "/etc"}));
    assert_eq!(refused["isError"], true, "{refused}");
    assert_eq!(
        place.json("one", &["queue", "list"]),
        json!([]),
        "what the server refuses is not queued"
    );
    let _worker = Running(place.worker("back", &[]).stderr(Stdio::null()).spawn().unwrap());
    let (done, told) = call_build(&place, &json!({"context": "app", "tags": ["app:1"]}));
    assert_eq!(done["structuredContent"]["status"], "done", "{done}");
    let last = told.last().unwrap();
    assert!(
        last["progress"] == 2.0 && last["message"].as_str().unwrap().contains("COPY file"),
        "{told:?}"
    );
    let (failed, _) = call_build(&place, &json!({"context": "broken"}));
    assert_eq!(
        (&failed["isError"], &failed["structuredContent"]["status"]),
        (&json!(true), &json!("failed")),
        "{failed}"
    );
    let queued = place.json("one", &["queue", "list"]);
    let workers: Vec<&Value> = queued
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["worker"])
        .collect();
    assert_eq!(workers, ["back", "back"]);
    // The server's own store made nothing, and knows the build all the same.
    let id = done["structuredContent"]["build"].as_str().unwrap();
    assert_eq!(place.json("front", &["history", "show", id])["status"], "done");
}

/// A client's token: who asks, and somebody else.
const ASKS: &str = "asks-0123456789abcdefghijklmn";
const OTHER: &str = "other-0123456789abcdefghijkl";

/// A server over HTTP that makes no builds itself.
fn front(place: &Place, name: &str) -> (Running, String) {
    place.secret("tokens", &format!("asks guarded {ASKS}\nother guarded {OTHER}\n"));
    let serve = ["serve", "--queue", "--context-root", "contexts"];
    let http = ["--http", "127.0.0.1:0", "--tokens", "tokens"];
    let mut command = place.command("server", name, &[&serve[..], &http].concat());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let running = Running(child);
    loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).unwrap() > 0, "{name} does not start");
        if let Some(address) = line.trim().strip_prefix("listening on http://") {
            // Nobody reads what else it says.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return (running, address.into());
        }
    }
}

/// The status and the body of an answer.
fn ask(address: &str, token: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: \
         application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.into())
}

/// Asks until the answer is as wanted.
#[track_caller]
fn until(address: &str, path: &str, wanted: impl Fn(&str) -> bool) -> String {
    let begun = Instant::now();
    loop {
        let (_, said) = ask(address, ASKS, "GET", path, "");
        if wanted(&said) {
            return said;
        }
        assert!(begun.elapsed() < PATIENCE, "{path}: {said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn shared_builds_are_followed_and_stopped_where_nobody_makes_them() {
    let place = Place::migrated();
    place.write(
        "contexts/slow/Dockerfile",
        "FROM base\nRUN echo line one; sleep 1; echo line two; sleep 600\n",
    );
    let (_one, first) = front(&place, "first");
    let (_two, second) = front(&place, "second");
    let wanted = json!({"context": "slow", "build_contexts": {"base": "oci-layout://base"}}).to_string();
    let begin = || {
        let (status, said) = ask(&first, ASKS, "POST", "/v1/builds", &wanted);
        assert_eq!(status, 202, "{said}");
        let said: Value = serde_json::from_str(&said).unwrap();
        said["build"].as_str().unwrap().to_string()
    };
    // Nobody makes it yet: it waits, on both; stopped, it is not made.
    let idle = begin();
    until(&second, &format!("/v1/builds/{idle}"), |said| {
        said.contains("\"status\":\"waiting\"")
    });
    assert_eq!(
        ask(&second, ASKS, "DELETE", &format!("/v1/builds/{idle}"), "").0,
        200
    );
    until(&first, &format!("/v1/builds/{idle}"), |said| {
        said.contains("\"status\":\"cancelled\"")
    });
    // A worker takes the next one, and both servers tell what happens in it.
    let id = begin();
    let path = format!("/v1/builds/{id}");
    let _worker = Running(place.worker("back", &[]).stderr(Stdio::null()).spawn().unwrap());
    for server in [&first, &second] {
        until(server, &format!("{path}/log"), |said| said.contains("line two"));
        let one = until(server, &path, |said| said.contains("\"status\":\"running\""));
        assert!(
            one.contains("\"by\":\"asks\"") && one.contains("RUN echo line one"),
            "{one}"
        );
        assert!(
            ask(server, ASKS, "GET", &format!("{path}/graph"), "")
                .1
                .contains("bar running")
        );
    }
    let follows = {
        let (second, path) = (second.clone(), format!("{path}/events"));
        std::thread::spawn(move || ask(&second, ASKS, "GET", &path, "").1)
    };
    assert_eq!(ask(&second, OTHER, "DELETE", &path, "").0, 403);
    assert_eq!(ask(&second, ASKS, "DELETE", &path, "").0, 200);
    let events = follows.join().unwrap();
    let last = events.trim().rsplit("data: ").next().unwrap();
    assert!(
        events.contains("line two") && last.contains("\"ended\"") && last.contains("\"cancelled\""),
        "{events}"
    );
    // The account of the worker is the record, for all.
    for server in [&first, &second] {
        let record = until(server, &format!("{path}/record"), |said| {
            said.contains("\"status\":\"cancelled\"")
        });
        assert!(record.contains("line two"), "{record}");
    }
    // What the command line puts into the queue is seen too.
    let number = place.good("server", "one", &["queue", "add", "app", "--wait"]);
    let id = number
        .lines()
        .find_map(|line| line.strip_prefix("id       "))
        .unwrap();
    until(&second, &format!("/v1/builds/{id}"), |said| {
        said.contains("\"status\":\"done\"")
    });
}

#[test]
fn shared_builds_that_are_taken_over_are_followed_from_the_beginning() {
    let place = Place::migrated();
    let (_front, server) = front(&place, "front");
    let (number, mut first) = begun(&place, "first", "echo says $(hostname); sleep 4");
    let id = place.json("one", &["queue", "show", &number])["id"]
        .as_str()
        .unwrap()
        .to_string();
    let log = format!("/v1/builds/{id}/log");
    until(&server, &log, |said| said.matches("says ").count() >= 1);
    first.0.kill().unwrap();
    let _second = Running(place.worker("second", &[]).stderr(Stdio::null()).spawn().unwrap());
    place.wait_for(&number, |build| build["attempt"] == 2);
    until(&server, &format!("/v1/builds/{id}"), |said| {
        said.contains("\"status\":\"done\"")
    });
    let (_, said) = ask(&server, ASKS, "GET", &log, "");
    assert!(said.contains("says "), "{said}");
}

#[test]
fn shared_books_are_refused_where_they_would_not_hold() {
    let place = Place::new();
    let said = place.bad("server", &["ledger", "verify"]);
    assert!(
        said.contains("has no tables of praxis: its owner runs praxis database migrate"),
        "{said}"
    );
    place.good(
        "owner",
        "one",
        &[
            "database",
            "migrate",
            "--serving-role",
            &place.database.serving_role(),
        ],
    );
    let again = place.good("owner", "one", &["database", "migrate"]);
    assert!(again.contains("of version 2 already"), "{again}");
    for arguments in [
        &["ledger", "verify"][..],
        &["build", "-q", "contexts/app"],
        &["queue", "list"],
    ] {
        let said = place.bad("owner", arguments);
        assert!(said.contains("owns the tables or is a superuser"), "{said}");
    }
    place.write("open", &place.database.serving_url());
    std::fs::set_permissions(place.path("open"), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(place.bad("open", &["queue", "list"]).contains("chmod 0600"));
    place.secret(
        "far",
        "postgresql://u:secret-pass-word@db.example/praxis?sslmode=disable",
    );
    assert!(
        place
            .bad("far", &["queue", "list"])
            .contains("sslmode=verify-full")
    );
    let run = |url: Option<&str>| {
        let mut command = place.command("server", "one", &["--database", "env://URL", "queue", "list"]);
        url.map(|url| command.env("URL", url));
        command.output().unwrap()
    };
    assert!(run(Some(&place.database.serving_url())).status.success());
    let unset = run(None);
    assert_eq!(unset.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unset.stderr).contains("env://URL: it is not set"));
    place
        .database
        .sql("INSERT INTO praxis.migrations (version) VALUES (7)");
    let said = place.bad("server", &["queue", "list"]);
    assert!(
        said.contains("of version 7, this praxis knows version 2: use a later praxis"),
        "{said}"
    );
}
