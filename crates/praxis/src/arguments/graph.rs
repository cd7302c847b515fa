use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use praxis_oci::Platform;

/// Options of `praxis graph`.
#[derive(Debug, Args)]
pub struct GraphOptions {
    /// The context, as for `praxis build`, but not standard input.
    #[arg(value_name = "CONTEXT", default_value = ".", value_hint = ValueHint::DirPath)]
    pub context: String,
    /// The Dockerfile [default: CONTEXT/Dockerfile]; - reads it from standard input.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Stage to build [default: the last].
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Value for an ARG; NAME alone takes it from the environment.
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub build_args: Vec<String>,
    /// Further context, as for `praxis build`.
    #[arg(long = "build-context", value_name = "NAME=VALUE")]
    pub build_contexts: Vec<String>,
    /// Platform to build for.
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<Platform>,
    /// Count nothing as cached.
    #[arg(long)]
    pub no_cache: bool,
    /// What to write: a picture, text for graphviz or Mermaid, JSON, or an outline.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: GraphFormat,
    /// Write to FILE instead of standard output.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// `--format` of `praxis graph`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A picture that needs nothing else, for light and dark.
    #[default]
    Svg,
    /// For graphviz.
    Dot,
    /// For Markdown that draws Mermaid.
    Mermaid,
    /// For programs.
    Json,
    /// For a terminal.
    Text,
}
