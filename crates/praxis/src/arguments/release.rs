use std::path::PathBuf;

use clap::{Args, ValueHint};
use praxis_oci::Reference;

use super::{JsonOption, KeyOptions, LogOptions, RegistryOptions, TimestampOptions};

/// Options of `praxis release`.
#[derive(Debug, Args)]
#[command(
    after_help = "The images are those that the last `praxis ci` of this commit tested; nothing is built here, and \
                        nothing else is pushed. What was cut short is completed by the same command."
)]
pub struct ReleaseOptions {
    /// The version. A git tag VERSION or vVERSION has to be at HEAD, and the work tree has to be clean.
    #[arg(id = "release", value_name = "VERSION")]
    pub version: String,
    /// The repository.
    #[arg(value_name = "PATH", default_value = ".", value_hint = ValueHint::DirPath)]
    pub path: PathBuf,
    /// Where the image goes [default: image.name of praxis.toml].
    #[arg(long, value_name = "NAME")]
    pub repository: Option<Reference>,
    /// Report of praxis ci (--report json=FILE) with what was tested [default: the ledger of the store].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub report: Option<PathBuf>,
    /// The key.
    #[command(flatten)]
    pub key: KeyOptions,
    /// When.
    #[command(flatten)]
    pub timestamps: TimestampOptions,
    /// Who else hears of it.
    #[command(flatten)]
    pub log: LogOptions,
    /// The right to push.
    #[command(flatten)]
    pub grant: GrantOptions,
    /// Who built it, for the provenance.
    #[arg(long, value_name = "URI")]
    pub builder_id: Option<String>,
    /// Tag that is moved to this version, such as latest; may be repeated. Without it no tag ever moves.
    #[arg(long = "moving-tag", value_name = "TAG")]
    pub moving_tags: Vec<String>,
    /// Sign and attest in the old form too, for verifiers that do not know bundles.
    #[arg(long)]
    pub legacy: bool,
    /// Where the record of the release is written [default: release-VERSION.json].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// The right to push. It is named here or in these variables, never found: files of docker and podman, and helpers, are
/// not looked at.
#[derive(Clone, Debug, Default, Args)]
#[group(required = true, multiple = true)]
pub struct GrantOptions {
    /// Account at the registry; its password is in --registry-password-file or PRAXIS_RELEASE_PASSWORD.
    #[arg(
        long,
        value_name = "USER",
        env = "PRAXIS_RELEASE_USER",
        conflicts_with = "anonymous"
    )]
    pub registry_user: Option<String>,
    /// File with the password.
    #[arg(long, value_name = "FILE", conflicts_with = "anonymous", value_hint = ValueHint::FilePath)]
    pub registry_password_file: Option<PathBuf>,
    /// The registry takes pushes from anybody.
    #[arg(long)]
    pub anonymous: bool,
}
