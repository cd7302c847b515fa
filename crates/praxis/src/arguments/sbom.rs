use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::image::PlatformOption;

/// Options of `praxis sbom`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 written, or with --verify the same; 1 an image cannot be read, or --verify found differences."
)]
pub struct SbomOptions {
    /// The image, as for `praxis inspect`.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// How it is written.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: SbomFormat,
    /// Write to FILE instead of standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Lock of the Debian base that the image was built from, where the store does not know it: digests of packages, and
    /// the packages themselves where the image has no database of dpkg's.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub lock: Option<PathBuf>,
    /// Write nothing, but say in what this SBOM (SPDX or CycloneDX in JSON, or an attestation) and the files differ.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["format", "output", "lock"])]
    pub verify: Option<PathBuf>,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
}

/// How a list of components is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SbomFormat {
    /// SPDX 2.3.
    SpdxJson,
    /// CycloneDX 1.6.
    CyclonedxJson,
    /// For people.
    #[default]
    Table,
}

/// Options of `praxis provenance`.
#[derive(Debug, Args)]
pub struct ProvenanceOptions {
    /// The image, as for `praxis inspect`; it must have been built in this store.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// How much it says: max also has values of build arguments, the Dockerfile and the steps.
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub mode: ProvenanceMode,
    /// Who built it, as an address.
    #[arg(long, value_name = "URI")]
    pub builder_id: Option<String>,
    /// Write to FILE instead of standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
}

/// How much a provenance says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProvenanceMode {
    /// Names of build arguments, no steps.
    #[default]
    Min,
    /// Everything but secrets.
    Max,
}
