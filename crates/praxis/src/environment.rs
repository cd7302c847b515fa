//! The only place that reads the process environment, so that tests can give another one.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Variables of the process.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Environment {
        Environment(std::env::vars_os().collect())
    }

    /// An environment of the given variables.
    #[cfg(test)]
    pub fn of(variables: &[(&str, &str)]) -> Environment {
        Environment(
            variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    /// All variables, for programs that are started.
    pub fn all(&self) -> Vec<(OsString, OsString)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A variable's bytes.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable's text; absent if it is empty or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name)
            .and_then(OsStr::to_str)
            .filter(|value| !value.is_empty())
    }

    /// All variables that are text.
    pub fn texts(&self) -> BTreeMap<String, String> {
        let pairs = self.0.iter();
        pairs
            .filter_map(|(name, value)| Some((name.to_str()?.to_string(), value.to_str()?.to_string())))
            .collect()
    }

    /// The same with another value for one variable.
    pub fn with(&self, name: &str, value: &str) -> Environment {
        let mut environment = self.clone();
        environment.0.insert(name.into(), value.into());
        environment
    }

    /// A variable as a path; absent if empty.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }
}
