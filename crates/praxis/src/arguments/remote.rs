//! `praxis build --remote`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::BuildOptions;

/// Options of `praxis build`: what is built, and where.
#[derive(Debug, Args)]
pub struct BuildCommand {
    /// What.
    #[command(flatten)]
    pub build: BuildOptions,
    /// Where.
    #[command(flatten)]
    pub remote: RemoteOptions,
}

/// The server that builds.
#[derive(Debug, Args)]
pub struct RemoteOptions {
    /// Have it built by a server (praxis serve --http), as if it were built here: what changed of the context is sent,
    /// the image comes into the store here. https://HOST[:PORT]; http:// for this machine only.
    #[arg(long, value_name = "URL", requires = "remote_token_file")]
    pub remote: Option<String>,
    /// File with the token that the server knows, which others cannot read.
    #[arg(long, value_name = "FILE", env = "PRAXIS_REMOTE_TOKEN_FILE", value_hint = ValueHint::FilePath)]
    pub remote_token_file: Option<PathBuf>,
    /// Certificates (PEM) that may sign the server's, instead of those that this machine trusts.
    #[arg(long, value_name = "FILE", requires = "remote", value_hint = ValueHint::FilePath)]
    pub remote_ca: Option<PathBuf>,
}
