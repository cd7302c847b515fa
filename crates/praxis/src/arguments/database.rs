//! `--database`, `praxis database`, `praxis queue` and `praxis work`.

// Without the extra the options are there, and what they are for is not.
#![cfg_attr(not(feature = "postgres"), allow(dead_code))]

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use praxis_serve::Destination;

use super::{JsonOption, parse_age};

/// Where the URL of the database is: never on the command line, where everybody reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseOption {
    /// In a file.
    File(PathBuf),
    /// In a variable of the environment.
    Variable(String),
}

impl FromStr for DatabaseOption {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<DatabaseOption, Infallible> {
        Ok(match text.strip_prefix("env://") {
            Some(name) => DatabaseOption::Variable(name.into()),
            None => DatabaseOption::File(text.into()),
        })
    }
}

/// `praxis database …`.
#[derive(Debug, Subcommand)]
pub enum DatabaseCommand {
    /// Make the tables, or bring them to what this praxis knows
    ///
    /// Run by their owner, apart from serving: --database names a URL of the role that owns the tables, which servers
    /// never need.
    Migrate {
        /// Role that servers use: it gets the rights to add to the ledger and to move builds along, and no others.
        #[arg(long, value_name = "ROLE")]
        serving_role: Option<String>,
    },
}

/// `praxis queue …`.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Add a build, and print its number
    Add(QueueAddOptions),
    /// List builds, latest first
    List {
        /// Only those that have not ended.
        #[arg(long)]
        open: bool,
        /// At most so many.
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
        limit: u32,
        /// Output format.
        #[command(flatten)]
        format: JsonOption,
    },
    /// Show a build and what came of it
    Show {
        /// Its number.
        number: i64,
        /// Output format.
        #[command(flatten)]
        format: JsonOption,
    },
    /// Ask to stop a build
    Cancel {
        /// Its number.
        number: i64,
    },
}

/// Options of `praxis queue add`.
#[derive(Debug, Args)]
pub struct QueueAddOptions {
    /// Directory of the build context, as the workers see it: in one of their context roots.
    pub context: String,
    /// The Dockerfile, relative to the context.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<String>,
    /// The stage to build.
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Name for the image in the worker's store; may be repeated.
    #[arg(short, long = "tag", value_name = "NAME")]
    pub tags: Vec<String>,
    /// Value for an ARG instruction; may be repeated. Never a secret: requests are kept.
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    pub build_args: Vec<String>,
    /// Further context: NAME=oci-layout://DIR, docker-image://NAME or a directory, as the workers see it; may be repeated.
    #[arg(long = "build-context", value_name = "NAME=VALUE")]
    pub build_contexts: Vec<String>,
    /// Run every step again.
    #[arg(long)]
    pub no_cache: bool,
    /// Wait until the build has ended, and end as it did.
    #[arg(long)]
    pub wait: bool,
}

/// Options of `praxis work`.
#[derive(Debug, Args)]
pub struct WorkOptions {
    /// Directory that requests may name, with all that is below it; may be repeated.
    #[arg(long = "context-root", value_name = "DIR", required = true, value_hint = ValueHint::DirPath)]
    pub context_roots: Vec<PathBuf>,
    /// Let RUN steps reach this machine's network, with all that listens on it. Without it they have none.
    #[arg(long)]
    pub allow_network: bool,
    /// What is not public and may be fetched from all the same: HOST[:PORT], an address or a network such as
    /// 10.0.0.0/8; may be repeated. Without it images, contexts and ADD come from public addresses alone.
    #[arg(long, value_name = "PLACE")]
    pub allow_address: Vec<Destination>,
    /// The longest that one build may take, such as 90s, 30m or 2h.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_age)]
    pub job_timeout: Duration,
    /// How long a build is held without word of this worker before another one takes it over.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_age)]
    pub lease: Duration,
    /// Name of this worker [default: host and process].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// End when no build waits.
    #[arg(long)]
    pub until_empty: bool,
}
