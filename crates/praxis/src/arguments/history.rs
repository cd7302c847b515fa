use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::JsonOption;

/// `praxis history …`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HistoryOptions {
    /// What to show.
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// `praxis history …`.
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// List past builds, latest first
    Ls(JsonOption),
    /// Show a build: its steps, what was cached, how long each took and waited
    Show {
        /// Id of the build, its beginning or end, or latest.
        #[arg(value_name = "ID", default_value = "latest")]
        id: String,
        /// Output format.
        #[command(flatten)]
        format: JsonOption,
    },
    /// Print what the steps of a build printed
    Logs {
        /// Id of the build, its beginning or end, or latest.
        #[arg(value_name = "ID")]
        id: String,
        /// Number of one step, as shown by praxis history show.
        #[arg(value_name = "STEP")]
        step: Option<usize>,
    },
    /// Draw a build as a picture (SVG): stages, what waited for what, what was cached
    Timeline {
        /// Id of the build, its beginning or end, or latest.
        #[arg(value_name = "ID", default_value = "latest")]
        id: String,
        /// File to write; without it, standard output.
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: Option<PathBuf>,
    },
    /// Forget builds; their results stay
    Rm {
        /// Ids of builds.
        #[arg(value_name = "ID", required_unless_present = "all")]
        ids: Vec<String>,
        /// Forget all builds.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}
