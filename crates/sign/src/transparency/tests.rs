//! Logs with keys of every kind that can be made here, and what a public log said.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use praxis_merkle::{Checkpoint, leaf};
use praxis_oci::Digest;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::entry::{Entry, body};
use super::note::opened;
use super::{LogKey, TransparencyLog};
use crate::{LoggedBy, LoggedSignature, PrivateKey, SignError, Signer as _};

const NAME: &str = "log.example.test";

/// A log of one entry.
struct Small {
    pair: Ed25519KeyPair,
    log: TransparencyLog,
}

impl Small {
    fn new() -> Small {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let kind = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
        let key = LogKey {
            info: [&kind[..], pair.public_key().as_ref()].concat(),
            details: "PKIX_ED25519".into(),
        };
        let log = TransparencyLog::of_signatures(&format!("https://{NAME}"), key);
        Small { pair, log }
    }

    fn entry(&self, kind: (&str, &str), origin: &str, number: u64, body: &str) -> Value {
        let root = leaf(body.as_bytes());
        let checkpoint = Checkpoint {
            origin: origin.into(),
            size: 1,
            root,
        };
        let text = checkpoint.to_string();
        let signature = self.pair.sign(text.as_bytes());
        let line = [&self.log.id[..4], signature.as_ref()].concat();
        json!({
            "logIndex": number.to_string(),
            "logId": { "keyId": STANDARD.encode(&self.log.id) },
            "kindVersion": { "kind": kind.0, "version": kind.1 },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": STANDARD.encode(root.as_bytes()),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": { "envelope": format!("{text}\n\u{2014} {NAME} {}\n", STANDARD.encode(line)) },
            },
            "canonicalizedBody": STANDARD.encode(body),
        })
    }

    fn verified(&self, entry: &Value, signature: &LoggedSignature) -> Result<u64, SignError> {
        let place = Entry::read(entry)?.verified(std::slice::from_ref(&self.log), signature, &[]);
        place.map(|place| place.index)
    }
}

fn signature<'a>(key: &'a PrivateKey, bytes: &'a [u8]) -> LoggedSignature<'a> {
    LoggedSignature {
        message: b"message",
        payload: b"payload",
        signature: bytes,
        by: LoggedBy::Key(key.public_key()),
    }
}

#[test]
fn a_log_whose_key_is_ed25519() {
    let (log, other, key) = (Small::new(), Small::new(), PrivateKey::generate());
    let bytes = key.sign(b"message").unwrap();
    let signature = signature(&key, &bytes);
    let entry = log.entry(("hashedrekord", "0.0.2"), NAME, 0, &body(&signature));
    assert_eq!(log.verified(&entry, &signature), Ok(0));
    let certified = LoggedSignature {
        by: LoggedBy::Certificate(b"certificate"),
        ..signature
    };
    let error = log.verified(&entry, &certified).unwrap_err();
    assert!(error.message.contains("of another signature"), "{error}");
    // A stranger in the name of the log.
    let mut forged = other.entry(("hashedrekord", "0.0.2"), NAME, 0, &body(&signature));
    forged["logId"] = entry["logId"].clone();
    let error = log.verified(&forged, &signature).unwrap_err();
    assert!(error.message.contains("not signed by the log's key"), "{error}");
    // A kind of key that is not known believes nothing.
    let mut unknown = Small::new();
    unknown.log.key.details = "PKIX_SOMETHING".into();
    let entry = unknown.entry(("hashedrekord", "0.0.2"), NAME, 0, &body(&signature));
    assert!(unknown.verified(&entry, &signature).is_err());
    // A log that is believed for other times.
    let mut ended = Small::new();
    ended.log.valid_for = (None, Some("2026-01-01T00:00:00Z".into()));
    let entry = ended.entry(("hashedrekord", "0.0.2"), NAME, 0, &body(&signature));
    let at = |time: &str| {
        Entry::read(&entry)
            .unwrap()
            .verified(std::slice::from_ref(&ended.log), &signature, &[time.into()])
    };
    assert!(at("2025-12-31T00:00:00Z").is_ok());
    let error = at("2026-01-02T00:00:00Z").unwrap_err();
    assert!(error.message.contains("not believed for 2026-01-02"), "{error}");
}

#[test]
fn entries_of_the_first_version_are_read() {
    let (log, key) = (Small::new(), PrivateKey::generate());
    let bytes = key.sign(b"message").unwrap();
    let signature = signature(&key, &bytes);
    let body = |payload: &[u8], signature: &[u8], verifier: &str| {
        let hash = |bytes: &[u8]| json!({"algorithm": "sha256", "value": Digest::of(bytes).hex()});
        json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
            "envelopeHash": hash(b"envelope"),
            "payloadHash": hash(payload),
            "signatures": [{"signature": STANDARD.encode(signature), "verifier": STANDARD.encode(verifier)}],
        }})
        .to_string()
    };
    let pem = key.public_key().to_pem();
    let entry = |body: &str| {
        log.entry(
            ("dsse", "0.0.1"),
            &format!("{NAME} - 1193050959916656506"),
            41,
            body,
        )
    };
    let own = entry(&body(b"payload", &bytes, &pem));
    assert_eq!(log.verified(&own, &signature), Ok(41));
    let other = PrivateKey::generate().public_key().to_pem();
    for changed in [
        body(b"other", &bytes, &pem),
        body(b"payload", b"other", &pem),
        body(b"payload", &bytes, &other),
        "{}".into(),
    ] {
        let error = log.verified(&entry(&changed), &signature).unwrap_err();
        assert!(error.message.contains("of another signature"), "{error}");
    }
    // A number of a tree is digits.
    let strange = log.entry(
        ("dsse", "0.0.1"),
        &format!("{NAME} - x"),
        41,
        &body(b"payload", &bytes, &pem),
    );
    assert!(
        log.verified(&strange, &signature)
            .unwrap_err()
            .message
            .contains("its checkpoint is of")
    );
}

fn public(key: &str, address: &str) -> TransparencyLog {
    let key = LogKey {
        info: STANDARD.decode(key).unwrap(),
        details: "PKIX_ED25519".into(),
    };
    TransparencyLog::of_signatures(address, key)
}

/// The log that sigstore runs, as its own trusted root names it.
#[test]
fn the_id_of_a_public_log() {
    let key = "MCowBQYDK2VwAyEAt8rlp1knGwjfbcXAYPYAkn0XiLz1x8O4t0YkEhie244=";
    let log = public(key, "https://log2025-1.rekor.sigstore.dev");
    assert_eq!(
        STANDARD.encode(&log.id),
        "zxGZFVvd0FEmjR8WrFwMdcAJ9vtaY/QXf44Y1wUeP6A="
    );
}

/// What a log of sigstore's signed once.
#[test]
fn the_checkpoint_of_a_public_log() {
    let key = "MCowBQYDK2VwAyEAPn+AREHoBaZ7wgS1zBqpxmLSGnyhxXj4lFxSdWVB8o8=";
    let log = public(key, "https://log2025-alpha1.rekor.sigstage.dev");
    let note = "log2025-alpha1.rekor.sigstage.dev\n7132\noxP/ea30nl5qRXK7CWd0YGGajQNclTGmRbyTqZVS0AU=\n\n\
                \u{2014} log2025-alpha1.rekor.sigstage.dev 8w1amVmcxxHofaeiQdnXseduy+i75L3TKSG91maGEGjUkBbuRQ4oDZ08bVTO9M+\
                MQJMfz0+vbuOeBrr8yYsofI36egQ=\n";
    assert_eq!(opened(note, &log).unwrap().size, 7132);
    let larger = note.replace("7132", "7133");
    assert!(
        opened(&larger, &log)
            .unwrap_err()
            .contains("not signed by the log's key")
    );
    for broken in [
        "",
        "a",
        &note[..note.len() - 1],
        &note.replace("\u{2014}", "-"),
        &format!("\n\n{note}"),
        &note.replace("\n7132", "\n07132"),
    ] {
        assert!(opened(broken, &log).is_err(), "{broken:?}");
    }
}
