use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::{Call, ProgressMode};

/// Options of `praxis bake`.
#[derive(Debug, Args)]
pub struct BakeOptions {
    /// Targets and groups to build [default: default]; * and ? match names.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,

    /// Bake or compose file, - for standard input; may be repeated, later files lie over earlier ones [default: those
    /// of compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml, docker-bake.json, docker-bake.hcl,
    /// docker-bake.override.json and docker-bake.override.hcl that exist].
    #[arg(short, long = "file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// Override an attribute: TARGET.KEY=VALUE, with += to add; TARGET may hold * and ?. May be repeated.
    #[arg(long = "set", value_name = "TARGET.KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Value for a variable of the files; comes before the environment.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// Grant what the files ask for: fs.read=PATH, fs.write=PATH, fs=PATH (* for all), ssh. Paths below the working
    /// directory and network.host are always granted.
    #[arg(long = "allow", value_name = "ENTITLEMENT")]
    pub entitlements: Vec<String>,

    /// Print what would be built as JSON, build nothing.
    #[arg(long)]
    pub print: bool,
    /// List targets or variables, build nothing.
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "print")]
    pub list: Option<List>,
    /// Report what is doubtful in the Dockerfiles, build nothing; exit status 1 if there is anything.
    #[arg(long)]
    pub check: bool,
    /// What to do: build or check.
    #[arg(long, value_enum, value_name = "METHOD", default_value_t)]
    pub call: Call,

    /// Take nothing from the cache.
    #[arg(long)]
    pub no_cache: bool,
    /// Accepted for scripts: a base is looked up anew in every build.
    #[arg(long)]
    pub pull: bool,
    /// Steps worked on at once, of all targets together; 0: as many as are ready and the machine has processors for.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub jobs: u16,
    /// Write the results' metadata as JSON to FILE, by target.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub metadata_file: Option<PathBuf>,
    /// Refused: there is no daemon to load into.
    #[arg(long)]
    pub load: bool,
    /// Refused: publishing is a release operation.
    #[arg(long)]
    pub push: bool,
    /// Only false: attestations are not part of this version.
    #[arg(long, value_name = "false", hide_short_help = true)]
    pub provenance: Option<String>,
    /// Only false: attestations are not part of this version.
    #[arg(long, value_name = "false", hide_short_help = true)]
    pub sbom: Option<String>,
    /// How progress is shown.
    #[arg(long, value_enum, default_value_t, value_name = "MODE")]
    pub progress: ProgressMode,
}

/// `--list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum List {
    /// Targets and groups.
    Targets,
    /// The same as JSON.
    #[value(name = "type=targets,format=json")]
    TargetsJson,
    /// Variables.
    Variables,
    /// The same as JSON.
    #[value(name = "type=variables,format=json")]
    VariablesJson,
}
