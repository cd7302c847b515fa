use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// Options of `praxis check`.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// Repository, or one Dockerfile.
    #[arg(default_value = ".", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// How findings are written.
    #[arg(long, value_enum, default_value_t = CheckFormat::Human)]
    pub format: CheckFormat,
    /// Least severity of the findings that are shown.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Threshold::Note)]
    pub severity: Threshold,
    /// Least severity that makes the exit status 1.
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = Threshold::Error)]
    pub fail_on: Threshold,
    /// Mend what can be mended: `safe` fixes cannot change what the image does.
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "safe"
    )]
    pub fix: Option<FixLevel>,
    /// Show the edits of --fix as a patch and write nothing.
    #[arg(long)]
    pub diff: bool,
    /// The date that waivers are compared with; default: today.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub today: Option<String>,
    /// Also check this image, as named for praxis inspect, or docker://NAME of a registry: its user and accounts, set-uid
    /// files, what its user may write, packages, credentials in any layer and in its history, waste, provenance and SBOM; of
    /// a published one, what is not signed.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Platform of the image.
    #[arg(long, value_name = "OS/ARCH", requires = "image")]
    pub platform: Option<praxis_oci::Platform>,
    /// Also run the image: whether its smoke tests need a root that can be written to, and whether it opens HTTP by itself.
    #[arg(long, requires = "image")]
    pub run: bool,
    /// Also build the image again from what was noted when it was built, and compare.
    #[arg(long, requires = "image")]
    pub rebuild: bool,
    /// Also ask registries about pinned images: whether they have the digest, for which platforms, and what the tag stands
    /// for now. Without it nothing is asked.
    #[arg(long)]
    pub online: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: super::RegistryOptions,
    /// Show a rule's page and do nothing else.
    #[arg(long, value_name = "RULE")]
    pub explain: Option<String>,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// Excerpts with carets.
    Human,
    /// JSON.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// JUnit XML.
    Junit,
}

/// A severity to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Threshold {
    /// Everything.
    Note,
    /// Warnings and errors.
    Warning,
    /// Errors.
    Error,
    /// Nothing.
    Never,
}

/// Which fixes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FixLevel {
    /// Those that cannot change what the image does.
    Safe,
    /// All.
    Unsafe,
}

/// Options of `praxis pin`.
#[derive(Debug, Args)]
pub struct PinOptions {
    /// Repository, or one Dockerfile.
    #[arg(default_value = ".", value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// Write nothing; exit 1 if an image has no digest or an action no commit, or with --update another one.
    #[arg(long)]
    pub check: bool,
    /// Resolve tags again that have a digest, and write what they are now.
    #[arg(long)]
    pub update: bool,
    /// Show the edits as a patch and write nothing.
    #[arg(long)]
    pub diff: bool,
    /// Ask neither registries nor git: what the store does not have stays without a digest.
    #[arg(long)]
    pub offline: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: super::RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: super::JsonOption,
}
