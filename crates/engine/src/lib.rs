//! The façade: requests, events, cancellation.
//!
//! Every face of praxis (command line, and later stdio and HTTP) sends the same requests here and shows the same
//! events. The engine never prints, never reads the environment for configuration and never exits.

mod attestations;
mod audit;
mod base;
mod build;
mod caches;
mod components;
mod container;
mod contexts;
mod elsewhere;
mod emulation;
mod engine;
mod error;
mod explain;
mod govern;
mod graph;
mod history;
mod inspect;
mod ledger;
mod loan;
mod origin;
mod outputs;
mod pins;
mod probe;
mod promote;
mod proved;
mod provenance;
mod registry;
mod release;
mod release_record;
mod release_source;
mod repository;
mod reproduce;
mod request;
mod smoke;
mod sources;
mod target;
mod trust;
mod unlike;
mod worktree;

pub use audit::ImageCheckRequest;
pub use base::{BaseOutcome, BaseRequest};
pub use build::BuildTarget;
pub use caches::{CacheFrom, CachePlace, CacheTo};
pub use components::BaseOrigin;
pub use container::{RunEnd, RunRequest};
pub use elsewhere::{Parcel, Received, SentContext, SentDockerfile, SentEntry, SentKind};
pub use emulation::{emulated_processors, has_handlers, own_emulators, wants_own_emulators};
pub use engine::{Engine, Settings};
pub use error::EngineError;
pub use explain::Explanation;
pub use govern::read_policy;
pub use graph::{
    BuildGraph, EdgeKind, GraphEdge, GraphEnd, GraphSource, GraphStage, GraphStep, Outlook, SourceKind,
};
pub use history::{
    BuildHolding, BuildRecord, BuildStatus, RecordedError, RecordedImage, RecordedOutput, RecordedStep,
    Recorder, StepHolding, StepStatus,
};
pub use inspect::{ImageDescription, ImageDifference, LayerPair};
pub use ledger::{ledger_file, own_books, record_time};
pub use origin::{LayerSource, Origin, RecordedBase, RecordedContext, RecordedDockerfile, RecordedLayer};
pub use pins::{Shelves, pin_patches};
pub use praxis_check::{Deployment, HttpProbe, Policy, Promotion, SmokeTest};
pub use praxis_dockerfile::parse_size;
pub use praxis_image::{
    Cause, Change, Difference, Duplicate, FieldChange, FileChange, FileFacts, ImageReport, LayerReport,
    PathEvent, PathStory, Waste, WastedPath,
};
pub use praxis_ledger::{
    Books, Checkpoint, Entry, Fault, Kind as RecordKind, Ledger, Record, Verification, read_export,
    verify_records, write_export,
};
pub use praxis_sandbox::{Exit, Input, Limits};
pub use praxis_sbom::{
    CYCLONEDX, Component, ComponentKind, Inventory, SPDX, SbomDifference, cyclonedx, spdx,
};
#[cfg(feature = "tsa")]
pub use praxis_sign::{Authority, LogKey, LogServer, TimestampServer, TransparencyLog, TrustedRoot};
#[cfg(feature = "keyless")]
pub use praxis_sign::{Identities, Identity};
pub use praxis_sign::{
    IdentityVerifier, KeyCommand, Log, LogVerifier, PrivateKey, PublicKey, SIGNATURE, SignError, Signer,
    Stamp, StampVerifier, Zeroizing,
};
pub use praxis_solve::{
    CacheMode, ErrorKind, Event, Events, Inspector, LayerInfo, OnError, Pull, StepBounds, StepInfo,
};
pub use praxis_store::{BuildId, CollectReport, Damage, Usage, VerifyReport};
pub use promote::{Approver, PromoteRequest, Verify, promotion, promotion_problems};
pub use provenance::{PROVENANCE, missing_materials};
pub use registry::{
    ArchiveFormat, CopyOutcome, CopyRequest, FetchedArtifact, FetchedBlob, Place, PullRequest, Referrer,
    RegistryAccess,
};
pub use release::{ReleaseRequest, ReleaseStep, TestedImage};
pub use release_record::{
    RELEASE_RECORD, ReleaseRecord, ReleasedAttestation, ReleasedImage, ReleasedManifest,
};
pub use reproduce::{ReproduceRequest, Reproduction};
pub use request::{
    Annotation, AnnotationKind, Attestation, BuildRequest, BuildResponse, Compression, Confinement,
    ContextSource, InputStream, Output, OutputKind, SecretSource, Site,
};
pub use smoke::{Assertion, SmokeReport, SmokeRequest, SmokeResult};
#[cfg(feature = "keyless")]
pub use trust::certified_key;
pub use trust::{
    AttestOutcome, AttestRequest, Attested, ImageVerification, KeptAttestation, KeptSignature, Predicate,
    Seal, SignOutcome, SignRequest, SignedManifest, SignedPart, VerificationCheck, VerificationRequest,
    predicate_name,
};
#[cfg(feature = "tsa")]
pub use trust::{log_server, timestamp_server};
pub use unlike::FirstDifference;
pub use worktree::Worktree;
