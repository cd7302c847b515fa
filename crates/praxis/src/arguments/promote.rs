use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{JsonOption, RegistryOptions};

/// Options of `praxis promote`.
#[derive(Debug, Args)]
#[command(
    after_help = "The files are those of promote.files in praxis.toml [default: values of charts below deploy/helm, Zarf \
                        packages, Kustomizations and compose files below deploy, compose files at the top]. Nothing is \
                        committed and nothing pushed. What was cut short is completed by the same command."
)]
pub struct PromoteOptions {
    /// The record that praxis release wrote.
    #[arg(value_name = "RECORD", required_unless_present = "check", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    /// The repository with the deploy files.
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// Write nothing; exit 1 if a digest is neither the placeholder nor the last release (that of RECORD, else
    /// deploy.released of praxis.toml), if they are not equal everywhere, or if production has the placeholder.
    #[arg(long, conflicts_with_all = ["diff", "approver", "keys", "insecure_skip_verify"])]
    pub check: bool,
    /// Show the edits as a patch and write no file. Written into the ledger only with --approver.
    #[arg(long)]
    pub diff: bool,
    /// Who approves, for the ledger [default: user.name and user.email of git].
    #[arg(long, value_name = "NAME")]
    pub approver: Option<String>,
    /// Public key that is believed; may be repeated, and adds to [verify] of praxis.toml.
    #[arg(long = "key", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub keys: Vec<PathBuf>,
    /// Do not verify what the registry serves. The ledger says so.
    #[arg(long, conflicts_with = "keys")]
    pub insecure_skip_verify: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}
