use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Call, ProgressMode, RegistryOptions};

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
    /// Grant what the files ask for: fs.read=PATH, fs.write=PATH, fs=PATH (* for all), ssh, network.host,
    /// security.insecure. Paths below the working directory need no grant.
    #[arg(long = "allow", value_name = "ENTITLEMENT")]
    pub entitlements: Vec<String>,

    /// Print what would be built as JSON, build nothing.
    #[arg(long)]
    pub print: bool,
    /// List targets or variables, build nothing; type=targets|variables,format=json gives JSON.
    #[arg(long, value_name = "WHAT", value_parser = parse_list, conflicts_with = "print")]
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
    /// Ask registries also for bases that the store has under their name.
    #[arg(long, conflicts_with = "offline")]
    pub pull: bool,
    /// Ask no registry; images that were fetched before are used. What is missing is listed.
    #[arg(long)]
    pub offline: bool,
    /// Registries.
    #[command(flatten)]
    pub registries: RegistryOptions,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// Variables, or else targets and groups.
    pub variables: bool,
    /// JSON, or else a table.
    pub json: bool,
}

/// Reads `targets`, `variables` or `type=…,format=table|json`.
fn parse_list(text: &str) -> Result<List, String> {
    let pairs = match text.contains('=') {
        true => praxis_bake::csv::pairs(text)?,
        false => vec![("type".to_string(), text.to_string())],
    };
    let mut list = List {
        variables: false,
        json: false,
    };
    let mut kind = None;
    for (key, value) in pairs {
        match (key.as_str(), value.as_str()) {
            ("type", "targets" | "variables") => kind = Some(value == "variables"),
            ("format", "table" | "json") => list.json = value == "json",
            _ => {
                return Err(format!(
                    "{key}={value} is not known: use targets or variables, and format=table or json"
                ));
            }
        }
    }
    list.variables = kind.ok_or("type=targets or type=variables is missing")?;
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_list() {
        let list = |text| parse_list(text).map(|list| (list.variables, list.json));
        assert_eq!(list("targets"), Ok((false, false)));
        assert_eq!(list("type=variables,format=json"), Ok((true, true)));
        assert_eq!(list("type=targets,format=table"), Ok((false, false)));
        for wrong in ["", "groups", "format=json", "type=targets,format=xml"] {
            assert!(list(wrong).is_err(), "{wrong}");
        }
    }
}
