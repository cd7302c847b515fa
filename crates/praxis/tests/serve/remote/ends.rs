//! What comes in part, and clients that go away.

use super::*;

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
