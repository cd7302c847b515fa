use praxis_oci::{Descriptor, Platform, Reference};
use praxis_registry::TransferReport;
use serde::Serialize;

use super::Place;

/// What `praxis pull` asks for.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// The image.
    pub reference: Reference,
    /// Only the image for this platform; `None`: all.
    pub platform: Option<Platform>,
}

/// What `praxis copy` asks for.
#[derive(Clone, Debug)]
pub struct CopyRequest {
    /// From.
    pub source: Place,
    /// To.
    pub target: Place,
    /// Also what refers to the image.
    pub referrers: bool,
}

/// What was copied.
#[derive(Clone, Debug, Serialize)]
pub struct CopyOutcome {
    /// Digest of what the target's name stands for.
    pub digest: String,
    /// Blobs whose bytes were moved.
    pub moved: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were there.
    pub present: usize,
    /// Sources that were passed over, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl CopyOutcome {
    pub(super) fn new(root: &Descriptor, report: TransferReport) -> CopyOutcome {
        CopyOutcome {
            digest: root.digest.to_string(),
            moved: report.moved,
            bytes: report.bytes,
            present: report.present,
            warnings: Vec::new(),
        }
    }
}

/// An artifact that was fetched.
#[derive(Clone, Debug, Serialize)]
pub struct FetchedArtifact {
    /// Digest of its manifest.
    pub digest: String,
    /// Its configuration and layers.
    pub blobs: Vec<FetchedBlob>,
}

/// A blob of an artifact.
#[derive(Clone, Debug, Serialize)]
pub struct FetchedBlob {
    /// Its digest.
    pub digest: String,
    /// Its type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// The name that its maker gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// A manifest that refers to another.
#[derive(Clone, Debug, Serialize)]
pub struct Referrer {
    /// Its digest.
    pub digest: String,
    /// Its artifact type.
    pub artifact_type: String,
    /// Its size in bytes.
    pub size: u64,
}
