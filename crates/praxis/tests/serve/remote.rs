//! `praxis build --remote`: the real program on both sides, each with a store of its own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use praxis_oci::Digest;
use praxis_testkit::{WebAnswer, WebRequest, WebServer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::agent::Place;
use crate::web::{Answer, BUILDER, OTHER, READER, Server, bearer};

const BASE: &str = "localhost/base:1";

fn start(place: &Place) -> Server {
    Server::start(place, &["--max-jobs", "4"])
}

/// A client with a store of its own.
fn client(place: &Place, store: &str) -> Command {
    let mut command = place.praxis();
    command.env("PRAXIS_ROOT", place.path(store));
    command
}

/// The file with a client's token.
fn token(place: &Place, token: &str) -> String {
    let path = place.path(&token[..8]);
    fs::write(&path, format!("{token}\n")).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path.to_str().unwrap().into()
}

/// `praxis build` of `app` by the server at this address.
fn remote(place: &Place, who: &str, address: &str, options: &[&str]) -> Command {
    let mut command = client(place, "own");
    let file = token(place, who);
    command.args(["build", "--progress", "plain", "--remote"]);
    command.arg(format!("http://{address}"));
    command.args(["--remote-token-file", &file, "app"]).args(options);
    command
}

fn local(place: &Place, options: &[&str]) -> Output {
    let mut command = client(place, "local");
    command
        .args(["build", "--progress", "plain", "app"])
        .args(options);
    command.output().unwrap()
}

/// Standard error of a command that ends with this status.
#[track_caller]
fn said(mut command: Command, status: i32) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{said}");
    said
}

/// The base by a name that is the store's own.
fn give_base(place: &Place, store: &str) {
    let mut command = client(place, store);
    command.args(["copy", "oci-layout:ctx/base", &format!("store:{BASE}")]);
    said(command, 0);
}

fn post(server: &Server, who: &str, path: &str, body: &Value) -> Answer {
    let bearer = bearer(who);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    server.request("POST", path, &headers, body.to_string().as_bytes())
}

fn put(server: &Server, who: &str, context: &str, body: &[u8]) -> Answer {
    let bearer = bearer(who);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/octet-stream"),
    ];
    server.request("PUT", &format!("/v1/contexts/{context}/files"), &headers, body)
}

fn listed(entries: Value) -> Value {
    let dockerfile = json!({"name": "Dockerfile", "text": "FROM scratch\nCOPY . /\n"});
    json!({"dockerfile": dockerfile, "commit_time": null, "revision": null, "source": null, "policy": null,
           "entries": entries})
}

fn entry(path: &str, kind: Value) -> Value {
    let mut entry = json!({"path": path, "mode": 0o644, "time": [0, 0]});
    let fields = kind.as_object().unwrap().clone();
    entry.as_object_mut().unwrap().extend(fields);
    entry
}

fn file(path: &str, content: &[u8]) -> Value {
    let digest = Digest::of(content).to_string();
    entry(
        path,
        json!({"kind": "file", "size": content.len(), "content": digest}),
    )
}

fn link(path: &str, target: &str) -> Value {
    entry(path, json!({"kind": "symlink", "target": target}))
}

/// Files that the server keeps of contexts.
fn kept(place: &Place) -> usize {
    let clients = fs::read_dir(place.path("store/sent")).unwrap().flatten();
    clients
        .map(|client| fs::read_dir(client.path()).unwrap().count())
        .sum()
}

/// Files of a store that are work in progress.
fn half_written(place: &Place, store: &str) -> usize {
    let works = fs::read_dir(place.path(store).join("tmp"))
        .into_iter()
        .flatten()
        .flatten();
    let left = works.flat_map(|work| fs::read_dir(work.path()).into_iter().flatten().flatten());
    left.filter(|entry| entry.file_name() != "lock").count()
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A context with everything that there is in directories.
fn rich() -> Place {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        &format!(
            "FROM {BASE} AS one\nCOPY . /all/\nRUN ls /all && id -u > /uid\nFROM one\nCOPY --from=more x /x\n"
        ),
    );
    place.write("app/.dockerignore", "*.log\nleft/*\n!left/in\n");
    place.write("app/a.log", "not sent");
    place.write("app/left/out", "not sent");
    place.write("app/left/in", "in");
    place.write("app/deep/er/file", "deep\n");
    place.write("app/run", "#!/bin/sh\n");
    place.write("app/empty", "");
    place.write("more/x", "x\n");
    fs::set_permissions(place.path("app/run"), PermissionsExt::from_mode(0o4755)).unwrap();
    fs::set_permissions(place.path("app/deep"), PermissionsExt::from_mode(0o700)).unwrap();
    symlink("../../etc/passwd", place.path("app/out")).unwrap();
    fs::hard_link(place.path("app/run"), place.path("app/same")).unwrap();
    place
}

#[test]
fn a_build_by_a_server_is_the_build_here() {
    let place = rich();
    ["store", "local"]
        .iter()
        .for_each(|store| give_base(&place, store));
    let server = start(&place);
    let address = server.address.to_string();
    let options = [
        "-t",
        "app:1",
        "--build-context",
        "more=more",
        "--label",
        "a=b",
        "--annotation",
        "k=v",
    ];
    let here = local(
        &place,
        &[&options[..], &["-o", "type=oci,dest=here.tar"]].concat(),
    );
    assert!(here.status.success(), "{}", String::from_utf8_lossy(&here.stderr));
    let outputs = [
        "-o",
        "type=oci,dest=there.tar",
        "-o",
        "type=local,dest=files",
        "--iidfile",
        "id",
    ];
    let told = said(
        remote(&place, BUILDER, &address, &[&options[..], &outputs].concat()),
        0,
    );
    assert!(
        told.contains("deep") && told.contains("RUN ls /all"),
        "what the step prints: {told}"
    );
    same_archives(&place);
    assert_eq!(fs::read_to_string(place.path("files/all/left/in")).unwrap(), "in");
    assert!(
        fs::read_to_string(place.path("id"))
            .unwrap()
            .starts_with("sha256:")
    );
    assert_eq!(kept(&place), 7, "what is left out is not sent, one content once");
    let mut inspect = client(&place, "own");
    inspect.args(["inspect", "app:1"]);
    assert!(inspect.output().unwrap().status.success());
    let mut inspect = client(&place, "store");
    inspect.args(["inspect", "app:1"]);
    assert!(
        !inspect.output().unwrap().status.success(),
        "names are the client's"
    );
    let mut history = client(&place, "own");
    let history = history.args(["history"]).output().unwrap();
    assert!(String::from_utf8_lossy(&history.stdout).contains("app:1"));

    place.write("app/deep/er/file", "changed\n");
    let told = said(remote(&place, BUILDER, &address, &options), 0);
    assert!(
        told.contains("1 of 7 files of the context were sent, 8 bytes"),
        "{told}"
    );
    let told = said(remote(&place, BUILDER, &address, &options), 0);
    assert!(
        told.contains("0 of 7 files of the context were sent, 0 bytes"),
        "{told}"
    );
    // Another client has to send everything: that the server has it tells nothing to who does not.
    let told = said(remote(&place, OTHER, &address, &options), 0);
    assert!(told.contains("7 of 7 files of the context were sent"), "{told}");
}

#[test]
fn times_of_files_are_those_of_this_machine_when_a_time_is_given() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY . /\n");
    let old = fs::File::options()
        .write(true)
        .open(place.path("app/Dockerfile"))
        .unwrap();
    old.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .unwrap();
    let server = start(&place);
    let mut here = client(&place, "local");
    here.args(["build", "-q", "app", "-o", "type=oci,dest=here.tar"]);
    here.env("SOURCE_DATE_EPOCH", "1700000000");
    assert!(here.status().unwrap().success());
    let mut there = remote(
        &place,
        BUILDER,
        &server.address.to_string(),
        &["-o", "type=oci,dest=there.tar"],
    );
    there.env("SOURCE_DATE_EPOCH", "1700000000");
    said(there, 0);
    same_archives(&place);
}

/// The last lines, from the error on.
fn failure(said: &str) -> String {
    let at = said.find("error: ").unwrap_or_else(|| panic!("no error: {said}"));
    said[at..].into()
}

#[test]
fn a_step_that_fails_says_the_same_and_ends_the_same() {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        &format!("FROM {BASE}\nRUN echo before; exit 3\n"),
    );
    ["store", "local"]
        .iter()
        .for_each(|store| give_base(&place, store));
    let server = start(&place);
    let here = local(&place, &[]);
    let there = remote(&place, BUILDER, &server.address.to_string(), &[])
        .output()
        .unwrap();
    assert_eq!(here.status.code(), there.status.code());
    let texts = [&here, &there].map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(failure(&texts[0]), failure(&texts[1]));
    assert!(
        texts[1].contains("Dockerfile:2") && texts[1].contains("before"),
        "{}",
        texts[1]
    );
    place.write("app/Dockerfile", "FROM scratch\nCOPY missing /\n");
    let here = local(&place, &[]);
    let there = remote(&place, BUILDER, &server.address.to_string(), &[])
        .output()
        .unwrap();
    let texts = [&here, &there].map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(failure(&texts[0]), failure(&texts[1]));
}

#[test]
fn what_does_not_leave_this_machine_is_refused() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    place.write("key", "k");
    let server = start(&place);
    let address = server.address.to_string();
    for options in [
        &["--secret", "id=x,src=key"][..],
        &["--allow", "security.insecure"],
        &["--network", "host"],
        &["--cache-to", "type=local,dest=c"],
        &["--sbom", "true"],
        &["-o", "type=oci,dest=x.tar,compression=zstd"],
        &["--offline"],
        &["--dry-run"],
    ] {
        let told = said(remote(&place, BUILDER, &address, options), 1);
        assert!(
            told.contains("cannot be used with --remote"),
            "{options:?}: {told}"
        );
    }
    assert_eq!(
        server.get(READER, "/v1/builds").json()["builds"],
        json!([]),
        "nothing was asked of the server"
    );
    let told = said(
        remote(
            &place,
            BUILDER,
            &address,
            &["--build-context", "b=oci-layout://ctx/base"],
        ),
        1,
    );
    assert!(told.contains("is not sent to a build server"), "{told}");
    let mut clear = remote(&place, BUILDER, "192.0.2.1:80", &[]);
    clear.stdin(Stdio::null());
    assert!(said(clear, 1).contains("in clear"));
    let mut none = client(&place, "own");
    none.args(["build", "--remote", &format!("http://{address}"), "app"]);
    assert!(said(none, 2).contains("--remote-token-file"));
    let file = token(&place, BUILDER);
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let mut open = client(&place, "own");
    open.args(["build", "--remote", &format!("http://{address}"), "app"]);
    open.env("PRAXIS_REMOTE_TOKEN_FILE", &file);
    assert!(said(open, 2).contains("chmod 0600"));
}

#[test]
fn service_row_02_a_wrong_token_and_the_tier_readonly_build_nothing() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let server = start(&place);
    let address = server.address.to_string();
    let told = said(remote(&place, "stranger-0123456789abcdefghijk", &address, &[]), 1);
    assert!(
        told.contains("a known token is needed") && !told.contains("abcdefghijk"),
        "{told}"
    );
    let told = said(remote(&place, READER, &address, &[]), 1);
    assert!(told.contains("needs the tier guarded"), "{told}");
    assert!(fs::read_dir(place.path("store/sent")).unwrap().next().is_none());
    assert_eq!(place.builds(), 0);
}

#[test]
fn service_row_11_lists_that_lead_out_of_the_context_are_refused() {
    let place = Place::new();
    let server = start(&place);
    let directory = |path: &str| entry(path, json!({"kind": "directory"}));
    let deep = "a/".repeat(130) + "a";
    let device = entry("d", json!({"kind": "block", "major": 8, "minor": 0}));
    for (entries, says) in [
        (json!([file("../x", b"x")]), "a path is relative"),
        (json!([file("/etc/passwd", b"x")]), "a path is relative"),
        (
            json!([directory("a"), file("a/../../x", b"x")]),
            "a path is relative",
        ),
        (json!([link("a", "/etc"), file("a/passwd", b"x")]), "no directory"),
        (json!([file("a", b"x"), file("a", b"y")]), "twice"),
        (json!([file(&deep, b"x")]), "too deep"),
        (
            json!([entry("a", json!({"kind": "link", "target": "/etc/passwd"}))]),
            "a path is relative",
        ),
        (json!([device]), "no list of a context"),
        (
            json!([entry(
                "a",
                json!({"kind": "file", "size": 1, "content": "sha256:../../x"})
            )]),
            "no list",
        ),
    ] {
        let answer = post(&server, BUILDER, "/v1/contexts", &listed(entries));
        assert_eq!(answer.status, 400, "{says}: {}", answer.text());
        assert!(answer.text().contains(says), "{says}: {}", answer.text());
    }
    let many: Vec<Value> = (0..200_001)
        .map(|number| file(&format!("{number:06}"), b""))
        .collect();
    let answer = post(&server, BUILDER, "/v1/contexts", &listed(json!(many)));
    assert!(matches!(answer.status, 400 | 413), "{}", answer.status);
    assert_eq!(
        post(&server, READER, "/v1/contexts", &listed(json!([]))).status,
        403
    );
    // A link out of the context is what it is on any machine: inside of the context there is no such file.
    let list = json!([link("out", "/etc/passwd")]);
    let known = post(&server, BUILDER, "/v1/contexts", &listed(list)).json();
    let path = format!("/v1/contexts/{}/build", known["context"].as_str().unwrap());
    assert_eq!(
        post(&server, BUILDER, &path, &json!({})).events().last().unwrap()["result"]["status"],
        "done"
    );
    let secret = post(&server, BUILDER, &path, &json!({"secrets": {"a": "b"}}));
    assert_eq!(secret.status, 403, "{}", secret.text());
}

#[test]
fn service_row_15_a_digest_alone_opens_nothing_of_another_client() {
    let place = Place::new();
    let server = start(&place);
    let list = listed(json!([file("a", b"private")]));
    let context = |who: &str| {
        let known = post(&server, who, "/v1/contexts", &list);
        assert_eq!(known.status, 201, "{}", known.text());
        known.json()
    };
    let first = context(BUILDER);
    let id = first["context"].as_str().unwrap();
    assert_eq!(
        put(&server, BUILDER, id, b"privatE").status,
        422,
        "another digest"
    );
    assert_eq!(kept(&place), 0);
    assert_eq!(put(&server, BUILDER, id, b"privat").status, 400, "another length");
    assert_eq!(
        put(&server, OTHER, id, b"private").status,
        404,
        "another's context"
    );
    assert_eq!(put(&server, BUILDER, id, b"private").status, 204);
    assert_eq!(kept(&place), 1);
    let built = post(&server, BUILDER, &format!("/v1/contexts/{id}/build"), &json!({}));
    let image = built.events().last().unwrap()["image"]["digest"]
        .as_str()
        .unwrap()
        .to_string();
    let part = |who: &str, context: &str, digest: &str| {
        server
            .get(who, &format!("/v1/contexts/{context}/parts/{digest}"))
            .status
    };
    assert_eq!(part(BUILDER, id, &image), 200);
    assert_eq!(
        part(BUILDER, id, &Digest::of(b"private").to_string()),
        404,
        "no part of an image"
    );
    assert_eq!(part(OTHER, id, &image), 404);

    let second = context(OTHER);
    assert_eq!(second["bytes"], 7, "the server does not say that it has it");
    let other = second["context"].as_str().unwrap();
    assert_eq!(part(OTHER, other, &image), 404);
    let without = post(&server, OTHER, &format!("/v1/contexts/{other}/build"), &json!({}));
    assert_eq!(without.status, 422, "{}", without.text());
    let bearer = bearer(OTHER);
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(
        server
            .request("DELETE", &format!("/v1/contexts/{id}"), &headers, b"")
            .status,
        404
    );
}

#[test]
fn service_row_14_what_comes_in_part_is_not_kept_and_what_came_whole_is() {
    let place = Place::new();
    let server = start(&place);
    let list = listed(json!([file("a", b"first"), file("b", b"second")]));
    let known = post(&server, BUILDER, "/v1/contexts", &list).json();
    assert_eq!(known["bytes"], 11);
    let path = format!("/v1/contexts/{}/files", known["context"].as_str().unwrap());
    let bearer = bearer(BUILDER);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/octet-stream"),
    ];
    let lacking = known["lacking"].as_array().unwrap().len();
    assert_eq!(lacking, 2);
    let first: &[u8] = match known["lacking"][0] == Digest::of(b"first").to_string() {
        true => b"firstse",
        false => b"secondfi",
    };
    let mut stream = server.connect();
    let head = server.head("PUT", &path, &headers);
    write!(stream, "{head}content-length: 11\r\n\r\n").unwrap();
    stream.write_all(first).unwrap();
    until("the first does not come", || kept(&place) == 1);
    drop(stream);
    until("something is left", || half_written(&place, "store") == 0);
    assert_eq!(kept(&place), 1);
    let again = post(&server, BUILDER, "/v1/contexts", &list).json();
    assert_eq!(again["lacking"].as_array().unwrap().len(), 1, "{again}");
    let build = json!({"source_date_epoch": i64::MAX});
    let path = format!("/v1/contexts/{}/build", again["context"].as_str().unwrap());
    assert_eq!(post(&server, BUILDER, &path, &build).status, 400);
}

fn in_background(mut command: Command) -> Child {
    let command = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .stdin(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn service_row_14_a_client_that_is_stopped_or_gone_stops_its_build() {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        &format!("FROM {BASE}\nCOPY a /\nRUN while true; do sleep 1; done\n"),
    );
    place.write("app/a", "a");
    give_base(&place, "store");
    let server = start(&place);
    let running = |count: &str| {
        let line = format!("praxis_jobs_running {count}\n");
        server.get(READER, "/metrics").text().contains(&line)
    };
    for (signal, status) in [(Signal::INT, Some(130)), (Signal::KILL, None)] {
        let mut child = in_background(remote(&place, BUILDER, &server.address.to_string(), &[]));
        until("it does not begin", || running("1"));
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), status);
        until("it goes on", || running("0"));
        let builds = server.get(READER, "/v1/builds").json();
        assert_eq!(builds["builds"][0]["status"], "cancelled", "{builds}");
        until("something is left", || half_written(&place, "store") == 0);
    }
}

/// Stands between client and server, and changes what the server says.
fn between(
    server: &Arc<Server>,
    change: impl Fn(&WebRequest, Answer) -> WebAnswer + Send + Sync + 'static,
) -> WebServer {
    let server = server.clone();
    WebServer::start(move |request| {
        let headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .filter(|(name, _)| matches!(name.as_str(), "authorization" | "content-type"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let answer = server.request(&request.method, &request.path, &headers, &request.body);
        change(request, answer)
    })
}

fn passed(answer: &Answer, body: Vec<u8>) -> WebAnswer {
    let kind = answer
        .header("content-type")
        .unwrap_or("application/json")
        .to_string();
    WebAnswer::status(answer.status)
        .with("content-type", kind)
        .and_body(body)
}

#[test]
fn row_29_a_server_that_gives_other_content_is_refused_and_nothing_stays() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let server = Arc::new(start(&place));
    for (number, length) in [(0, 0), (1, 0), (1, 1)] {
        let parts = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let lying = between(&server, move |request, answer| {
            let mut body = answer.body.clone();
            let is_part = request.path.contains("/parts/");
            if is_part && parts.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= number {
                body[0] ^= 1;
                body.truncate(body.len() - length);
            }
            passed(&answer, body)
        });
        let told = said(
            remote(
                &place,
                BUILDER,
                lying.authority(),
                &["-t", "app:1", "-o", "type=oci,dest=x.tar"],
            ),
            1,
        );
        assert!(told.contains("it gave other content"), "{told}");
        let mut inspect = client(&place, "own");
        assert!(
            !inspect
                .args(["inspect", "app:1"])
                .output()
                .unwrap()
                .status
                .success()
        );
        assert!(!place.path("x.tar").exists());
        assert_eq!(half_written(&place, "own"), 0);
        let blobs = fs::read_dir(place.path("own/blobs/sha256")).unwrap();
        assert_eq!(blobs.count(), 0);
    }
}

#[test]
fn a_server_that_tells_wild_things_breaks_nothing() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let server = Arc::new(start(&place));
    let step = |needs: u64| json!({"stage": "a", "position": 1, "count": 1, "name": "x\u{1b}[2J", "line": 1, "needs": [needs]});
    let events = [
        json!({"event": "output", "step": 9, "stream": 1, "text": "x"}),
        json!({"event": "planned", "first": 7, "steps": [step(0)]}),
        json!({"event": "planned", "first": 0, "steps": [step(99)]}),
        json!({"event": "planned", "first": 0, "steps": [step(0)]}),
        json!({"event": "finished", "step": u64::MAX, "cached": true, "took": -1.0}),
        json!({"event": "failed", "step": u64::MAX, "error": "x"}),
        json!({"event": "unheard of"}),
        json!({"event": "output", "step": 0, "stream": 1, "text": "\u{1b}]52;c;eA==\u{7}plain"}),
    ];
    let text: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let wild = between(&server, move |request, answer| {
        let mut body = answer.body.clone();
        if request.path.ends_with("/build") {
            body = [text.as_bytes(), &body].concat();
        }
        passed(&answer, body)
    });
    let told = said(remote(&place, BUILDER, wild.authority(), &[]), 0);
    assert!(told.contains("plain") && !told.contains('\u{1b}'), "{told}");
    let cut = between(&server, |request, answer| {
        let body = answer.body.clone();
        match request.path.ends_with("/build") {
            true => passed(
                &answer,
                b"data: {\"event\":\"begun\",\"build\":\"x\"}\n\n".to_vec(),
            ),
            false => passed(&answer, body),
        }
    });
    let told = said(remote(&place, BUILDER, cut.authority(), &[]), 1);
    assert!(
        told.contains("the connection ended before the build did"),
        "{told}"
    );
    let asking = between(&server, |request, answer| {
        let mut body = answer.json_or_null();
        if request.path == "/v1/contexts" {
            body["lacking"] = json!([Digest::of(b"something else of yours").to_string()]);
        }
        passed(&answer, body.to_string().into_bytes())
    });
    let told = said(remote(&place, BUILDER, asking.authority(), &[]), 1);
    assert!(
        told.contains("asks for files that are not in the context"),
        "{told}"
    );
}

/// What was built here and what was built there are the same bytes.
#[track_caller]
fn same_archives(place: &Place) {
    assert_eq!(
        fs::read(place.path("here.tar")).unwrap(),
        fs::read(place.path("there.tar")).unwrap()
    );
}

#[test]
fn several_platforms_policy_and_commit_are_as_here() {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        "FROM scratch\nARG TARGETARCH\nCOPY . /\nLABEL arch=$TARGETARCH\n",
    );
    place.write("app/praxis.toml", "[image]\nset-labels = true\n");
    place.write("app/.dockerignore", ".git\npraxis.toml\n");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-C"]);
        let done = command.arg(place.path("app")).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q"]);
    git(&["remote", "add", "origin", "https://user:secret@example.org/a.git"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "x", "--date", "2001-02-03T04:05:06Z"]);
    let server = start(&place);
    let address = server.address.to_string();
    let platforms = ["--platform", "linux/amd64,linux/arm64"];
    let here = local(
        &place,
        &[&platforms[..], &["-o", "type=oci,dest=here.tar"]].concat(),
    );
    assert!(here.status.success(), "{}", String::from_utf8_lossy(&here.stderr));
    let there = [
        &platforms[..],
        &["-o", "type=oci,dest=there.tar", "-o", "type=local,dest=files"],
    ]
    .concat();
    said(remote(&place, BUILDER, &address, &there), 0);
    same_archives(&place);
    assert!(place.path("files/linux_arm64/Dockerfile").is_file());
    let here = local(&place, &["-t", "app:1", "-o", "type=docker,dest=here.tar"]);
    assert!(here.status.success());
    said(
        remote(
            &place,
            BUILDER,
            &address,
            &["-t", "app:1", "-o", "type=docker,dest=there.tar"],
        ),
        0,
    );
    same_archives(&place);
    let archive = fs::read(place.path("there.tar")).unwrap();
    let holds = |text: &str| {
        archive
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds("https://example.org/a.git") && !holds("secret"));
}

#[test]
fn a_dockerfile_on_standard_input_and_one_beside_the_context_go_along() {
    let place = Place::new();
    place.write("app/a", "a");
    place.write("other/Containerfile", "FROM scratch\nCOPY a /b\n");
    place.write("other/Containerfile.dockerignore", "b\n");
    let server = start(&place);
    let address = server.address.to_string();
    let mut piped = remote(
        &place,
        BUILDER,
        &address,
        &["-f", "-", "-o", "type=local,dest=one"],
    );
    piped.stdin(fs::File::open(place.path("other/Containerfile")).unwrap());
    said(piped, 0);
    let beside = ["-f", "other/Containerfile", "-o", "type=local,dest=two"];
    said(remote(&place, BUILDER, &address, &beside), 0);
    assert!(place.path("one/b").is_file() && place.path("two/b").is_file());
}

#[test]
fn cache_mounts_are_of_one_client() {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        &format!(
            "FROM {BASE}\nARG TURN\nRUN --mount=type=cache,id=c,target=/c ls /c > /seen; touch /c/mine\n"
        ),
    );
    give_base(&place, "store");
    let server = start(&place);
    let address = server.address.to_string();
    let build = |who: &str, name: &str| {
        let (turn, output) = (format!("TURN={name}"), format!("type=local,dest={name}"));
        said(
            remote(&place, who, &address, &["--build-arg", &turn, "-o", &output]),
            0,
        );
        fs::read_to_string(place.path(name).join("seen")).unwrap()
    };
    assert_eq!(build(BUILDER, "one"), "");
    assert_eq!(build(BUILDER, "two"), "mine\n");
    assert_eq!(build(OTHER, "three"), "");
}

#[test]
fn what_a_client_sends_is_bounded_and_makes_room_for_what_is_newer() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY big /\n");
    let server = Server::start(&place, &["--max-sent", "1000"]);
    let address = server.address.to_string();
    for byte in ["a", "b"] {
        place.write("app/big", &byte.repeat(700));
        said(remote(&place, BUILDER, &address, &[]), 0);
        assert_eq!(kept(&place), 2, "the Dockerfile and the last file");
    }
    place.write("app/big", &"c".repeat(1001));
    let told = said(remote(&place, BUILDER, &address, &[]), 1);
    assert!(told.contains("larger than the 1000 bytes"), "{told}");
    assert_eq!(half_written(&place, "store"), 0);
}

#[test]
fn an_image_that_another_was_given_is_asked_for_again() {
    let place = Place::new();
    let registry = WebServer::start(|_| WebAnswer::status(401));
    let name = format!("{}/private:1", registry.authority());
    let mut copy = client(&place, "store");
    copy.args(["copy", "oci-layout:ctx/base", &format!("store:{name}")]);
    said(copy, 0);
    let server = Server::start(&place, &["--allow-address", "127.0.0.1"]);
    let address = server.address.to_string();
    place.write("app/Dockerfile", &format!("FROM {name}\nCOPY Dockerfile /\n"));
    let told = said(remote(&place, BUILDER, &address, &[]), 1);
    assert!(told.contains("not from its registry"), "{told}");
    let mut digest = client(&place, "store");
    let digest = digest.args(["inspect", "--json", &name]).output().unwrap();
    let digest: Value = serde_json::from_slice(&digest.stdout).unwrap();
    let pinned = format!(
        "FROM {name}@{}\nCOPY Dockerfile /\n",
        digest["digest"].as_str().unwrap()
    );
    place.write("app/Dockerfile", &pinned);
    let told = said(remote(&place, BUILDER, &address, &[]), 1);
    assert!(told.contains("not from its registry"), "{told}");
    said(remote(&place, crate::web::ADMIN, &address, &[]), 0);
}

#[test]
fn the_server_has_to_show_a_certificate_that_is_trusted() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_string()]).unwrap();
    fs::write(place.path("cert.pem"), own.cert.pem()).unwrap();
    place.write("key.pem", &own.signing_key.serialize_pem());
    fs::set_permissions(place.path("key.pem"), PermissionsExt::from_mode(0o600)).unwrap();
    let server = Server::start(&place, &["--tls-certificate", "cert.pem", "--tls-key", "key.pem"]);
    let file = token(&place, BUILDER);
    let build = |options: &[&str]| {
        let mut command = client(&place, "own");
        command.args(["build", "--progress", "plain", "app", "--remote"]);
        command.arg(format!("https://{}", server.address)).args(options);
        command.env("PRAXIS_REMOTE_TOKEN_FILE", &file);
        command
    };
    let told = said(build(&[]), 1);
    assert!(told.contains("TLS failed"), "{told}");
    let told = said(build(&["--remote-ca", "cert.pem"]), 0);
    assert!(told.contains("1 of 1 files"), "{told}");
}
