//! Logs of signatures, and of certificates: what they have to say, and the lies of both.

use praxis_testkit::{CertificateLog, CertifierOptions, Lie, Witness, later_program, sigstore_python};
use serde_json::{Value, json};

use crate::keyless::{ISSUER, Identified, WORKFLOW, verify, words};
use crate::negatives::forge;
use crate::release::{project, release};
use crate::success;

const LAYOUT: &str = "oci-layout:layout:1";

/// An image in a layout, signed by the identity as the second entry of the log.
fn logged() -> Identified {
    let here = Identified::new();
    here.place.build("app:0");
    here.sign("app:0");
    here.place.write("app/file", "other content");
    here.place.build("app:1");
    here.place.good(&["copy", "app:1", LAYOUT]);
    here.sign(LAYOUT);
    assert_eq!(here.witness.size(), 2);
    here.place.good(&verify(LAYOUT, WORKFLOW, ISSUER));
    here
}

/// Replaces the log entry of the image in the layout.
fn entry(here: &Identified, entry: &Value) {
    forge(&here.place, |bundle, _| {
        bundle["verificationMaterial"]["tlogEntries"] = Value::Array(vec![entry.clone()]);
    });
}

/// What an entry that lies so is refused with.
fn refused(lie: Lie) -> String {
    let here = logged();
    entry(&here, &here.witness.entry(1, Lie::None));
    here.place.good(&verify(LAYOUT, WORKFLOW, ISSUER));
    entry(&here, &here.witness.entry(1, lie));
    here.refused(LAYOUT, WORKFLOW, ISSUER)
}

#[test]
fn row_69_the_entry_of_another_signature() {
    let said = refused(Lie::OtherEntry);
    assert!(
        said.contains("the log entry: it is of another signature"),
        "{said}"
    );
}

#[test]
fn row_69_a_body_that_was_changed() {
    let said = refused(Lie::Body);
    assert!(
        said.contains("the log entry: it is of another signature"),
        "{said}"
    );
}

#[test]
fn row_69_a_checkpoint_by_another_key() {
    let said = refused(Lie::Key);
    assert!(said.contains("not signed by the log's key"), "{said}");
}

#[test]
fn row_69_the_proof_of_another_leaf() {
    let said = refused(Lie::Leaf);
    assert!(said.contains("not in the tree of its checkpoint"), "{said}");
}

#[test]
fn row_69_a_checkpoint_from_before_the_entry() {
    let said = refused(Lie::Stale);
    assert!(said.contains("not in the tree of its checkpoint"), "{said}");
}

#[test]
fn row_69_a_checkpoint_of_another_root() {
    let said = refused(Lie::Root);
    assert!(said.contains("not in the tree of its checkpoint"), "{said}");
}

#[test]
fn row_69_a_checkpoint_of_a_log_of_another_name() {
    let said = refused(Lie::Origin);
    assert!(
        said.contains("its checkpoint is of \"log.example.test\""),
        "{said}"
    );
}

#[test]
fn row_69_a_log_that_is_not_believed() {
    let here = logged();
    let other = Witness::start(&here.place.path("other-log"));
    let key = other.key().display().to_string();
    let log = [
        "--rekor-url".into(),
        here.witness.address(),
        "--rekor-key".into(),
        key,
    ];
    here.root("root.json", &log);
    let said = here.refused(LAYOUT, WORKFLOW, ISSUER);
    assert!(said.contains("in a log that is not believed"), "{said}");
}

#[test]
fn what_is_said_twice_is_said_alike() {
    let here = logged();
    for field in ["logIndex", "treeSize", "rootHash"] {
        let mut twice = here.witness.entry(1, Lie::None);
        twice["inclusionProof"][field] = match field {
            "rootHash" => here.witness.entry(1, Lie::Root)["inclusionProof"]["rootHash"].clone(),
            _ => "7".into(),
        };
        entry(&here, &twice);
        let said = here.refused(LAYOUT, WORKFLOW, ISSUER);
        assert!(said.contains("of another tree than its checkpoint"), "{said}");
    }
    let mut other = here.witness.entry(1, Lie::None);
    other["kindVersion"]["version"] = "0.0.3".into();
    entry(&here, &other);
    let said = here.refused(LAYOUT, WORKFLOW, ISSUER);
    assert!(said.contains("hashedrekord/0.0.3 are not known"), "{said}");
}

#[test]
fn row_69_a_missing_entry_where_one_is_required() {
    let here = logged();
    forge(&here.place, |bundle, _| {
        bundle["verificationMaterial"]["tlogEntries"] = Value::Array(Vec::new());
    });
    // Nobody said that it has to be there.
    here.place.good(&verify(LAYOUT, WORKFLOW, ISSUER));
    let asked = [&verify(LAYOUT, WORKFLOW, ISSUER)[..], &["--require-log"]].concat();
    let said = here.place.bad(&asked);
    assert!(said.contains("no log has it"), "{said}");
    let policy = |lines: &str| {
        let text = format!("[verify]\ntrusted-root = \"../root.json\"\n{lines}");
        here.place.write("policy/praxis.toml", &text);
        here.place.program(
            env!("CARGO_BIN_EXE_praxis"),
            &["verify", LAYOUT, "--policy", "policy"],
        )
    };
    let identity = format!("[[verify.identities]]\nname = \"{WORKFLOW}\"\nissuer = \"{ISSUER}\"\n");
    success(policy(&identity));
    for lines in [
        format!("require-log = true\n{identity}"),
        format!("{identity}require-log = true\n"),
    ] {
        let output = policy(&lines);
        assert_eq!(output.status.code(), Some(1), "{lines}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("no log has it"), "{said}");
    }
}

#[test]
fn a_key_signs_into_a_log_too() {
    let here = Identified::new();
    let digest = here.place.build("app:1");
    let key = ["sign", "app:1", "--key", "own.key"];
    let (times, log) = (here.times(), here.log());
    let sealed = [words(&times), words(&log)].concat();
    here.place.good(&[&key[..], &words(&times)].concat());
    // One of two keys has to be in the log, as a policy says.
    here.place.write(
        "policy/praxis.toml",
        "[verify]\ntrusted-root = \"../root.json\"\nkeys = [\"../other.pub\", { file = \"../own.pub\", require-log = true }]\n",
    );
    let policy = ["verify", "app:1", "--policy", "policy"];
    let said = here.place.bad(&policy);
    assert!(said.contains("no log has it"), "{said}");
    // What the log has not is signed again; what it has stays.
    let said = here.place.good(&[&key[..], &sealed].concat());
    assert!(said.contains("  signed: "), "{said}");
    let said = here.place.good(&[&key[..], &sealed].concat());
    assert!(said.contains("  was signed: "), "{said}");
    assert_eq!(here.witness.size(), 1);
    let asked = [
        "verify",
        "app:1",
        "--trusted-root",
        "root.json",
        "--require-log",
        "--key",
    ];
    here.place.good(&[&asked[..], &["own.pub"]].concat());
    let said = here.place.bad(&[&asked[..], &["other.pub"]].concat());
    assert!(said.contains("signed with another key"), "{said}");
    here.place.good(&policy);

    let registry = here.place.registry();
    let name = format!("{}/app", registry.authority());
    here.place
        .good(&["copy", "--referrers", "app:1", &format!("docker://{name}:1")]);
    let pinned = format!("{name}@{digest}");
    let cosign = [
        "verify",
        "--key",
        "own.pub",
        "--use-signed-timestamps",
        "--trusted-root",
        "root.json",
    ];
    let program = later_program("cosign", "cosign");
    success(here.place.program(&program, &[&cosign[..], &[&pinned]].concat()));
}

#[test]
fn what_a_log_must_not_answer() {
    let here = logged();
    let registry = here.place.registry();
    let name = format!("{}/app", registry.authority());
    let there = format!("docker://{name}:1");
    here.place.good(&["copy", "app:1", &there]);
    for (lie, why) in [
        (Lie::Silent, "the log of signatures"),
        (Lie::OtherEntry, "it is of another signature"),
        (Lie::Body, "it is of another signature"),
        (Lie::Key, "not signed by the log's key"),
        (Lie::Leaf, "not in the tree of its checkpoint"),
        (Lie::Stale, "not in the tree of its checkpoint"),
        (Lie::Root, "not in the tree of its checkpoint"),
        (Lie::Origin, "its checkpoint is of"),
    ] {
        here.witness.lie(lie);
        let said = here
            .place
            .bad(&[&["sign", &there][..], &words(&here.identity())].concat());
        assert!(said.contains(why), "{lie:?}: {said}");
        let listed = here
            .place
            .good(&["referrers", "list", &format!("{name}:1"), "--json"]);
        assert_eq!(listed.trim(), "[]", "{lie:?}");
    }
    here.witness.lie(Lie::None);
    here.sign(&there);
    here.place.good(&verify(&there, WORKFLOW, ISSUER));
}

#[test]
fn a_log_that_stops_half_way_leaves_nothing() {
    let here = Identified::new();
    here.place.build("app:1");
    let registry = here.place.registry();
    let name = format!("{}/app:1", registry.authority());
    here.place.good(&["copy", "app:1", &format!("docker://{name}")]);
    let there = format!("docker://{name}");
    let identity = here.identity();
    let attest = [
        "attest",
        &there,
        "--content",
        "app:1",
        "--type",
        "spdx",
        "--type",
        "cyclonedx",
    ];
    let attest = [&attest[..], &words(&identity)].concat();
    here.witness.lie(Lie::Full(1));
    let said = here.place.bad(&attest);
    assert!(said.contains("the log of signatures: "), "{said}");
    assert_eq!(here.witness.size(), 1);
    let listed = |count: usize| {
        let listed = here.place.good(&["referrers", "list", &name, "--json"]);
        let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.len(), count);
    };
    listed(0);
    here.witness.lie(Lie::None);
    here.place.good(&attest);
    listed(2);
}

#[test]
fn row_69_certificates_that_their_log_did_not_see() {
    let here = Identified::new();
    here.place.build("app:0");
    here.sign("app:0");
    for (number, log, why) in [
        (
            1,
            CertificateLog::OtherKey,
            "its log did not sign it for this certificate",
        ),
        (
            2,
            CertificateLog::OtherCertificate,
            "its log did not sign it for this certificate",
        ),
        (3, CertificateLog::Nothing, "there is none"),
    ] {
        let options = CertifierOptions {
            log,
            ..CertifierOptions::default()
        };
        let said = here.refused_with(number, options);
        assert!(
            said.contains("the certificate's log timestamp: ") && said.contains(why),
            "{log:?}: {said}"
        );
    }
    // The key of another log.
    let root = std::fs::read_to_string(here.place.path("root.json")).unwrap();
    let mut root: Value = serde_json::from_str(&root).unwrap();
    root["ctlogs"][0]["publicKey"] = root["tlogs"][0]["publicKey"].clone();
    here.place.write("root.json", &root.to_string());
    let said = here.refused("app:0", WORKFLOW, ISSUER);
    assert!(
        said.contains("by no log of certificates that is believed"),
        "{said}"
    );
}

#[test]
fn logs_by_halves_are_refused() {
    let here = Identified::new();
    here.place.build("app:1");
    let log = here.log();
    let log = words(&log);
    let sign = ["sign", "app:1", "--key", "own.key"];
    let verify = ["verify", "app:1", "--key", "own.pub", "--require-log"];
    for (arguments, why) in [
        ([&sign[..], &log[..2]].concat(), "--rekor-key"),
        ([&sign[..], &log[2..]].concat(), "--rekor-url"),
        ([&sign[..], &log, &["--legacy"]].concat(), "in bundles only"),
        (verify.to_vec(), "no log is named that is believed"),
        (vec!["key", "trusted-root"], "who is believed"),
    ] {
        let output = here.place.program(env!("CARGO_BIN_EXE_praxis"), &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(why), "{said}");
    }
    // The root names the log too, at its address.
    let named = [log[0], log[1], log[2], "root.json"];
    here.place.good(&[&sign[..], &named].concat());
    let other = [log[0], "https://log.example.test", log[2], "root.json"];
    let said = here.place.bad(&[&sign[..], &other].concat());
    assert!(
        said.contains("no log of signatures at https://log.example.test"),
        "{said}"
    );
}

#[test]
fn a_release_is_in_the_log_before_anything_is_pushed() {
    let here = Identified::new();
    let digest = project(&here.place);
    let registry = here.place.registry();
    let name = format!("{}/team/tool", registry.authority());
    let (times, log) = (here.times(), here.log());
    let where_to = ["--anonymous", "--repository", &name];
    let more = [&where_to[..], &words(&times), &words(&log)].concat();
    here.witness.lie(Lie::Key);
    let output = release(&here.place, "1.0.0", &more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("not signed by the log's key"),
        "{said}"
    );
    let pinned = format!("docker://{name}@{digest}");
    let said = here.place.bad(&["copy", &pinned, "oci-layout:served"]);
    assert!(said.contains("404"), "{said}");
    here.witness.lie(Lie::None);
    success(release(&here.place, "1.0.0", &more).output().unwrap());
    let asked = [
        "verify",
        &pinned,
        "--key",
        "own.pub",
        "--trusted-root",
        "root.json",
        "--require-log",
    ];
    let types = ["--type", "provenance", "--type", "spdx", "--type", "cyclonedx"];
    here.place.good(&[&asked[..], &types].concat());
    // The same again changes nothing: the log has it.
    let size = here.witness.size();
    success(release(&here.place, "1.0.0", &more).output().unwrap());
    assert_eq!(here.witness.size(), size);
}

/// What sigstore's Python client makes of a whole bundle.
const PYTHON: &str = r#"
import json, sys
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy
root, bundle, name, issuer = sys.argv[1:]
verifier = Verifier(trusted_root=TrustedRoot.from_file(root))
bundle = Bundle.from_json(open(bundle, "rb").read())
kind, payload = verifier.verify_dsse(bundle, policy.Identity(identity=name, issuer=issuer))
print(json.dumps([kind, json.loads(payload)]))
"#;

/// What its command line wants: the root, and where it would sign.
fn trust_config(here: &Identified) -> String {
    let root = std::fs::read_to_string(here.place.path("root.json")).unwrap();
    let services = |address: String, version: u8| json!([{"url": address, "majorApiVersion": version, "validFor": {"start": "2020-01-01T00:00:00Z"}, "operator": "test"}]);
    json!({
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": serde_json::from_str::<Value>(&root).unwrap(),
        "signingConfig": {
            "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
            "caUrls": services(here.certifier.address(), 1),
            "oidcUrls": services(ISSUER.into(), 1),
            "rekorTlogUrls": services(here.witness.address(), 2),
            "tsaUrls": services(here.stamper.address(), 1),
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaConfig": {"selector": "ANY"},
        },
    })
    .to_string()
}

#[test]
fn the_python_client_verifies_whole_bundles() {
    let python = sigstore_python();
    let here = Identified::new();
    let digest = here.place.build("app:1");
    here.sign("app:1");
    let attest = ["attest", "app:1", "--type", "provenance", "--type", "spdx"];
    here.place.good(&[&attest[..], &words(&here.identity())].concat());
    let registry = here.place.registry();
    let name = format!("{}/app:1", registry.authority());
    here.place
        .good(&["copy", "--referrers", "app:1", &format!("docker://{name}")]);
    let listed = here.place.good(&["referrers", "list", &name, "--json"]);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let mut types = Vec::new();
    for one in &listed {
        let bundle = ["referrers", "fetch", &name, one["digest"].as_str().unwrap()];
        here.place.write("bundle.json", &here.place.good(&bundle));
        let client = |issuer: &str| {
            let arguments = ["-c", PYTHON, "root.json", "bundle.json", WORKFLOW, issuer];
            here.place.program(&python, &arguments)
        };
        let said: Value = serde_json::from_str(&success(client(ISSUER))).unwrap();
        assert_eq!(said[0], "application/vnd.in-toto+json");
        assert_eq!(
            format!(
                "sha256:{}",
                said[1]["subject"][0]["digest"]["sha256"].as_str().unwrap()
            ),
            digest
        );
        // Its command line, with the digest of the image alone.
        here.place.write("trust.json", &trust_config(&here));
        let command = [
            "-m",
            "sigstore",
            "--trust-config",
            "trust.json",
            "verify",
            "identity",
            "--bundle",
            "bundle.json",
        ];
        let who = ["--cert-identity", WORKFLOW, "--cert-oidc-issuer", ISSUER, &digest];
        success(here.place.program(&python, &[&command[..], &who].concat()));
        let zeros = format!("sha256:{}", "0".repeat(64));
        let other = [&who[..4], &[&zeros]].concat();
        let refused = here.place.program(&python, &[&command[..], &other].concat());
        let said_of_other = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said_of_other.contains("no subject for digest"), "{said_of_other}");
        types.push(said[1]["predicateType"].as_str().unwrap().to_string());
        println!(
            "sigstore's Python client verifies the whole bundle: {}",
            types.last().unwrap()
        );
        // It would notice: another identity, another log.
        assert!(!client("https://token.other.test").status.success());
        let root = std::fs::read_to_string(here.place.path("root.json")).unwrap();
        let mut other: Value = serde_json::from_str(&root).unwrap();
        other["tlogs"][0]["publicKey"] = other["ctlogs"][0]["publicKey"].clone();
        here.place.write("root.json", &other.to_string());
        let refused = client(ISSUER);
        here.place.write("root.json", &root);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && said.contains("invalid log entry"),
            "{said}"
        );
    }
    types.sort();
    assert_eq!(
        types,
        [
            "https://sigstore.dev/cosign/sign/v1",
            "https://slsa.dev/provenance/v1",
            "https://spdx.dev/Document",
        ]
    );
}
