//! What the machine lends to RUN steps without a trace in any layer.

use std::collections::BTreeMap;
use std::path::PathBuf;

use praxis_reach::Reach;

/// How much of the machine one RUN step may take; `None` is no bound. What the machine cannot enforce is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepBounds {
    /// Processes and threads at one time.
    pub processes: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of output that are kept; the rest is read and dropped.
    pub output: Option<u64>,
}

/// Files and variables of this site. None of it is part of any key.
#[derive(Clone, Debug, Default)]
pub struct SiteLoan {
    /// The host's bundle of trusted certificates.
    pub ca_bundle: Option<PathBuf>,
    /// The user's known ssh hosts, for git.
    pub known_hosts: Option<PathBuf>,
    /// Proxy variables.
    pub proxies: BTreeMap<String, String>,
    /// Variables that point package clients to mirrors.
    pub variables: BTreeMap<String, String>,
    /// Files laid over files that the image has (mirror lists), by absolute path.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Where what is fetched may come from.
    pub reach: Reach,
    /// What a step may take.
    pub bounds: StepBounds,
    /// Content of `/etc/resolv.conf`.
    pub resolv_conf: String,
}

/// Where the certificates are seen by RUN: on the `/dev` of the sandbox, which never reaches a layer.
pub(crate) const CA_PATH: &str = "/dev/praxis-ca.pem";
/// Where apt's settings are seen by RUN.
pub(crate) const APT_PATH: &str = "/dev/praxis-apt.conf";
/// Where wget's settings are seen by RUN: GnuTLS knows no variable for certificates.
pub(crate) const WGET_PATH: &str = "/dev/praxis-wgetrc";
/// The variables by which clients find a file of settings that names the certificates.
pub(crate) const SETTINGS_VARIABLES: [(&str, &str); 2] = [("APT_CONFIG", APT_PATH), ("WGETRC", WGET_PATH)];

/// The variables by which package clients and libraries find certificates.
pub(crate) const CA_VARIABLES: [&str; 8] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
];
