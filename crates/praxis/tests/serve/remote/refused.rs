//! What is not sent, and what a server does not take.

use super::*;

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
