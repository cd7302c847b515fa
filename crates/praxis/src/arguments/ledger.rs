use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use praxis_engine::RecordKind;
use praxis_oci::Digest;

use super::{JsonOption, RegistryOptions, TimestampOptions};

/// `praxis ledger …`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List records, latest first
    Log(LedgerLogOptions),
    /// Show one record, and on request the proof that it is in the ledger
    Show {
        /// Number of the record.
        #[arg(value_name = "NUMBER")]
        number: u64,
        /// Also give the hashes that prove that the record is under the root of the checkpoint (RFC 6962).
        #[arg(long)]
        proof: bool,
        /// Output format.
        #[command(flatten)]
        format: JsonOption,
    },
    /// Look at every record and tell which were changed, removed or put in
    Verify(LedgerVerifyOptions),
    /// Write the state of the ledger: origin, number of records, root over them
    ///
    /// Keep it elsewhere: praxis ledger verify --checkpoint then shows whether the ledger still has what it had.
    Checkpoint {
        /// File to write; without it, standard output.
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
        /// When it was so.
        #[command(flatten)]
        timestamps: TimestampOptions,
        /// Registries, whose proxies and certificates also serve to reach the authority.
        #[command(flatten)]
        registries: RegistryOptions,
    },
    /// Write all records as lines of JSON, with a checkpoint at the end
    Export {
        /// File to write; without it, standard output.
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
}

/// Options of `praxis ledger log`.
#[derive(Debug, Args)]
pub struct LedgerLogOptions {
    /// Only records of this kind: build, check, test, release, promote or pin.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<RecordKind>,
    /// Only records about this image.
    #[arg(long, value_name = "DIGEST")]
    pub subject: Option<Digest>,
    /// At most so many records.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    pub limit: usize,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Options of `praxis ledger verify`.
#[derive(Debug, Args)]
pub struct LedgerVerifyOptions {
    /// Checkpoint that the ledger must still fit; may be repeated.
    #[arg(long = "checkpoint", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub checkpoints: Vec<PathBuf>,
    /// Authorities that are believed about times (trustedroot.json): every checkpoint has to have a time by one of them.
    #[arg(long, value_name = "FILE", requires = "checkpoints", value_hint = ValueHint::FilePath)]
    pub trusted_root: Option<PathBuf>,
    /// Verify an export instead of the ledger of the store.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub export: Option<PathBuf>,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}
