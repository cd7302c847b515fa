//! Bake files and compose files to resolved targets: text and variables in, targets out. No I/O and no environment:
//! the caller gives the files' texts and the variables.

mod compose;
mod compose_merge;
pub mod csv;
mod decode;
mod definitions;
mod document;
mod dotenv;
mod entry;
mod error;
mod evaluate;
mod functions;
mod json;
mod kind;
mod overrides;
pub mod path;
mod read;
mod resolve;
mod target;
mod template;
mod value;
mod yaml;

use std::collections::BTreeMap;

pub use definitions::VariableDescription;
pub use entry::{Entry, Secret, Ssh};
pub use error::BakeError;
pub use praxis_source::SourceFile;
pub use read::{Bake, read};
pub use resolve::{Resolved, is_remote};
pub use target::{Group, Target};

use value::Value;

/// Files that are read when none is named, in this order; later ones lie over earlier ones.
pub const DEFAULT_FILES: [&str; 8] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// Longest file, in bytes.
pub const FILE_LIMIT: usize = 1 << 20;

/// What targets are made of.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The files, later ones over earlier ones. The ending of the name says how to read one.
    pub files: Vec<SourceFile>,
    /// Variables that were given for this call; they come before the environment.
    pub variables: BTreeMap<String, String>,
    /// The caller's environment.
    pub environment: BTreeMap<String, String>,
    /// The `.env` file beside compose files.
    pub dotenv: Option<SourceFile>,
    /// `BAKE_CMD_CONTEXT`: `cwd://` where the command runs.
    pub command_context: String,
    /// `BAKE_LOCAL_PLATFORM`.
    pub local_platform: String,
    /// What `timestamp()` gives, in seconds since 1970.
    pub time: i64,
}

impl Inputs {
    /// The value that the caller gives a variable.
    fn variable(&self, name: &str) -> Option<&str> {
        let found = self.variables.get(name).or_else(|| self.environment.get(name));
        found.map(String::as_str)
    }

    fn built_in(&self) -> BTreeMap<String, Value> {
        let pairs = [
            ("BAKE_CMD_CONTEXT", &self.command_context),
            ("BAKE_LOCAL_PLATFORM", &self.local_platform),
        ];
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_string(), Value::text(value)))
            .collect()
    }
}

#[cfg(test)]
mod robustness_tests;
#[cfg(test)]
mod tests;
