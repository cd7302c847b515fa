//! The command line, spelled like docker buildx where buildx has the same thing.

mod attestation;
mod bake;
mod build;
mod cache;
mod check;
mod ci;
mod container;
mod database;
mod graph;
mod history;
mod image;
mod ledger;
mod limits;
mod output;
mod policy;
mod promote;
mod prune;
mod registry;
mod release;
mod remote;
mod sbom;
mod secret;
mod serve;
mod sign;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

pub use bake::{BakeOptions, List};
pub use build::{BuildOptions, Call, ProgressMode};
pub use cache::{parse_cache_from, parse_cache_to};
pub use check::{CheckFormat, CheckOptions, FixLevel, PinOptions, Threshold};
pub use ci::{CiOptions, ReportFormat};
pub use container::{RunOptions, TestOptions};
#[cfg(feature = "postgres")]
pub use database::QueueAddOptions;
pub use database::{DatabaseCommand, DatabaseOption, QueueCommand, WorkOptions};
pub use graph::{GraphFormat, GraphOptions};
pub use history::{HistoryCommand, HistoryOptions};
pub use image::{DiffOptions, ExplainOptions, InspectOptions, ReproduceOptions, TreeOptions};
pub use ledger::{LedgerCommand, LedgerLogOptions, LedgerVerifyOptions};
pub use limits::{LimitOption, parse_size};
pub use output::{OutputOption, PUSH, parse_output};
pub use policy::PolicyCommand;
pub use promote::PromoteOptions;
pub use prune::{PruneCommand, PruneFilter};
pub use registry::{
    CopyOptions, LoginOptions, LogoutOptions, PullOptions, PushOptions, ReferrersCommand, RegistryOptions,
    TagsOptions,
};
pub use release::{GrantOptions, ReleaseOptions};
pub use remote::{BuildCommand, RemoteOptions};
pub use sbom::{ProvenanceMode, ProvenanceOptions, SbomFormat, SbomOptions};
pub use secret::{SecretOption, SecretOrigin, SshOption};
pub use serve::ServeOptions;
pub use sign::{
    AttestOptions, KeyCommand, KeyOptions, LogOptions, PassphraseOption, SignOptions, TimestampOptions,
    VerifyOptions,
};

/// Container images you can prove.
///
/// Builds OCI images from Dockerfiles without a daemon and without root.
#[derive(Debug, Parser)]
#[command(
    name = "praxis",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(
    after_help = "Exit status: 0 success; 1 failed build or findings; 2 wrong usage; 70 defect in praxis; \
                        130 interrupted."
)]
pub struct Arguments {
    /// Directory of the store.
    ///
    /// Default: /var/lib/praxis for root, else $XDG_DATA_HOME/praxis (~/.local/share/praxis).
    #[arg(long, global = true, value_name = "DIR", env = "PRAXIS_ROOT", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// PostgreSQL that holds the ledger and past builds, instead of the store: file with its URL, or env://NAME.
    ///
    /// postgresql://USER:PASSWORD@HOST/DATABASE, of a role that serves; needs the extra postgres. The certificate of a
    /// server on another machine is verified; sslrootcert=FILE in the URL names an authority of your own.
    // In no help but that of the command: docs/database.md says more.
    #[arg(long, global = true, hide = true, value_name = "FILE", env = "PRAXIS_DATABASE", value_hint = ValueHint::FilePath)]
    pub database: Option<DatabaseOption>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image from a Dockerfile
    // As in buildx the last one counts: scripts put options of their own behind those of a caller.
    #[command(args_override_self = true)]
    Build(Box<BuildCommand>),
    /// Build the targets of bake and compose files as one
    Bake(Box<BakeOptions>),
    /// Check the Dockerfiles of a repository and what deploys them
    Check(CheckOptions),
    /// Write the digests of images into Dockerfiles and deploy files
    Pin(PinOptions),
    /// Try the rules that a repository brings with it, written in Rego
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look after the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Show past builds
    History(HistoryOptions),
    /// Pull images from registries into the store
    Pull(PullOptions),
    /// Push an image of the store to a registry
    Push(PushOptions),
    /// Copy an image between registries, OCI layouts and the store
    Copy(CopyOptions),
    /// List the tags of a repository
    Tags(TagsOptions),
    /// List and attach what refers to an image of a registry
    #[command(subcommand)]
    Referrers(ReferrersCommand),
    /// Keep a password for a registry
    Login(LoginOptions),
    /// Forget the password for a registry
    Logout(LogoutOptions),
    /// Describe an image in the store, a registry, an archive or a layout
    Inspect(InspectOptions),
    /// Draw the plan of a build: stages, steps, what each takes from where, what is cached
    Graph(Box<GraphOptions>),
    /// Show what each layer of an image adds, changes and removes, and what is wasted
    Tree(TreeOptions),
    /// Compare the files, the configuration and the layers of two images
    Diff(DiffOptions),
    /// Tell which layer and which line of a Dockerfile put a file into an image
    Explain(ExplainOptions),
    /// List what an image is made of: SPDX, CycloneDX or a table
    Sbom(SbomOptions),
    /// Write what an image was made from as SLSA provenance
    Provenance(ProvenanceOptions),
    /// Build an image again from what it was built from, and compare
    Reproduce(Box<ReproduceOptions>),
    /// Make keys that sign, and show public ones
    #[command(subcommand)]
    Key(KeyCommand),
    /// Sign an image and every manifest in it
    Sign(SignOptions),
    /// Sign statements about an image: provenance, SBOMs, others
    Attest(AttestOptions),
    /// Verify who signed an image and what is said about it
    Verify(VerifyOptions),
    /// Show, verify and export the ledger: what was built, checked, tested, pinned, released
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Write the digests of a verified release into deploy files, and nothing else
    Promote(PromoteOptions),
    /// Run a command in an image: no network, no privileges, a root that refuses writes
    Run(RunOptions),
    /// Run the smoke tests of an image, restricted as in `praxis run`
    Test(TestOptions),
    /// Check, build and test with one report; cannot publish
    #[command(args_override_self = true)]
    Ci(Box<CiOptions>),
    /// Publish what praxis ci tested: signed, attested, pushed by digest, verified, then tagged
    Release(Box<ReleaseOptions>),
    /// Serve builds to agents: MCP on standard input and output, or over HTTP
    Serve(ServeOptions),
    /// Make the tables that servers share in PostgreSQL; --database FILE names where it is, for every command
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// Add builds to the queue that servers share, look at them, cancel them
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Take builds from the queue and make them, one after the other
    ///
    /// Several workers may share a store. SIGTERM ends a worker when the build at hand has ended, a second one at once:
    /// another worker then takes the build over.
    Work(WorkOptions),
    /// Tell what this machine allows, what follows from it and what would help
    Doctor(JsonOption),
    /// Make base images from Debian packages
    #[command(subcommand)]
    Base(BaseCommand),
    /// Write a completion script for a shell to standard output
    Completion {
        /// Shell to write for.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    Man {
        /// Directory for one page a command; without it, praxis(1) goes to standard output.
        #[arg(value_hint = ValueHint::DirPath)]
        directory: Option<PathBuf>,
    },
}

/// `praxis store …`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Show how much the store holds, and for which builds
    Du {
        /// Show every build and what each step holds.
        #[arg(short, long)]
        verbose: bool,
        /// Output format.
        #[command(flatten)]
        format: JsonOption,
    },
    /// List cache mounts
    Caches(JsonOption),
    /// Remove what is least worth keeping: step results, cache mounts, what is remembered of contexts
    Prune(PruneCommand),
    /// Remove what no named image and no recent build needs
    Gc(CollectOptions),
    /// Read everything again, compare it with its digests and remove what is damaged
    Verify(JsonOption),
}

/// Options of `praxis store gc`.
#[derive(Debug, Args)]
pub struct CollectOptions {
    /// Keep results of steps used within this time, such as 36h or 14d.
    #[arg(long, value_name = "AGE", default_value = "14d", value_parser = parse_age)]
    pub keep: std::time::Duration,
    /// Remove everything that no named image needs, however recent.
    #[arg(long, conflicts_with = "keep")]
    pub all: bool,
    /// Also remove the content of cache mounts and the packages fetched for bases.
    #[arg(long)]
    pub caches: bool,
    /// Print JSON.
    #[command(flatten)]
    pub format: JsonOption,
}

/// Text for people or JSON for programs.
#[derive(Clone, Copy, Debug, Args)]
pub struct JsonOption {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `praxis base …`.
#[derive(Debug, Subcommand)]
pub enum BaseCommand {
    /// Resolve a recipe against its mirror and write FILE.lock
    Lock(BaseLockOptions),
    /// Build the base image that a recipe and its lock describe
    Build(BaseBuildOptions),
    /// Lock again, build and re-pin the Dockerfiles that use the base
    Update(BaseUpdateOptions),
}

/// Where packages come from.
#[derive(Clone, Debug, Args)]
pub struct MirrorOption {
    /// Mirror to use instead of those of the host's apt configuration; may be repeated.
    #[arg(
        long = "mirror",
        value_name = "URI",
        env = "PRAXIS_MIRROR",
        value_delimiter = ' '
    )]
    pub mirrors: Vec<String>,
}

/// How old what a mirror says may be.
#[derive(Clone, Copy, Debug, Args)]
pub struct ExpiredOption {
    /// Take Release files that are past their time: those of a mirror that was frozen on purpose. Signatures and hashes are
    /// verified all the same, but security updates may be missing.
    #[arg(long)]
    pub allow_expired: bool,
}

/// Options of `praxis base lock`.
#[derive(Debug, Args)]
pub struct BaseLockOptions {
    /// The recipe (TOML).
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// Mirrors.
    #[command(flatten)]
    pub mirror: MirrorOption,
    /// How old what a mirror says may be.
    #[command(flatten)]
    pub expired: ExpiredOption,
}

/// Options of `praxis base build`.
#[derive(Debug, Args)]
pub struct BaseBuildOptions {
    /// The recipe (TOML); its lock lies beside it.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// Name for the image.
    #[arg(short, long, value_name = "NAME")]
    pub tag: Option<String>,
    /// Platforms, separated by commas; default: this machine's. Several give an index.
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    pub platforms: Vec<praxis_oci::Platform>,
    /// Mirrors.
    #[command(flatten)]
    pub mirror: MirrorOption,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub progress: ProgressMode,
}

/// Options of `praxis base update`.
#[derive(Debug, Args)]
pub struct BaseUpdateOptions {
    /// The recipe (TOML).
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub recipe: PathBuf,
    /// Name for the image.
    #[arg(short, long, value_name = "NAME")]
    pub tag: Option<String>,
    /// Dockerfile whose FROM lines and base labels to re-pin; may be repeated.
    #[arg(short = 'f', long = "file", value_name = "DOCKERFILE", value_hint = ValueHint::FilePath)]
    pub dockerfiles: Vec<PathBuf>,
    /// Platforms, separated by commas; default: this machine's. Several give an index.
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    pub platforms: Vec<praxis_oci::Platform>,
    /// Mirrors.
    #[command(flatten)]
    pub mirror: MirrorOption,
    /// How old what a mirror says may be.
    #[command(flatten)]
    pub expired: ExpiredOption,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub progress: ProgressMode,
}

fn parse_age(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("{text:?} is no age: write a number with s, m, h or d, such as 36h or 14d");
    let split = text.len()
        - text
            .chars()
            .next_back()
            .filter(char::is_ascii_alphabetic)
            .map_or(0, |_| 1);
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(seconds)
        .map(std::time::Duration::from_secs)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn ages() {
        assert_eq!(parse_age("36h").unwrap().as_secs(), 129_600);
        assert_eq!(parse_age("5").unwrap().as_secs(), 5);
        for wrong in ["", "h", "3w", "-1d", "99999999999999999999d", "3é"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }
}
