//! Entries of logs of signatures: what an entry has to say, and whether it is in the log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use praxis_merkle::{leaf, verify_inclusion};
use praxis_oci::Digest;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::first;
use super::instance::TransparencyLog;
use super::note::opened;
use crate::{LogPlace, LogVerifier, LoggedBy, LoggedSignature, SignError, TrustedRoot};

/// What is written: signatures of statements are in the log as those of the bytes that were signed.
const KIND: (&str, &str) = ("hashedrekord", "0.0.2");
/// How logs of Rekor's first version have them; such are only read.
const FIRST: (&str, &str) = ("dsse", "0.0.1");
const KEY: &str = "PKIX_ECDSA_P256_SHA_256";

pub(super) fn wrong(why: impl std::fmt::Display) -> SignError {
    SignError::new(format!("the log entry: {why}"))
}

/// `TransparencyLogEntry` of sigstore, as far as it counts.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(default, deserialize_with = "number")]
    log_index: u64,
    log_id: LogId,
    kind_version: KindVersion,
    inclusion_proof: Proof,
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

#[derive(Deserialize)]
struct KindVersion {
    kind: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    #[serde(default, deserialize_with = "number")]
    log_index: u64,
    root_hash: String,
    #[serde(deserialize_with = "number")]
    tree_size: u64,
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: Note,
}

#[derive(Deserialize)]
struct Note {
    envelope: String,
}

/// Numbers of 64 bits are strings in JSON made of protocol buffers.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(u64),
    }
    match Either::deserialize(from)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text
            .parse()
            .map_err(|_| serde::de::Error::custom(format!("{text:?} is no number"))),
    }
}

/// Who signed, as the log names them.
fn verifier(signature: &LoggedSignature) -> Value {
    let bytes = |bytes: &[u8]| json!({ "rawBytes": STANDARD.encode(bytes) });
    match signature.by {
        LoggedBy::Key(key) => json!({ "keyDetails": KEY, "publicKey": bytes(&key.to_der()) }),
        LoggedBy::Certificate(certificate) => {
            json!({ "keyDetails": KEY, "x509Certificate": bytes(certificate) })
        }
    }
}

/// What the log is asked.
pub(super) fn question(signature: &LoggedSignature) -> Value {
    json!({ "hashedRekordRequestV002": {
        "digest": STANDARD.encode(Digest::of(signature.message).as_bytes()),
        "signature": { "content": STANDARD.encode(signature.signature), "verifier": verifier(signature) },
    }})
}

/// What the entry of this signature is, byte for byte: canonical JSON (RFC 8785), whose names are sorted, as those of a
/// [`Value`] are.
pub(super) fn body(signature: &LoggedSignature) -> String {
    json!({
        "apiVersion": KIND.1,
        "kind": KIND.0,
        "spec": { "hashedRekordV002": {
            "data": {
                "algorithm": "SHA2_256",
                "digest": STANDARD.encode(Digest::of(signature.message).as_bytes()),
            },
            "signature": { "content": STANDARD.encode(signature.signature), "verifier": verifier(signature) },
        }},
    })
    .to_string()
}

impl Entry {
    pub(super) fn read(entry: &Value) -> Result<Entry, SignError> {
        Entry::deserialize(entry).map_err(|error| wrong(format!("it is not understood: {error}")))
    }

    /// The entry without anything that does not count.
    pub(super) fn to_value(&self) -> Value {
        let proof = &self.inclusion_proof;
        json!({
            "logIndex": self.log_index.to_string(),
            "logId": { "keyId": self.log_id.key_id },
            "kindVersion": { "kind": self.kind_version.kind, "version": self.kind_version.version },
            "inclusionProof": {
                "logIndex": proof.log_index.to_string(),
                "rootHash": proof.root_hash,
                "treeSize": proof.tree_size.to_string(),
                "hashes": proof.hashes,
                "checkpoint": { "envelope": proof.checkpoint.envelope },
            },
            "canonicalizedBody": self.canonicalized_body,
        })
    }

    /// Whether one of `logs` has it, and it is of this signature.
    pub(super) fn verified(
        &self,
        logs: &[TransparencyLog],
        signature: &LoggedSignature,
        times: &[String],
    ) -> Result<LogPlace, SignError> {
        let kind = (
            self.kind_version.kind.as_str(),
            self.kind_version.version.as_str(),
        );
        let own = decoded(&self.canonicalized_body)?;
        let fits = match kind {
            KIND => own == body(signature).as_bytes(),
            FIRST => first::is_of(&own, signature),
            (kind, version) => {
                return Err(wrong(format!(
                    "entries of the kind {kind}/{version} are not known"
                )));
            }
        };
        if !fits {
            return Err(wrong("it is of another signature"));
        }
        let id = decoded(&self.log_id.key_id)?;
        let log = logs
            .iter()
            .find(|log| log.id == id)
            .ok_or_else(|| wrong("it is in a log that is not believed"))?;
        if !times.is_empty() && !times.iter().any(|time| log.covers(time)) {
            return Err(wrong(format!("its log is not believed for {}", times.join(", "))));
        }
        self.included(log, &leaf(&own))?;
        Ok(LogPlace {
            log: log.address.clone(),
            index: self.log_index,
        })
    }

    /// The proof, to the root of a checkpoint that the log signed. What is said twice has to be said alike, because others
    /// read the other one.
    fn included(&self, log: &TransparencyLog, leaf: &Digest) -> Result<(), SignError> {
        let proof = &self.inclusion_proof;
        let checkpoint = opened(&proof.checkpoint.envelope, log).map_err(wrong)?;
        let root = hash(&proof.root_hash)?;
        // In the first version a log had several trees, and entries a number in their tree and one of their own.
        let numbered = proof.log_index == self.log_index || self.kind_version.version == FIRST.1;
        if (root, proof.tree_size) != (checkpoint.root, checkpoint.size) || !numbered {
            return Err(wrong("its proof is of another tree than its checkpoint"));
        }
        let hashes = proof.hashes.iter().map(|text| hash(text));
        let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
        let size = |number| usize::try_from(number).map_err(wrong);
        let (index, count) = (size(proof.log_index)?, size(checkpoint.size)?);
        match verify_inclusion(leaf, index, count, &hashes, &checkpoint.root) {
            true => Ok(()),
            false => Err(wrong("it is not in the tree of its checkpoint")),
        }
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, SignError> {
    STANDARD
        .decode(text)
        .map_err(|_| wrong("a part of it is no base64"))
}

fn hash(text: &str) -> Result<Digest, SignError> {
    let bytes = <[u8; 32]>::try_from(decoded(text)?);
    bytes
        .map(Digest::from_bytes)
        .map_err(|_| wrong("a hash of it is no SHA-256"))
}

impl LogVerifier for TrustedRoot {
    fn place(
        &self,
        entry: &Value,
        signature: &LoggedSignature,
        times: &[String],
    ) -> Result<LogPlace, SignError> {
        Entry::read(entry)?.verified(&self.logs, signature, times)
    }
}
