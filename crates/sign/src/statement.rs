//! in-toto statements: what is said, and of what.

use std::collections::BTreeMap;

use praxis_oci::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::SignError;

/// The type of a statement: <https://in-toto.io/Statement/v1>.
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const STATEMENT_V0_1: &str = "https://in-toto.io/Statement/v0.1";

/// The predicate of a plain signature, as cosign writes it.
pub const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";

/// A statement about things that are named by digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// The form of the statement.
    #[serde(rename = "_type")]
    pub kind: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// What kind of thing is said.
    pub predicate_type: String,
    /// What is said.
    #[serde(default)]
    pub predicate: Value,
}

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// A name, of which nothing is believed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Digests by algorithm.
    pub digest: BTreeMap<String, String>,
}

impl Statement {
    /// A statement about the manifest `subject`.
    pub fn about(subject: &Digest, predicate_type: &str, predicate: Value) -> Statement {
        Statement {
            kind: STATEMENT.into(),
            subject: vec![Subject {
                // Some readers want a name; this one says that there is none, as in provenance.
                name: "_".into(),
                digest: BTreeMap::from([("sha256".into(), subject.hex())]),
            }],
            predicate_type: predicate_type.into(),
            predicate,
        }
    }

    /// The signature of `subject` alone.
    pub fn signature(subject: &Digest) -> Statement {
        Statement::about(subject, SIGNATURE, Value::Object(Default::default()))
    }

    /// Reads one.
    ///
    /// # Errors
    /// If it is no statement.
    pub fn parse(bytes: &[u8]) -> Result<Statement, SignError> {
        let statement: Statement = serde_json::from_slice(bytes)
            .map_err(|error| SignError::new(format!("not an in-toto statement: {error}")))?;
        match statement.kind.as_str() {
            STATEMENT | STATEMENT_V0_1 => Ok(statement),
            other => Err(SignError::new(format!(
                "a statement of the type {other:?} is not known"
            ))),
        }
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether it is about `digest`.
    pub fn is_about(&self, digest: &Digest) -> bool {
        let hex = digest.hex();
        let mut subjects = self.subject.iter();
        subjects.any(|subject| subject.digest.get("sha256").is_some_and(|is| *is == hex))
    }
}
