//! Timestamps by an authority of openssl's.

use praxis_testkit::{Stamper, later_program};
use serde_json::Value;

use crate::{Place, success};

const VALID: (&str, &str) = ("20200101000000Z", "20900101000000Z");

/// Signs the image with a timestamp and writes the trusted root beside.
fn signed(place: &Place, stamper: &Stamper, name: &str) {
    let (address, chain) = (stamper.address(), stamper.chain());
    let chain = chain.to_str().unwrap();
    let authority = ["--timestamp-server", &address, "--timestamp-certs", chain];
    place.good(&[&["sign", name, "--key", "own.key"][..], &authority].concat());
    place.good(
        &[
            &[
                "attest",
                name,
                "--content",
                "app:1",
                "--type",
                "spdx",
                "--key",
                "own.key",
            ][..],
            &authority,
        ]
        .concat(),
    );
    place.write(
        "root.json",
        &place.good(&[&["key", "trusted-root"][..], &authority].concat()),
    );
}

#[test]
fn cosign_believes_the_time() {
    for key in ["EC", "RSA"] {
        let place = Place::new();
        let stamper = Stamper::start(&place.path("tsa"), key, VALID);
        let digest = place.build("app:1");
        signed(&place, &stamper, "app:1");
        let verify = [
            "verify",
            "app:1",
            "--key",
            "own.pub",
            "--trusted-root",
            "root.json",
            "--type",
            "spdx",
            "--json",
        ];
        let found: Value = serde_json::from_str(&place.good(&verify)).unwrap();
        let time = found["parts"][0]["signatures"][0]["times"][0].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        let registry = place.registry();
        let name = format!("{}/app", registry.authority());
        place.good(&["copy", "--referrers", "app:1", &format!("docker://{name}:1")]);
        let pinned = format!("{name}@{digest}");
        let flags = [
            "--key",
            "own.pub",
            "--insecure-ignore-tlog",
            "--use-signed-timestamps",
            "--trusted-root",
            "root.json",
        ];
        let cosign = later_program("cosign", "cosign");
        success(place.program(&cosign, &[&["verify"][..], &flags, &[&pinned]].concat()));
        let attested = ["verify-attestation", "--type", "spdxjson"];
        success(place.program(&cosign, &[&attested[..], &flags, &[&pinned]].concat()));
    }
}

#[test]
fn times_that_are_not_believed() {
    let place = Place::new();
    let stamper = Stamper::start(&place.path("tsa"), "EC", VALID);
    place.build("app:1");
    place.good(&["copy", "app:1", "oci-layout:plain:1"]);
    place.good(&["sign", "oci-layout:plain:1", "--key", "own.key"]);
    signed(&place, &stamper, "app:1");
    let refused =
        |image: &str, root: &str| place.bad(&["verify", image, "--key", "own.pub", "--trusted-root", root]);
    let said = refused("oci-layout:plain:1", "root.json");
    assert!(said.contains("it has no timestamp"), "{said}");
    // Another authority; the same one, trusted until before that time.
    let other = Stamper::start(&place.path("other"), "EC", VALID);
    let (address, chain) = (other.address(), other.chain());
    let root = place.good(&[
        "key",
        "trusted-root",
        "--timestamp-server",
        &address,
        "--timestamp-certs",
        chain.to_str().unwrap(),
    ]);
    place.write("other.json", &root);
    let said = refused("app:1", "other.json");
    assert!(
        said.contains("by an authority that is not believed") || said.contains("its signature is wrong"),
        "{said}"
    );
    let mut ended: Value = serde_json::from_slice(&std::fs::read(place.path("root.json")).unwrap()).unwrap();
    ended["timestampAuthorities"][0]["validFor"]["end"] = "2021-01-01T00:00:00Z".into();
    place.write("ended.json", &ended.to_string());
    let said = refused("app:1", "ended.json");
    assert!(said.contains("its authority is not trusted for 20"), "{said}");
    // A certificate for something else in the place of the authority's.
    let mut swapped: Value =
        serde_json::from_slice(&std::fs::read(place.path("root.json")).unwrap()).unwrap();
    let chain = &mut swapped["timestampAuthorities"][0]["certChain"]["certificates"];
    chain[0] = chain[1].clone();
    place.write("swapped.json", &swapped.to_string());
    let said = refused("app:1", "swapped.json");
    assert!(said.contains("by an authority that is not believed"), "{said}");
}

#[test]
fn answers_that_are_not_taken() {
    let place = Place::new();
    place.build("app:1");
    let sign = |stamper: &Stamper, image: &str| {
        let (address, chain) = (stamper.address(), stamper.chain());
        let chain = chain.to_str().unwrap();
        let sign = [
            "sign",
            image,
            "--key",
            "own.key",
            "--timestamp-server",
            &address,
            "--timestamp-certs",
            chain,
        ];
        place.bad(&sign)
    };
    // The certificate has expired when the time is told.
    let expired = Stamper::start(
        &place.path("expired"),
        "EC",
        ("20200101000000Z", "20210101000000Z"),
    );
    let said = sign(&expired, "app:1");
    assert!(said.contains("not believed at that time"), "{said}");
    // The answer to an earlier question.
    let stamper = Stamper::start(&place.path("tsa"), "EC", VALID);
    signed(&place, &stamper, "app:1");
    stamper.replay();
    place.write("app/file", "other");
    place.build("app:2");
    let said = sign(&stamper, "app:2");
    assert!(said.contains("it is of another signature"), "{said}");
    place.good(&["copy", "app:1", "oci-layout:again:1"]);
    place.write("app/file", "content");
    let said = sign(&stamper, "oci-layout:again:1");
    assert!(
        said.contains("another signature") || said.contains("the nonce differs"),
        "{said}"
    );
    // Half of what it takes.
    let half = place.program(
        env!("CARGO_BIN_EXE_praxis"),
        &[
            "sign",
            "app:1",
            "--key",
            "own.key",
            "--timestamp-server",
            "http://127.0.0.1:1/",
        ],
    );
    assert_eq!(half.status.code(), Some(2));
    let said = String::from_utf8_lossy(&half.stderr).into_owned();
    assert!(said.contains("--timestamp-certs"), "{said}");
}

#[test]
fn a_checkpoint_of_the_ledger_holds_when_it_was_so() {
    let place = Place::new();
    let stamper = Stamper::start(&place.path("tsa"), "EC", VALID);
    place.build("app:1");
    signed(&place, &stamper, "app:1");
    let (address, chain) = (stamper.address(), stamper.chain());
    let authority = [
        "--timestamp-server",
        &address,
        "--timestamp-certs",
        chain.to_str().unwrap(),
    ];
    place.good(&[&["ledger", "checkpoint", "-o", "timed"][..], &authority].concat());
    place.good(&["ledger", "checkpoint", "-o", "plain"]);
    let verify = |file: &'static str| {
        [
            "ledger",
            "verify",
            "--checkpoint",
            file,
            "--trusted-root",
            "root.json",
        ]
    };
    place.good(&verify("timed"));
    let said = place.bad(&verify("plain"));
    assert!(said.contains("it has no timestamp"), "{said}");
    // The timestamp of one state under another.
    place.write("app/file", "other");
    place.build("app:2");
    let timed = std::fs::read_to_string(place.path("timed")).unwrap();
    let other = place.good(&["ledger", "checkpoint"]);
    place.write(
        "forged",
        &(other
            + timed
                .split_at(timed.find("\n\n").unwrap())
                .1
                .trim_start_matches('\n')),
    );
    let said = place.bad(&verify("forged"));
    assert!(said.contains("it is of another signature"), "{said}");
}
