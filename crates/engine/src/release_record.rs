//! What a release leaves behind: the file that `praxis promote` reads.

use praxis_oci::{Digest, Platform, Reference};
use serde::{Deserialize, Serialize};

use crate::EngineError;

/// The form of the record.
pub const RELEASE_RECORD: &str = "urn:praxis:release-record:v1";
/// No record is larger.
const LARGEST: usize = 1 << 20;

/// What was released, and how it can be verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReleaseRecord {
    /// The form: [`RELEASE_RECORD`].
    #[serde(rename = "type")]
    pub kind: String,
    /// The version.
    pub version: String,
    /// The name of the image in its registry, without tag and digest.
    pub repository: String,
    /// The commit that was released.
    pub commit: String,
    /// Where the source is, as git knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When, RFC 3339.
    pub created: String,
    /// The hint of the key that signed (the base64 of the SHA-256 of the public key).
    pub signer: String,
    /// The image and its variants; the first is the image itself.
    pub images: Vec<ReleasedImage>,
}

/// An image that was released.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReleasedImage {
    /// The variant; the image itself has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// What the tags stand for: an index, or the only manifest.
    pub digest: Digest,
    /// The manifest of each platform.
    pub manifests: Vec<ReleasedManifest>,
    /// The tags.
    pub tags: Vec<String>,
    /// Signed statements.
    pub attestations: Vec<ReleasedAttestation>,
}

/// A manifest of a released image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReleasedManifest {
    /// Its platform.
    pub platform: Platform,
    /// Its digest.
    pub digest: Digest,
}

/// A signed statement about a released image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ReleasedAttestation {
    /// The manifest it is about.
    pub subject: Digest,
    /// The type of the predicate.
    pub predicate_type: String,
    /// The artifact that carries it.
    pub digest: Digest,
}

impl ReleaseRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// With the line and column, if it is no record of this form or contradicts itself. `name` is what the error names.
    pub fn parse(bytes: &[u8], name: &str) -> Result<ReleaseRecord, EngineError> {
        let wrong = |why: String| EngineError::user(format!("{name}: not a release record: {why}"));
        if bytes.len() > LARGEST {
            return Err(wrong(format!("{} bytes are too many", bytes.len())));
        }
        let record: ReleaseRecord =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if record.kind != RELEASE_RECORD {
            return Err(wrong(format!("its type is {:?}", record.kind)));
        }
        let named: Result<Reference, _> = record.repository.parse();
        let plain = named.is_ok_and(|named| named.tag().is_none() && named.digest().is_none());
        if !plain {
            return Err(wrong(format!(
                "{:?} is no name without tag and digest",
                record.repository
            )));
        }
        match record.images.first() {
            Some(first) if first.variant.is_none() => Ok(record),
            _ => Err(wrong(
                "the first of its images has to be the one without variant".into(),
            )),
        }
    }

    /// The bytes of its file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// The image without variant.
    pub fn image(&self) -> Option<&ReleasedImage> {
        self.images.iter().find(|image| image.variant.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ReleaseRecord {
        ReleaseRecord {
            kind: RELEASE_RECORD.into(),
            version: "1.0.0".into(),
            repository: "registry.example/team/app".into(),
            commit: "a".repeat(40),
            source: None,
            created: "2026-11-26T00:00:00Z".into(),
            signer: "hint".into(),
            images: vec![ReleasedImage {
                variant: None,
                digest: Digest::of(b"index"),
                manifests: Vec::new(),
                tags: vec!["1.0.0".into()],
                attestations: Vec::new(),
            }],
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(ReleaseRecord::parse(&record().to_bytes(), "r").unwrap(), record());
    }

    #[test]
    fn what_is_no_record_is_said() {
        let text = String::from_utf8(record().to_bytes()).unwrap();
        for (from, to, why) in [
            ("release-record:v1", "release-record:v2", "its type is"),
            ("\"version\"", "\"vision\"", "unknown field `vision`"),
            ("team/app\"", "team/app:1\"", "is no name without tag and digest"),
            ("sha256:", "sha512:", "line"),
            (
                "\"images\": [",
                "\"images\": [{\"variant\": \"x\", \"digest\": \"sha256:0000000000000000000000000000000000000000000000000000000000000000\", \"manifests\": [], \"tags\": [], \"attestations\": []},",
                "without variant",
            ),
        ] {
            let error = ReleaseRecord::parse(text.replacen(from, to, 1).as_bytes(), "r.json").unwrap_err();
            assert!(
                error.message.starts_with("r.json: not a release record") && error.message.contains(why),
                "{error}"
            );
        }
    }
}
