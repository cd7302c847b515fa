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
}

impl CopyOutcome {
    pub(super) fn new(root: &Descriptor, report: TransferReport) -> CopyOutcome {
        CopyOutcome {
            digest: root.digest.to_string(),
            moved: report.moved,
            bytes: report.bytes,
            present: report.present,
        }
    }
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
