use std::fmt::Write;
use std::path::Path;

use praxis_oci::Digest;
use serde::Deserialize;

use crate::date::{format_timestamp, parse_timestamp};
use crate::index::is_pool_path;
use crate::relation::is_package_name;
use crate::toml_position::syntax_error;
use crate::{DebianError, Recipe, Version};

/// Which packages a base is made of, exactly. The same lock and recipe give the same image on any machine. Names
/// no mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Name of the recipe.
    pub recipe: String,
    /// [`Recipe::inputs`] of the recipe it was made for.
    pub inputs: Digest,
    /// Seconds since 1970: the newest date of the suites, which no file of the image is younger than.
    pub epoch: i64,
    /// The suites as they were.
    pub suites: Vec<LockedSuite>,
    /// The packages of each architecture, architectures as in the recipe, packages by name.
    pub architectures: Vec<LockedArchitecture>,
}

/// A suite at the time of the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedSuite {
    /// The archive.
    pub archive: String,
    /// The suite.
    pub suite: String,
    /// When it was signed, in seconds since 1970.
    pub date: i64,
    /// Digest of its InRelease file.
    pub digest: Digest,
}

/// The packages for one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedArchitecture {
    /// Debian's name of it.
    pub architecture: String,
    /// The packages, by name.
    pub packages: Vec<LockedPackage>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// Its name, safe as a file name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The architecture of the recipe, or `all`.
    pub architecture: String,
    /// The archive that had it.
    pub archive: String,
    /// Its path in the archive.
    pub filename: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    version: u32,
    recipe: String,
    inputs: Digest,
    epoch: String,
    suites: Vec<SuiteLine>,
    architectures: Vec<ArchitectureLines>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteLine {
    archive: String,
    suite: String,
    date: String,
    digest: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchitectureLines {
    architecture: String,
    packages: Vec<LockedPackage>,
}

impl Lock {
    /// Reads what [`Lock::render`] wrote; `path` is for messages. Names and paths in it are safe to use as such.
    pub fn parse(text: &str, path: &Path) -> Result<Lock, DebianError> {
        let file: LockFile = toml::from_str(text).map_err(|error| syntax_error(path, text, &error))?;
        let wrong = |reason: String| DebianError::Syntax {
            path: path.into(),
            line: 1,
            column: 1,
            reason,
        };
        if file.version != VERSION {
            return Err(wrong(format!(
                "this is version {} of locks; only {VERSION} is known",
                file.version
            )));
        }
        let date = |text: &str| parse_timestamp(text).ok_or_else(|| wrong(format!("{text:?} is no date")));
        for package in file.architectures.iter().flat_map(|one| &one.packages) {
            check_package(package)
                .map_err(|reason| wrong(format!("package {:?}: {reason}", package.name)))?;
        }
        let suite = |line: SuiteLine| {
            Ok(LockedSuite {
                date: date(&line.date)?,
                archive: line.archive,
                suite: line.suite,
                digest: line.digest,
            })
        };
        let architecture = |one: ArchitectureLines| LockedArchitecture {
            architecture: one.architecture,
            packages: one.packages,
        };
        Ok(Lock {
            epoch: date(&file.epoch)?,
            recipe: file.recipe,
            inputs: file.inputs,
            suites: file
                .suites
                .into_iter()
                .map(suite)
                .collect::<Result<_, DebianError>>()?,
            architectures: file.architectures.into_iter().map(architecture).collect(),
        })
    }

    /// The lock as TOML, one package a line. Equal locks give equal texts.
    pub fn render(&self) -> String {
        let mut text = format!(
            "# Made by `praxis base lock`. Do not edit.\nversion = {VERSION}\nrecipe = {:?}\ninputs = \"{}\"\nepoch = \"{}\"\n\nsuites = [\n",
            self.recipe,
            self.inputs,
            format_timestamp(self.epoch)
        );
        for suite in &self.suites {
            let _ = writeln!(
                text,
                "  {{ archive = {:?}, suite = {:?}, date = \"{}\", digest = \"{}\" }},",
                suite.archive,
                suite.suite,
                format_timestamp(suite.date),
                suite.digest
            );
        }
        text.push_str("]\n");
        for one in &self.architectures {
            let _ = write!(
                text,
                "\n[[architectures]]\narchitecture = {:?}\npackages = [\n",
                one.architecture
            );
            for package in &one.packages {
                let _ = writeln!(
                    text,
                    "  {{ name = {:?}, version = {:?}, architecture = {:?}, archive = {:?}, filename = {:?}, size = {}, digest = \"{}\" }},",
                    package.name,
                    package.version,
                    package.architecture,
                    package.archive,
                    package.filename,
                    package.size,
                    package.digest
                );
            }
            text.push_str("]\n");
        }
        text
    }

    /// Refuses a lock that was made for other inputs.
    pub fn check_fits(&self, recipe: &Recipe) -> Result<(), DebianError> {
        if self.inputs == recipe.inputs() && self.recipe == recipe.name {
            return Ok(());
        }
        let reason = "its suites, architectures or packages were changed".to_string();
        Err(DebianError::StaleLock {
            recipe: recipe.name.clone(),
            reason,
        })
    }

    /// Whether both name the same packages for the same inputs: a later lock that says so changes nothing, and the
    /// earlier one (with its epoch, hence its image's digest) may be kept.
    pub fn has_same_packages(&self, other: &Lock) -> bool {
        self.inputs == other.inputs && self.architectures == other.architectures
    }

    /// The packages for `architecture` (Debian's name).
    pub fn packages(&self, architecture: &str) -> Result<&[LockedPackage], DebianError> {
        match self
            .architectures
            .iter()
            .find(|one| one.architecture == architecture)
        {
            Some(one) => Ok(&one.packages),
            None => Err(DebianError::StaleLock {
                recipe: self.recipe.clone(),
                reason: format!(
                    "it has no packages for {architecture}; add it to the recipe's architectures"
                ),
            }),
        }
    }
}

fn check_package(package: &LockedPackage) -> Result<(), String> {
    if !is_package_name(&package.name) || !is_package_name(&package.architecture) {
        return Err("its name or architecture is not well-formed".into());
    }
    if !is_pool_path(&package.filename) {
        return Err(format!("its file name {:?} leaves the archive", package.filename));
    }
    package
        .version
        .parse::<Version>()
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Lock {
        let package = LockedPackage {
            name: "hello".into(),
            version: "1:2.10-3+b1".into(),
            architecture: "amd64".into(),
            archive: "debian".into(),
            filename: "pool/main/h/hello/hello_2.10-3+b1_amd64.deb".into(),
            size: 12,
            digest: Digest::of(b"x"),
        };
        Lock {
            recipe: "tiny".into(),
            inputs: Digest::of(b"inputs"),
            epoch: 1_795_252_544,
            suites: vec![LockedSuite {
                archive: "debian".into(),
                suite: "trixie".into(),
                date: 1_795_252_544,
                digest: Digest::of(b"r"),
            }],
            architectures: vec![LockedArchitecture {
                architecture: "amd64".into(),
                packages: vec![package],
            }],
        }
    }

    fn parse(text: &str) -> Result<Lock, DebianError> {
        Lock::parse(text, Path::new("tiny.lock"))
    }

    #[test]
    fn reads_what_it_renders() {
        let lock = sample();
        let text = lock.render();
        assert_eq!(parse(&text).unwrap(), lock);
        assert!(!text.contains("http"));
        assert!(lock.packages("amd64").is_ok());
        assert!(lock.packages("arm64").unwrap_err().to_string().contains("arm64"));
    }

    #[test]
    fn row_01_refuses_names_that_climb() {
        let text = sample().render();
        for (from, to) in [
            ("name = \"hello\"", "name = \"../hello\""),
            ("\"pool/main", "\"../../pool"),
            ("1:2.10-3+b1\", arch", "1:2 .10\", arch"),
            ("version = 1", "version = 2"),
            ("sha256:", "md5:"),
        ] {
            assert_ne!(text.replace(from, to), text);
            assert!(parse(&text.replace(from, to)).is_err(), "{to}");
        }
    }
}
