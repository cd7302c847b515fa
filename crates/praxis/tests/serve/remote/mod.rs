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

mod clients;
mod ends;
mod lies;
mod refused;
mod same;

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
