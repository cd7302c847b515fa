//! What several clients share, and what not; the server's certificate.

use super::*;

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
