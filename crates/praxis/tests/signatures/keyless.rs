//! Signatures with a certificate for an identity, by an authority of openssl's; their times by another.

use praxis_testkit::{Certifier, CertifierOptions, Stamper, Witness, later_program};
use serde_json::{Value, json};

use crate::{Place, success};

const VALID: (&str, &str) = ("20200101000000Z", "20900101000000Z");
pub(crate) const WORKFLOW: &str =
    "https://git.example.test/team/app/.github/workflows/release.yml@refs/tags/v1";
pub(crate) const ISSUER: &str = "https://token.example.test";

/// A place with both authorities, a log, a token and the root that believes them.
pub(crate) struct Identified {
    pub place: Place,
    pub certifier: Certifier,
    pub stamper: Stamper,
    pub witness: Witness,
}

impl Identified {
    pub fn new() -> Identified {
        let place = Place::new();
        let certifier = Certifier::start(&place.path("fulcio"));
        let stamper = Stamper::start(&place.path("tsa"), "EC", VALID);
        place.write(
            "token",
            &Certifier::token(&json!({"sub": WORKFLOW, "iss": ISSUER})),
        );
        let identified = Identified {
            certifier,
            stamper,
            witness: Witness::start(&place.path("log")),
            place,
        };
        identified.root("root.json", &identified.log());
        identified
    }

    /// Writes the root that believes the authorities, and this log.
    pub fn root(&self, name: &str, log: &[String]) {
        let key = self.certifier.log_key().display().to_string();
        let root = [
            "key",
            "trusted-root",
            "--fulcio-certs",
            "fulcio/chain.pem",
            "--ct-key",
            &key,
        ];
        let times = self.times();
        let root = [&root[..], &words(&times), &words(log)].concat();
        self.place.write(name, &self.place.good(&root));
    }

    /// The log.
    pub fn log(&self) -> [String; 4] {
        let key = self.witness.key().display().to_string();
        [
            "--rekor-url".into(),
            self.witness.address(),
            "--rekor-key".into(),
            key,
        ]
    }

    pub fn times(&self) -> [String; 4] {
        let chain = self.stamper.chain().display().to_string();
        [
            "--timestamp-server".into(),
            self.stamper.address(),
            "--timestamp-certs".into(),
            chain,
        ]
    }

    /// What signs in the name of the token.
    pub fn identity(&self) -> Vec<String> {
        let own = ["--identity-token", "token", "--fulcio-url"].map(String::from);
        [&own[..], &[self.certifier.address()], &self.times(), &self.log()].concat()
    }

    pub fn sign(&self, image: &str) {
        self.place
            .good(&[&["sign", image][..], &words(&self.identity())].concat());
    }

    /// What another image is refused with, signed with such a certificate.
    pub fn refused_with(&self, number: u8, options: CertifierOptions) -> String {
        self.certifier.set(options);
        self.place.write("app/file", &number.to_string());
        let image = format!("app:{number}");
        self.place.build(&image);
        self.sign(&image);
        self.refused(&image, WORKFLOW, ISSUER)
    }

    pub fn refused(&self, image: &str, name: &str, issuer: &str) -> String {
        self.place.bad(&verify(image, name, issuer))
    }
}

pub(crate) fn words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

pub(crate) fn verify<'a>(image: &'a str, name: &'a str, issuer: &'a str) -> [&'a str; 8] {
    let (identity, known) = ("--certificate-identity", "--certificate-oidc-issuer");
    [
        "verify",
        image,
        identity,
        name,
        known,
        issuer,
        "--trusted-root",
        "root.json",
    ]
}

#[test]
fn an_identity_signs_into_a_log_and_cosign_believes_it() {
    let here = Identified::new();
    let digest = here.place.build("app:1");
    here.sign("app:1");
    let attest = ["attest", "app:1", "--type", "spdx"];
    here.place.good(&[&attest[..], &words(&here.identity())].concat());
    let said = here.place.good(
        &[
            &verify("app:1", WORKFLOW, ISSUER)[..],
            &["--type", "spdx", "--json"],
        ]
        .concat(),
    );
    let found: Value = serde_json::from_str(&said).unwrap();
    let signature = &found["parts"][0]["signatures"][0];
    assert_eq!(signature["identity"], WORKFLOW);
    assert_eq!(
        signature["logs"],
        json!([{"log": here.witness.address(), "index": 0}])
    );
    // The token is nowhere but in the question: not in the ledger, the store or the bundle.
    let token = std::fs::read_to_string(here.place.path("token")).unwrap();
    let held = here.place.program("grep", &["-rlF", &token, "store"]);
    assert_eq!(
        held.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&held.stdout)
    );

    let registry = here.place.registry();
    let name = format!("{}/app", registry.authority());
    here.place
        .good(&["copy", "--referrers", "app:1", &format!("docker://{name}:1")]);
    let flags = [
        "--certificate-identity",
        WORKFLOW,
        "--certificate-oidc-issuer",
        ISSUER,
        "--use-signed-timestamps",
        "--trusted-root",
        "root.json",
    ];
    let cosign = later_program("cosign", "cosign");
    let pinned = format!("{name}@{digest}");
    let output = here
        .place
        .program(&cosign, &[&["verify"][..], &flags, &[&pinned]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("Existence of the claims in the transparency log was verified"),
        "{said}"
    );
    success(output);
    let attested = ["verify-attestation", "--type", "spdxjson"];
    success(
        here.place
            .program(&cosign, &[&attested[..], &flags, &[&pinned]].concat()),
    );
}

#[test]
fn a_policy_names_who_is_believed() {
    let here = Identified::new();
    here.place.build("app:1");
    here.sign("app:1");
    let policy = |name: &str| {
        let text = format!(
            "[verify]\ntrusted-root = \"../root.json\"\n[[verify.identities]]\nname = \"{name}\"\nissuer = \"{ISSUER}\"\n"
        );
        here.place.write("policy/praxis.toml", &text);
    };
    policy(WORKFLOW);
    here.place.good(&["verify", "app:1", "--policy", "policy"]);
    policy("https://git.example.test/team/other");
    let said = here.place.bad(&["verify", "app:1", "--policy", "policy"]);
    assert!(said.contains("the certificate: it names"), "{said}");
}

#[test]
fn certificates_that_are_not_believed() {
    let here = Identified::new();
    // Its root has to be valid when something is signed.
    let other = Certifier::start(&here.place.path("other"));
    here.place.build("app:1");
    here.sign("app:1");
    for (name, issuer) in [
        ("somebody@example.test", ISSUER),
        (&WORKFLOW[..40], ISSUER),
        (WORKFLOW, "https://token.example"),
    ] {
        let said = here.refused("app:1", name, issuer);
        assert!(said.contains("the certificate: it names"), "{said}");
    }
    // Keys are not identities: who believes a key does not believe a certificate.
    let said = here.place.bad(&["verify", "app:1", "--key", "own.pub"]);
    assert!(
        said.contains("signed with a certificate, not with a key"),
        "{said}"
    );

    // Another authority of the same name.
    let root = ["key", "trusted-root", "--fulcio-certs", "other/chain.pem"];
    let root = here.place.good(&[&root[..], &words(&here.times())].concat());
    let own = std::fs::read_to_string(here.place.path("root.json")).unwrap();
    here.place.write("root.json", &root);
    let said = here.refused("app:1", WORKFLOW, ISSUER);
    assert!(said.contains("it is not believed for 20"), "{said}");
    here.place.write("root.json", &own);
    drop(other);

    // Certificates that had ended when they were used, or are for something else.
    for (number, usage, days) in [(2, "codeSigning", -1), (3, "serverAuth", 1)] {
        let options = CertifierOptions {
            days,
            usage: usage.into(),
            ..CertifierOptions::default()
        };
        let said = here.refused_with(number, options);
        assert!(said.contains("it is not believed for 20"), "{said}");
    }
}

#[test]
fn what_the_authority_must_not_give() {
    let here = Identified::new();
    here.place.build("app:1");
    let sign = || {
        here.place
            .bad(&[&["sign", "app:1"][..], &words(&here.identity())].concat())
    };
    here.certifier.set(CertifierOptions {
        other_key: true,
        ..CertifierOptions::default()
    });
    let said = sign();
    assert!(said.contains("of another key"), "{said}");
    let token = "e30.e30.not-a-token";
    here.place.write("token", token);
    let said = sign();
    assert!(
        said.contains("no JSON Web Token") && !said.contains(token),
        "{said}"
    );
    // A token that the authority refuses: the error does not show it.
    let token = Certifier::token(&json!({"sub": WORKFLOW}));
    here.place.write("token", &token);
    let said = sign();
    assert!(said.contains("answered 401") && !said.contains(&token), "{said}");
    assert!(
        here.place
            .bad(&["verify", "app:1", "--key", "own.pub"])
            .contains("no signature refers to it")
    );
}

#[test]
fn half_of_what_it_takes_is_refused() {
    let here = Identified::new();
    here.place.build("app:1");
    let address = here.certifier.address();
    let sign = [
        "sign",
        "app:1",
        "--identity-token",
        "token",
        "--fulcio-url",
        &address,
    ];
    let identity = [
        "--certificate-identity",
        WORKFLOW,
        "--certificate-oidc-issuer",
        ISSUER,
    ];
    let times = here.times();
    for (arguments, why) in [
        (sign.to_vec(), "a signature needs a time"),
        (sign[..4].to_vec(), "--fulcio-url"),
        (
            [&sign[..], &words(&times), &["--legacy"]].concat(),
            "in bundles only",
        ),
        (
            [&["verify", "app:1"][..], &identity].concat(),
            "whose certificates are believed",
        ),
        (
            [&["verify", "app:1"][..], &identity[..2]].concat(),
            "--certificate-oidc-issuer",
        ),
    ] {
        let output = here.place.program(env!("CARGO_BIN_EXE_praxis"), &arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(why), "{said}");
    }
}
