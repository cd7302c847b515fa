use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use praxis_engine::{CacheFrom, CacheTo};
use praxis_oci::Platform;

use super::{
    LimitOption, OutputOption, RegistryOptions, SecretOption, SshOption, parse_cache_from, parse_cache_to,
    parse_output, parse_size,
};

/// Options of `praxis build`.
#[derive(Debug, Args)]
pub struct BuildOptions {
    /// Directory with the sources, - for standard input (a Dockerfile, or a tar archive in any compression), a git
    /// repository (https://…, ssh://…, git@…, a bare one on this machine; with #REF:DIR or
    /// ?ref=|tag=|branch=|commit=|subdir=|submodules=|keep-git-dir=), or the address of an archive or Dockerfile.
    #[arg(value_name = "CONTEXT", value_hint = ValueHint::DirPath)]
    pub context: String,

    /// The Dockerfile [default: CONTEXT/Dockerfile]; - reads it from standard input. A path inside the context, unless
    /// that is a directory.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Name for the image; may be repeated.
    #[arg(short, long = "tag", value_name = "NAME[:TAG]")]
    pub tags: Vec<String>,
    /// Stage to build [default: the last].
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Value for an ARG; NAME alone takes it from the environment.
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub build_args: Vec<String>,
    /// Further context: NAME=DIR, oci-layout://DIR, docker-image://REFERENCE, a git repository or an archive's address.
    #[arg(long = "build-context", value_name = "NAME=VALUE")]
    pub build_contexts: Vec<String>,
    /// Label for the image.
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub labels: Vec<String>,
    /// Annotation; TYPE is manifest (the default), index, manifest-descriptor or index-descriptor, several with commas.
    #[arg(long = "annotation", value_name = "[TYPE[PLATFORM]:]KEY=VALUE")]
    pub annotations: Vec<String>,
    /// Platforms to build for; several give an index.
    #[arg(long = "platform", value_name = "OS/ARCH", value_delimiter = ',')]
    pub platforms: Vec<Platform>,

    /// Where the result goes: type=oci|docker|local|tar[,dest=PATH][,tar=false][,compression=gzip|zstd|uncompressed]
    /// [,compression-level=N (gzip 0-9, zstd 1-22)][,force-compression=true][,oci-mediatypes=false][,annotation[-TYPE][[PLATFORM]].KEY=VALUE]; a path alone is
    /// type=local, - a tar on standard output. May be repeated.
    #[arg(short, long = "output", value_name = "OUTPUT", value_parser = parse_output)]
    pub outputs: Vec<OutputOption>,
    /// Write the image's id (digest of its configuration) to FILE.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub iidfile: Option<PathBuf>,
    /// Write the result's metadata as JSON to FILE.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub metadata_file: Option<PathBuf>,
    /// Refused: there is no daemon to load into.
    #[arg(long)]
    pub load: bool,
    /// Refused: publishing is a release operation.
    #[arg(long)]
    pub push: bool,

    /// Take nothing from the cache.
    #[arg(long)]
    pub no_cache: bool,
    /// Take nothing from the cache for these stages.
    #[arg(long, value_name = "STAGE", value_delimiter = ',')]
    pub no_cache_filter: Vec<String>,
    /// Cache of an earlier build, perhaps on another machine: type=local,src=DIR[,digest=DIGEST] or
    /// type=registry,ref=NAME, which may be an image that was built with --cache-to type=inline. May be repeated.
    #[arg(long, value_name = "CACHE", value_parser = parse_cache_from)]
    pub cache_from: Vec<CacheFrom>,
    /// Write a cache: type=inline (into the image's configuration), type=local,dest=DIR or type=registry,ref=NAME, and
    /// [,mode=min|max][,compression=gzip|zstd|uncompressed][,ignore-error=true]. min holds the image's own layers, max those of all stages. May be repeated.
    #[arg(long, value_name = "CACHE", value_parser = parse_cache_to)]
    pub cache_to: Vec<CacheTo>,
    /// Ask registries also for images that the store has under their name.
    #[arg(long, conflicts_with = "offline")]
    pub pull: bool,
    /// Ask no registry: what was fetched before has to do.
    #[arg(long)]
    pub offline: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
    /// Steps worked on at once; 0: as many as are ready and the machine has processors for.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub jobs: u16,

    /// Network of RUN steps.
    #[arg(long, value_enum, value_name = "MODE")]
    pub network: Option<NetworkMode>,
    /// Line for /etc/hosts of RUN steps.
    #[arg(long = "add-host", value_name = "NAME:ADDRESS")]
    pub add_hosts: Vec<String>,
    /// Secret for RUN steps: id=NAME[,src=FILE|env=VARIABLE].
    #[arg(long = "secret", value_name = "SECRET")]
    pub secrets: Vec<SecretOption>,
    /// SSH agent for RUN steps that mount it: default, ID=SOCKET or ID=KEY[,KEY…]. Key files without a passphrase are
    /// held by an ssh-agent of the step's own.
    #[arg(long, value_name = "ID[=SOCKET|KEY]")]
    pub ssh: Vec<SshOption>,
    /// What RUN steps may ask for: network.host for --network=host, security.insecure for --security=insecure.
    #[arg(long = "allow", value_name = "ENTITLEMENT")]
    pub entitlements: Vec<String>,
    /// Size of /dev/shm in RUN steps; 64m unless given.
    #[arg(long, value_name = "SIZE", hide_short_help = true, value_parser = parse_size)]
    pub shm_size: Option<u64>,
    /// Limit for the processes of RUN steps, as in nofile=1024:2048; -1 is no limit.
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", hide_short_help = true)]
    pub ulimits: Vec<LimitOption>,
    /// List SLSA provenance of each image in the index: true, false, mode=min|max, builder-id=URI. Such attestations are
    /// part of the index's digest; praxis attest makes signed ones that are not.
    #[arg(long, value_name = "VALUE")]
    pub provenance: Option<String>,
    /// List an SPDX SBOM of each image in the index: true or false.
    #[arg(long, value_name = "VALUE")]
    pub sbom: Option<String>,
    /// The same in one option: type=provenance,mode=max or type=sbom; may be repeated.
    #[arg(long, value_name = "type=TYPE")]
    pub attest: Vec<String>,

    /// Report what is doubtful in the Dockerfile, build nothing; exit status 1 if there is anything.
    #[arg(long)]
    pub check: bool,
    /// What to do: build or check.
    #[arg(long, value_enum, value_name = "METHOD", default_value_t)]
    pub call: Call,
    /// Print the plan and what would be cached, build nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// When a RUN step fails, open a shell in its sandbox: with its files as they are then, its environment, user,
    /// mounts and network. What the shell changes is thrown away, and the build fails all the same. Needs a terminal.
    #[arg(long, value_enum, value_name = "shell", alias = "invoke")]
    pub on_error: Option<OnErrorMode>,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub progress: ProgressMode,
    /// No progress; the image's digest on standard output.
    #[arg(short, long)]
    pub quiet: bool,
}

/// `--on-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnErrorMode {
    /// A shell in the sandbox of the step.
    #[value(alias = "on-error")]
    Shell,
}

/// `--network`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NetworkMode {
    /// The host's network.
    Default,
    /// The host's network.
    Host,
    /// Only a loopback interface.
    None,
}

impl NetworkMode {
    /// The value as the engine takes it.
    pub fn name(self) -> &'static str {
        match self {
            NetworkMode::Default => "default",
            NetworkMode::Host => "host",
            NetworkMode::None => "none",
        }
    }
}

/// `--call`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Call {
    /// Build.
    #[default]
    Build,
    /// Same as --check.
    Check,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// tty on a terminal, else plain.
    #[default]
    Auto,
    /// Live display.
    Tty,
    /// One line an event.
    Plain,
    /// One JSON object an event.
    Rawjson,
    /// Nothing but errors.
    Quiet,
}
