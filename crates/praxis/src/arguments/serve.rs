//! `praxis serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use praxis_serve::Tier;

use super::parse_age;

/// Options of `praxis serve`.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// What callers may have done: readonly (nothing runs, no registry is asked), guarded (builds and tests in the
    /// context roots, by the policy of these options), open (any context, registry credentials for pulling).
    #[arg(long, value_name = "TIER", default_value = "guarded", value_parser = parse_tier)]
    pub tier: Tier,
    /// Directory that requests may name, with all that is below it; may be repeated. Without one no file is read.
    #[arg(long = "context-root", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub context_roots: Vec<PathBuf>,
    /// Let RUN steps reach this machine's network, with all that listens on it. Without it they have none.
    #[arg(long)]
    pub allow_network: bool,
    /// Builds and tests at once; more are turned away.
    #[arg(long, value_name = "NUMBER", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub max_jobs: u16,
    /// The longest that one build or test may take, such as 90s, 30m or 2h.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_age)]
    pub job_timeout: Duration,
}

fn parse_tier(text: &str) -> Result<Tier, String> {
    text.parse()
}
