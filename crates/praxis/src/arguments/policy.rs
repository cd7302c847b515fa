use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

/// `praxis policy …`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Run the tests of the rules that praxis.toml names: what begins with test_ in files that end in _test.rego
    ///
    /// Exit status 1 if one fails, or if there is none. Only a praxis with the cargo feature rego can run rules.
    Test {
        /// Repository.
        #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
        path: PathBuf,
    },
    /// Write what rules see of a repository, their input, as JSON
    Input {
        /// Repository, or one Dockerfile.
        #[arg(default_value = ".", value_hint = ValueHint::AnyPath)]
        path: PathBuf,
        /// The date that rules see; default: today.
        #[arg(long, value_name = "YYYY-MM-DD")]
        today: Option<String>,
    },
}
