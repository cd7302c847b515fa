use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use praxis_oci::{Digest, Platform};
use praxis_reach::Reach;
use praxis_solve::StepBounds;
use praxis_solve::{GitAddress, Local};
use praxis_store::BuildId;

use crate::{CacheFrom, CacheTo};
use crate::{Received, RegistryAccess};

/// What a build that is made for somebody else may not do, whatever its Dockerfile says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// RUN steps have no network, also those that say `--network=default`.
    pub no_network: bool,
}

/// What `praxis build` asks for. Paths may be relative to the working directory of the process.
#[derive(Clone, Debug, Default)]
pub struct BuildRequest {
    /// Names of what could publish and was in reach of the caller, for the provenance; `None`: nobody looked.
    pub publishing_credentials: Option<Vec<String>>,
    /// Id that the record of the build gets; a fresh one if nobody says.
    pub id: Option<BuildId>,
    /// Who asked a server for it, for the record.
    pub asked_by: Option<String>,
    /// What steps may not do.
    pub confinement: Confinement,
    /// Where the build context comes from.
    pub context: ContextSource,
    /// Dockerfile; `None` means `Dockerfile` (or `dockerfile`) in the context. `Some("-")`: `stdin` below.
    pub dockerfile: Option<PathBuf>,
    /// What standard input held, if the caller was told to read it (`-f -`, or context `-`). An archive need not be
    /// read whole: the beginning, longer than any Dockerfile, is enough.
    pub stdin: Option<Vec<u8>>,
    /// What follows on standard input.
    pub stdin_rest: Option<InputStream>,
    /// Names for the image.
    pub tags: Vec<String>,
    /// Stage to build.
    pub target: Option<String>,
    /// `--build-arg NAME=VALUE`; `--build-arg NAME` takes the value of the caller's environment.
    pub build_args: BTreeMap<String, String>,
    /// `--build-context NAME=VALUE`.
    pub build_contexts: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`, for every image that is made.
    pub annotations: Vec<Annotation>,
    /// `--attest`, `--provenance`, `--sbom`: what the index says about each image. With any, the result is an index.
    pub attestations: Vec<Attestation>,
    /// `--no-cache`.
    pub no_cache: bool,
    /// `--no-cache-filter STAGE`.
    pub no_cache_filter: Vec<String>,
    /// `--cache-from`, asked in order.
    pub cache_from: Vec<CacheFrom>,
    /// `--cache-to`.
    pub cache_to: Vec<CacheTo>,
    /// `--network`: `default`, `host` or `none`.
    pub network: Option<String>,
    /// `--add-host NAME:IP`.
    pub add_hosts: Vec<String>,
    /// `--secret`, resolved by the caller to bytes.
    pub secrets: BTreeMap<String, SecretSource>,
    /// `--ssh ID[=SOCKET]`: agents' sockets.
    pub ssh: BTreeMap<String, PathBuf>,
    /// `--ssh ID=KEY[,KEY…]`: private keys, read by the caller.
    pub ssh_keys: BTreeMap<String, Vec<SecretSource>>,
    /// `--shm-size`: bytes of `/dev/shm` in RUN steps.
    pub shared_memory: Option<u64>,
    /// `--ulimit`: names with soft and hard limits, `u64::MAX` for none.
    pub resource_limits: Vec<(String, u64, u64)>,
    /// `--platform`; several give an index.
    pub platforms: Vec<Platform>,
    /// `--output`; empty: the image stays in the store only.
    pub outputs: Vec<Output>,
    /// SOURCE_DATE_EPOCH given by the caller, in seconds.
    pub source_date_epoch: Option<i64>,
    /// The time of an earlier build of the same source, in seconds, instead of that of the context's commit.
    pub context_epoch: Option<i64>,
    /// Steps at once; 0: as many as are ready.
    pub jobs: usize,
    /// Only plan, do not run.
    pub dry_run: bool,
    /// `--allow security.insecure`.
    pub allow_insecure: bool,
    /// Who gets a shell where a RUN step fails.
    pub on_error: Option<praxis_solve::OnError>,
    /// `--allow network.host`.
    pub allow_host_network: bool,
    /// Images of registries.
    pub registries: RegistryAccess,
    /// What this machine lends to RUN steps.
    pub site: Site,
}

/// An input that is read once, as far as it is needed.
#[derive(Clone)]
pub struct InputStream(Arc<Mutex<dyn Read + Send>>);

impl InputStream {
    /// What `reader` gives.
    pub fn new(reader: impl Read + Send + 'static) -> InputStream {
        InputStream(Arc::new(Mutex::new(reader)))
    }
}

impl Read for InputStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut reader = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        reader.read(buffer)
    }
}

impl std::fmt::Debug for InputStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InputStream(…)")
    }
}

/// Where the build context comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ContextSource {
    /// A directory.
    Directory(PathBuf),
    /// Standard input: a Dockerfile or a tar archive.
    Stdin,
    /// A git repository (also one on this machine) or an HTTP address.
    Remote(String),
    /// What a client sent. Its directories among the further contexts go by their names alone.
    Received(Received),
}

impl ContextSource {
    /// What the last argument of `praxis build` means. A directory comes before all else that the text could be,
    /// unless it is a bare git repository without a Dockerfile.
    pub fn named(text: &str) -> ContextSource {
        let path = std::path::Path::new(text);
        let has_dockerfile = || {
            ["Dockerfile", "dockerfile"]
                .iter()
                .any(|name| path.join(name).exists())
        };
        let is_address = text.starts_with("http://") || text.starts_with("https://");
        let is_repository = GitAddress::names(text, Local::Allowed);
        let is_directory = path.is_dir() && (text.starts_with("github.com/") || has_dockerfile());
        if text == "-" {
            ContextSource::Stdin
        } else if is_address || (is_repository && !is_directory) {
            ContextSource::Remote(text.into())
        } else {
            ContextSource::Directory(path.into())
        }
    }

    /// Whether git fetches it over ssh.
    pub fn is_ssh(&self) -> bool {
        match self {
            ContextSource::Remote(text) => {
                text.starts_with("ssh://")
                    || (!text.contains("://") && GitAddress::names(text, Local::Refused))
            }
            _ => false,
        }
    }
}

impl Default for ContextSource {
    fn default() -> ContextSource {
        ContextSource::Directory(".".into())
    }
}

/// A secret's bytes, read by the caller before the build.
#[derive(Clone)]
pub struct SecretSource {
    /// The secret.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretSource(…)")
    }
}

/// One `--output`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// `oci`, `docker`, `local`, `tar`.
    pub kind: OutputKind,
    /// File or directory; `None` (or `-` on the command line) is standard output, for archives.
    pub destination: Option<PathBuf>,
    /// Archive (`true`) or directory, for `oci` and `docker`.
    pub tar: bool,
    /// `compression=`.
    pub compression: Compression,
    /// `compression-level=`; the usual one if there is none.
    pub compression_level: Option<u8>,
    /// `force-compression=`: layers of bases get the compression too, with the same content.
    pub force_compression: bool,
    /// `oci-mediatypes=false`: manifests, configurations and layers have Docker's media types.
    pub docker_media_types: bool,
    /// `platform-split=`, for `local` and `tar`: a directory for each platform. Without a value, where there are
    /// several.
    pub platform_split: Option<bool>,
    /// `annotation….KEY=VALUE`, stronger than those of the request.
    pub annotations: Vec<Annotation>,
}

/// What an index says about an image that it lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attestation {
    /// What it was made from: SLSA provenance.
    Provenance {
        /// Also values of build arguments, the Dockerfile and the steps.
        all: bool,
        /// Who built it.
        builder: Option<String>,
    },
    /// What it is made of, as SPDX.
    Sbom,
}

/// An annotation and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// What is annotated.
    pub kind: AnnotationKind,
    /// Only for this platform's manifest.
    pub platform: Option<Platform>,
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// What an annotation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnotationKind {
    /// Manifests of images.
    Manifest,
    /// The index of several platforms.
    Index,
    /// What an index says of a manifest.
    ManifestDescriptor,
    /// What a layout says of the index.
    IndexDescriptor,
}

impl Annotation {
    /// One of every manifest.
    #[must_use]
    pub fn of_manifest(key: &str, value: &str) -> Annotation {
        Annotation {
            kind: AnnotationKind::Manifest,
            platform: None,
            key: key.into(),
            value: value.into(),
        }
    }

    /// Reads `[TYPE[PLATFORM]:]KEY` as `--annotation` writes it, or with `separator` `.` as `--output` does.
    /// Types can be listed: `index,manifest:KEY`.
    ///
    /// # Errors
    /// If the type or the platform is not known, or the key is empty.
    pub fn parse(text: &str, value: &str, separator: char) -> Result<Vec<Annotation>, String> {
        let known = ["manifest", "index"];
        let (kinds, key) = match text.split_once(separator) {
            Some((kinds, key)) if known.iter().any(|known| kinds.starts_with(known)) => (kinds, key),
            _ => ("manifest", text),
        };
        if key.is_empty() {
            return Err(format!("annotation {text:?} has no key"));
        }
        let read = |kind: &str| {
            let (kind, platform) = match kind.split_once('[') {
                Some((kind, platform)) => {
                    let platform = platform.strip_suffix(']').and_then(|text| text.parse().ok());
                    (
                        kind,
                        Some(platform.ok_or_else(|| format!("annotation {text:?}: no platform in [ ]"))?),
                    )
                }
                None => (kind, None),
            };
            let kind = match kind {
                "manifest" => AnnotationKind::Manifest,
                "index" => AnnotationKind::Index,
                "manifest-descriptor" => AnnotationKind::ManifestDescriptor,
                "index-descriptor" => AnnotationKind::IndexDescriptor,
                _ => {
                    return Err(format!(
                        "annotation {text:?}: {kind:?} is none of manifest, index, manifest-descriptor, index-descriptor"
                    ));
                }
            };
            let of_index = matches!(kind, AnnotationKind::Index | AnnotationKind::IndexDescriptor);
            if of_index && platform.is_some() {
                return Err(format!("annotation {text:?}: an index is of no single platform"));
            }
            Ok(Annotation {
                kind,
                platform,
                key: key.to_string(),
                value: value.to_string(),
            })
        };
        kinds.split(',').map(read).collect()
    }
}

/// Kind of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputKind {
    /// OCI layout.
    #[default]
    Oci,
    /// What `docker load` reads.
    Docker,
    /// The root file system as a directory.
    Local,
    /// The root file system as an archive.
    Tar,
}

/// Compression of new layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// gzip.
    #[default]
    Gzip,
    /// zstd.
    Zstd,
    /// None.
    Uncompressed,
}

/// What this machine lends to RUN steps, without a trace in any layer. Gathered by the caller.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The host's bundle of trusted certificates (PEM).
    pub ca_bundle: Option<PathBuf>,
    /// The user's known ssh hosts, for git repositories.
    pub known_hosts: Option<PathBuf>,
    /// Proxy variables of the caller.
    pub proxies: BTreeMap<String, String>,
    /// Where contexts, repositories and what ADD fetches may come from.
    pub reach: Reach,
    /// What a step may take.
    pub bounds: StepBounds,
    /// Mirrors of package archives, in order: each `SUITE-PATTERN URI` line of an apt mirror list.
    pub apt_mirrors: Vec<String>,
    /// Further variables that point package clients to this site's mirrors (`PIP_INDEX_URL`, …).
    pub variables: BTreeMap<String, String>,
}

/// What a build gives back.
#[derive(Clone, Debug, Default)]
pub struct BuildResponse {
    /// Digest of the manifest, or of the index for several platforms. `None` for a dry run.
    pub digest: Option<Digest>,
    /// Digest of the configuration (the image id of docker).
    pub config_digest: Option<Digest>,
    /// Size of the manifest or index in bytes.
    pub size: u64,
    /// Media type of what `digest` names.
    pub media_type: String,
    /// Steps in all, and how many were in the store.
    pub steps: usize,
    /// Steps that were in the store.
    pub cached: usize,
    /// The plan as text, for a dry run.
    pub plan: Option<String>,
    /// The plan as a graph, for a dry run; of several platforms the first one's.
    pub graph: Option<crate::BuildGraph>,
}
