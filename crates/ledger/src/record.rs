//! One record: the text that is hashed, and what it says.

use std::fmt;
use std::str::FromStr;

use praxis_oci::Digest;
use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An image was built, or a build failed.
    Build,
    /// A repository or an image was checked.
    Check,
    /// An image ran its smoke test.
    Test,
    /// An image was published.
    Release,
    /// A published digest was written into deploy files.
    Promote,
    /// Image references were pinned.
    Pin,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 6] = [
        Kind::Build,
        Kind::Check,
        Kind::Test,
        Kind::Release,
        Kind::Promote,
        Kind::Pin,
    ];

    fn name(self) -> &'static str {
        match self {
            Kind::Build => "build",
            Kind::Check => "check",
            Kind::Test => "test",
            Kind::Release => "release",
            Kind::Promote => "promote",
            Kind::Pin => "pin",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let known = Kind::ALL.iter().find(|kind| kind.name() == text);
        known.copied().ok_or_else(|| {
            let names = Kind::ALL.map(Kind::name).join(", ");
            format!("{text:?} is no kind of record; there are {names}")
        })
    }
}

/// Something to write down.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When, in RFC 3339, UTC.
    pub time: String,
    /// What was done.
    pub kind: Kind,
    /// The image or index it was done to.
    pub subject: Option<Digest>,
    /// Whether it succeeded.
    pub success: bool,
    /// One line for people.
    pub summary: String,
    /// The particulars. No secrets: what is written stays.
    pub body: serde_json::Value,
}

/// The text that is hashed has these fields in this order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Leaf {
    number: u64,
    previous: Option<Digest>,
    time: String,
    kind: Kind,
    subject: Option<Digest>,
    success: bool,
    summary: String,
    body: serde_json::Value,
}

/// A record of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// Position, from 1.
    pub number: u64,
    /// Hash of the record before; the first has none.
    pub previous: Option<Digest>,
    /// Hash of this record: SHA-256 of a zero byte and the text (a leaf of RFC 6962).
    pub hash: Digest,
    /// What was written down.
    #[serde(flatten, serialize_with = "as_fields")]
    pub entry: Entry,
    /// The text that is hashed.
    #[serde(skip)]
    pub text: String,
}

#[derive(Serialize)]
struct Fields<'a> {
    time: &'a str,
    kind: Kind,
    subject: Option<Digest>,
    success: bool,
    summary: &'a str,
    body: &'a serde_json::Value,
}

fn as_fields<S: serde::Serializer>(entry: &Entry, serializer: S) -> Result<S::Ok, S::Error> {
    let fields = Fields {
        time: &entry.time,
        kind: entry.kind,
        subject: entry.subject,
        success: entry.success,
        summary: &entry.summary,
        body: &entry.body,
    };
    fields.serialize(serializer)
}

impl Record {
    /// The record that `entry` becomes after `previous`.
    pub(crate) fn after(previous: Option<(u64, Digest)>, entry: Entry) -> Record {
        let number = previous.map_or(1, |(number, _)| number + 1);
        let leaf = Leaf {
            number,
            previous: previous.map(|(_, hash)| hash),
            time: entry.time.clone(),
            kind: entry.kind,
            subject: entry.subject,
            success: entry.success,
            summary: entry.summary.clone(),
            body: entry.body.clone(),
        };
        let text = serde_json::to_string(&leaf).expect("a record has string keys and no failing parts");
        Record {
            number,
            previous: leaf.previous,
            hash: praxis_merkle::leaf(text.as_bytes()),
            entry,
            text,
        }
    }

    /// Reads the text of a record. The hash is computed, not believed.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: String) -> Result<Record, String> {
        let leaf: Leaf =
            serde_json::from_str(&text).map_err(|error| format!("its text is no record: {error}"))?;
        Ok(Record {
            number: leaf.number,
            previous: leaf.previous,
            hash: praxis_merkle::leaf(text.as_bytes()),
            entry: Entry {
                time: leaf.time,
                kind: leaf.kind,
                subject: leaf.subject,
                success: leaf.success,
                summary: leaf.summary,
                body: leaf.body,
            },
            text,
        })
    }
}
