use std::path::PathBuf;

use clap::{Args, ValueHint};
use praxis_oci::Platform;

use super::{JsonOption, ProgressMode, RegistryOptions, SecretOption, SshOption};

/// The platform of an image.
#[derive(Clone, Debug, Args)]
pub struct PlatformOption {
    /// Platform to take from an index [default: this machine's].
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
}

/// Options of `praxis inspect`.
#[derive(Debug, Args)]
pub struct InspectOptions {
    /// Name or digest of an image in the store, oci-archive:FILE[:TAG], docker-archive:FILE[:NAME],
    /// oci-layout:DIR[:TAG], the path of one of these, or docker://NAME.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
}

/// Options of `praxis tree`.
#[derive(Debug, Args)]
pub struct TreeOptions {
    /// The image, as for `praxis inspect`.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Show only what is at or below this path.
    #[arg(value_name = "PATH")]
    pub path: Option<String>,
    /// Show only this layer; the lowest is 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub layer: Option<u16>,
    /// Directories deeper than this are summed up; 0: none [default: 2, with --layer or PATH 0].
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Show what is wasted instead: files that higher layers replace or remove, and copies of one content.
    #[arg(long, conflicts_with_all = ["layer", "depth", "path"])]
    pub waste: bool,
    /// Draw the layers into this file: bars of size with waste marked.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis diff`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 files and configuration are the same; 1 they differ, or an image cannot be read."
)]
pub struct DiffOptions {
    /// The first image, as for `praxis inspect`.
    #[arg(value_name = "A")]
    pub before: String,
    /// The second image.
    #[arg(value_name = "B")]
    pub after: String,
    /// Only numbers.
    #[arg(long, conflicts_with = "layers")]
    pub stat: bool,
    /// Also the layers of both side by side.
    #[arg(long)]
    pub layers: bool,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis explain`.
#[derive(Debug, Args)]
pub struct ExplainOptions {
    /// The image, as for `praxis inspect`.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// A path in the image.
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Dockerfile to compare the image's history with, for an image that was not built here.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub dockerfile: Option<PathBuf>,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis reproduce`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 the rebuild is the image, bit by bit; 1 it is not, or cannot be made."
)]
pub struct ReproduceOptions {
    /// The image, as for `praxis inspect`. What it was built from is known of images that were built in this store;
    /// the options below say it otherwise.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// The context, as for `praxis build`, or the archive that standard input was [default: where it was].
    #[arg(long, value_name = "CONTEXT", value_hint = ValueHint::AnyPath)]
    pub context: Option<String>,
    /// The Dockerfile [default: its text of then].
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// The stage.
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Value for an ARG, over the one of then.
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub build_args: Vec<String>,
    /// Further context, over the one of then.
    #[arg(long = "build-context", value_name = "NAME=VALUE")]
    pub build_contexts: Vec<String>,
    /// Secret for RUN steps: of a secret only the name is known.
    #[arg(long = "secret", value_name = "SECRET")]
    pub secrets: Vec<SecretOption>,
    /// SSH agent for RUN steps: default or ID=SOCKET.
    #[arg(long, value_name = "ID[=SOCKET]")]
    pub ssh: Vec<SshOption>,
    /// Steps worked on at once; 0: as many as are ready and the machine has processors for.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub jobs: u16,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub progress: ProgressMode,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}
