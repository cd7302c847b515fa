use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use praxis_oci::{Digest, Platform, Reference};

use super::JsonOption;

/// How registries are reached.
#[derive(Clone, Debug, Default, Args)]
pub struct RegistryOptions {
    /// Settings of registries.
    ///
    /// Default: /etc/praxis/registries.toml and $XDG_CONFIG_HOME/praxis/registries.toml (~/.config), the latter for what
    /// both name.
    #[arg(long, value_name = "FILE", env = "PRAXIS_REGISTRIES", value_hint = ValueHint::FilePath)]
    pub registry_config: Option<PathBuf>,
    /// Registry that is spoken to without TLS; may be repeated. Loopback is, without being named.
    #[arg(long = "insecure-registry", value_name = "HOST[:PORT]")]
    pub insecure_registries: Vec<String>,
}

/// Options of `praxis pull`.
#[derive(Debug, Args)]
pub struct PullOptions {
    /// Images to pull.
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<Reference>,
    /// Platform to pull for; default: this machine's.
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// Pull the image for all its platforms.
    #[arg(long, conflicts_with = "platform")]
    pub all_platforms: bool,
    /// Ask no registry: succeed if the store has all of the images, else list those that are missing.
    #[arg(long)]
    pub offline: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis push`.
#[derive(Debug, Args)]
pub struct PushOptions {
    /// Image in the store.
    pub image: Reference,
    /// Names to give it in registries [default: the image's own].
    #[arg(value_name = "NAME")]
    pub names: Vec<Reference>,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis copy`.
#[derive(Debug, Args)]
pub struct CopyOptions {
    /// docker://NAME, oci-layout:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] or the name of an image
    /// in the store.
    #[arg(value_name = "FROM")]
    pub source: String,
    /// docker://NAME, oci-layout:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] or a name for the store.
    /// Archives are written anew.
    #[arg(value_name = "TO")]
    pub target: String,
    /// Also copy what refers to the image: signatures, attestations.
    #[arg(long)]
    pub referrers: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis tags`.
#[derive(Debug, Args)]
pub struct TagsOptions {
    /// Repository, such as ghcr.io/team/app.
    pub repository: Reference,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis login`.
#[derive(Debug, Args)]
pub struct LoginOptions {
    /// Registry, such as ghcr.io.
    #[arg(default_value = "docker.io")]
    pub registry: String,
    /// Name of the account.
    #[arg(short, long, value_name = "USER")]
    pub username: String,
    /// Read the password from standard input. There is no other way to give it.
    #[arg(long, required = true)]
    pub password_stdin: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
}

/// Options of `praxis logout`.
#[derive(Debug, Args)]
pub struct LogoutOptions {
    /// Registry, such as ghcr.io.
    #[arg(default_value = "docker.io")]
    pub registry: String,
}

/// `praxis referrers …`.
#[derive(Debug, Subcommand)]
pub enum ReferrersCommand {
    /// List what refers to an image of a registry
    List {
        /// The image.
        image: Reference,
        /// Only this type of artifact.
        #[arg(long, value_name = "TYPE")]
        artifact_type: Option<String>,
        /// Registries.
        #[command(flatten)]
        registries: RegistryOptions,
        /// Output format.
        #[command(flatten)]
        format: JsonOption,
    },
    /// Fetch an artifact that refers to an image of a registry, verified
    Fetch {
        /// The image.
        image: Reference,
        /// Digest of the artifact, as list shows it.
        artifact: Digest,
        /// Directory for manifest.json and the blobs, named by the hex digits of their digests; it must be empty or
        /// new [default: the content of the only layer on standard output].
        #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        output: Option<PathBuf>,
        /// Registries.
        #[command(flatten)]
        registries: RegistryOptions,
        /// Output format; only with --output.
        #[command(flatten)]
        format: JsonOption,
    },
    /// Attach a file to an image of a registry
    Attach {
        /// The image.
        image: Reference,
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// What the file is.
        #[arg(long, value_name = "TYPE")]
        artifact_type: String,
        /// Registries.
        #[command(flatten)]
        registries: RegistryOptions,
    },
}
