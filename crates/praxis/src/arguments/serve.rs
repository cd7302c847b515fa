//! `praxis serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use praxis_serve::{Destination, Network, Tier};

use super::limits::parse_size;
use super::parse_age;

/// Options of `praxis serve`.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// What callers may have done: readonly (nothing runs, no registry is asked), guarded (builds and tests in the
    /// context roots, by the policy of these options), open (any context, registry credentials for pulling).
    #[arg(long, value_name = "TIER", default_value = "guarded", value_parser = parse_tier, conflicts_with = "http")]
    pub tier: Tier,
    /// Directory that requests may name, with all that is below it; may be repeated. Without one no file is read.
    #[arg(long = "context-root", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub context_roots: Vec<PathBuf>,
    /// Let RUN steps reach this machine's network, with all that listens on it. Without it they have none.
    #[arg(long)]
    pub allow_network: bool,
    /// Processes of one RUN step at once, where the machine has cgroups for that.
    #[arg(long, value_name = "NUMBER", default_value = "4096", value_parser = clap::value_parser!(u64).range(1..))]
    pub step_processes: u64,
    /// Memory of one RUN step, such as 4g, where the machine has cgroups for that. Without it there is no bound.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub step_memory: Option<u64>,
    /// What is not public and may be fetched from all the same: HOST[:PORT], an address or a network such as
    /// 10.0.0.0/8; may be repeated. Without it images, contexts and ADD come from public addresses alone.
    #[arg(long, value_name = "PLACE")]
    pub allow_address: Vec<Destination>,
    /// Who is believed to have signed images, and what they have to have: [verify] of the praxis.toml in this directory.
    /// Without it signatures are listed and not judged.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub verify_policy: Option<PathBuf>,
    /// Put builds into the queue of --database, where praxis work takes them, instead of making them here.
    #[arg(long)]
    pub queue: bool,
    /// Bytes that are kept of the files that one client sends for its builds (praxis build --remote); what was not used
    /// for the longest time goes first.
    #[arg(long, value_name = "SIZE", default_value = "10g", value_parser = parse_size)]
    pub max_sent: u64,
    /// Builds and tests at once; more are turned away.
    #[arg(long, value_name = "NUMBER", default_value = "2", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub max_jobs: u16,
    /// The longest that one build or test may take, such as 90s, 30m or 2h.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_age)]
    pub job_timeout: Duration,
    /// Listen here (IP:PORT) instead of on standard input: MCP at /mcp. Needs --tokens; an address that others than this
    /// machine can reach also needs --listen-publicly and TLS, here or at a proxy.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub http: Option<SocketAddr>,
    /// Clients of --http, one a line: NAME TIER TOKEN, or NAME TIER sha256:HEX. Nobody but its owner and group may be
    /// able to read the file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "http")]
    pub tokens: Option<PathBuf>,
    /// Others than this machine may connect.
    #[arg(long, requires = "http")]
    pub listen_publicly: bool,
    /// Certificate chain (PEM).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires_all = ["http", "tls_key"])]
    pub tls_certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires_all = ["http", "tls_certificate"])]
    pub tls_key: Option<PathBuf>,
    /// Address or network (10.0.0.0/8) of a proxy that ends TLS; only it may ask for more than health. May be repeated.
    #[arg(long, value_name = "NETWORK", requires = "http")]
    pub behind_proxy: Vec<Network>,
    /// A name of this server as clients write it, HOST or HOST:PORT, beside its address; may be repeated.
    #[arg(long, value_name = "HOST", requires = "http")]
    pub allow_host: Vec<String>,
    /// Where pages may come from that call this server, https://HOST[:PORT], beside its own; may be repeated.
    #[arg(long, value_name = "ORIGIN", requires = "http")]
    pub allow_origin: Vec<String>,
    /// Requests of one client at once; more are turned away. An open stream is one.
    #[arg(long, value_name = "NUMBER", default_value = "32", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub max_requests: u16,
    /// Send traces to a collector that speaks OTLP over HTTP, such as http://127.0.0.1:4318.
    #[arg(long, value_name = "URL", requires = "http")]
    pub otlp: Option<String>,
    /// How long calls may go on after SIGTERM.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_age)]
    pub drain_timeout: Duration,
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let parsed = text.parse();
    parsed.map_err(|_| format!("{text:?} is no address: write IP:PORT, such as 127.0.0.1:8080 or [::1]:8080"))
}

fn parse_tier(text: &str) -> Result<Tier, String> {
    text.parse()
}
