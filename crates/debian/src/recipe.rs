use std::io;
use std::path::{Path, PathBuf};

use praxis_oci::{Digest, Hasher};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::DebianError;
use crate::openpgp::{Fingerprint, Keyring};
use crate::relation::is_package_name;
use crate::toml_position::syntax_error;

/// What a base image is made of, as its author wrote it. Everything that decides the image is in here and in the
/// lock; no mirror is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// Name of the base image.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Debian's names of the architectures that are locked.
    #[serde(deserialize_with = "names")]
    pub architectures: Vec<String>,
    /// Whether nothing is run: only the packages named with what they depend on, and declared results instead of
    /// maintainer scripts. Otherwise essential and required packages are part of it and scripts run.
    #[serde(default)]
    pub minimal: bool,
    /// The packages.
    #[serde(deserialize_with = "names")]
    pub packages: Vec<String>,
    /// Packages, real or virtual, that count as there although they are not: dependencies that only maintainer
    /// scripts need.
    #[serde(default, deserialize_with = "names", skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// Paths that are not unpacked, as dpkg's `path-exclude` reads them (`*` also matches `/`). An image with dpkg
    /// keeps to it for packages installed later.
    #[serde(default, deserialize_with = "patterns", skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Paths that are unpacked although `exclude` matches.
    #[serde(default, deserialize_with = "patterns", skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Where packages come from.
    pub sources: Vec<Source>,
    /// Groups beside those that packages make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Users beside those that packages make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// Files beside those of the packages. They replace a package's file of the same path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<DeclaredFile>,
    /// What goes into the image's configuration.
    #[serde(default)]
    pub image: ImageSettings,
}

/// Suites of one archive, and the keys that must sign them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Source {
    /// `debian`, or `debian-security` for the archive of security updates: what mirrors are looked up by.
    #[serde(deserialize_with = "name")]
    pub archive: String,
    /// Names of suites (`trixie`, `trixie-updates`).
    #[serde(deserialize_with = "names")]
    pub suites: Vec<String>,
    /// Components (`main`).
    #[serde(deserialize_with = "names")]
    pub components: Vec<String>,
    /// File of public keys, relative to the recipe.
    pub keyring: PathBuf,
    /// The primary keys in it that are trusted.
    #[serde(serialize_with = "print_fingerprints", deserialize_with = "fingerprints")]
    pub fingerprints: Vec<Fingerprint>,
    /// The bytes of the key file.
    #[serde(skip)]
    pub keyring_bytes: Vec<u8>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// Its name.
    #[serde(deserialize_with = "account")]
    pub name: String,
    /// Its number.
    pub gid: u32,
    /// Users in it, beside those whose first group it is.
    #[serde(default, deserialize_with = "accounts", skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
}

/// A user. None has a password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct User {
    /// Its name.
    #[serde(deserialize_with = "account")]
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its first group.
    pub gid: u32,
    /// Home directory, which is not made.
    #[serde(default = "no_home", deserialize_with = "absolute")]
    pub home: String,
    /// Login shell.
    #[serde(default = "no_shell", deserialize_with = "absolute")]
    pub shell: String,
}

fn no_home() -> String {
    "/nonexistent".into()
}

fn no_shell() -> String {
    "/usr/sbin/nologin".into()
}

/// A file of the recipe's own: exactly one of `content`, `link`, `concatenate` and `directory`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeclaredFile {
    /// Absolute path in the image.
    #[serde(deserialize_with = "absolute")]
    pub path: String,
    /// Permissions, in octal digits.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "mode")]
    pub mode: Option<String>,
    /// Owner.
    #[serde(default)]
    pub uid: u32,
    /// Group.
    #[serde(default)]
    pub gid: u32,
    /// Its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Target of a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The files of packages that match this pattern, one after the other in order of their paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concatenate: Option<String>,
    /// A directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub directory: bool,
}

impl DeclaredFile {
    /// Permission bits: as given, else 0755 for directories and 0644 for files.
    pub fn permissions(&self) -> u32 {
        let default = if self.directory { 0o755 } else { 0o644 };
        self.mode
            .as_deref()
            .and_then(|mode| u32::from_str_radix(mode, 8).ok())
            .unwrap_or(default)
    }
}

/// The image's configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSettings {
    /// `NAME=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Default command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// User.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Working directory.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Labels.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub labels: std::collections::BTreeMap<String, String>,
}

impl Recipe {
    /// Reads a recipe. `path` is for messages, and its directory is where key files are looked for. Keys are read
    /// and must be usable.
    pub fn parse(text: &str, path: &Path) -> Result<Recipe, DebianError> {
        Recipe::parse_with(text, path, &|path| std::fs::read(path))
    }

    /// As [`Recipe::parse`], with key files read through `read`.
    pub fn parse_with(
        text: &str,
        path: &Path,
        read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Recipe, DebianError> {
        let mut recipe: Recipe = toml::from_str(text).map_err(|error| syntax_error(path, text, &error))?;
        let wrong = |line: usize, reason: String| DebianError::Syntax {
            path: path.into(),
            line,
            column: 1,
            reason,
        };
        recipe.check().map_err(|reason| wrong(1, reason))?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for source in &mut recipe.sources {
            let file = directory.join(&source.keyring);
            source.keyring_bytes = read(&file).map_err(DebianError::file("read the key file", &file))?;
            source.keys().map(drop)?;
        }
        Ok(recipe)
    }

    /// The recipe as TOML without comments. Equal recipes give equal texts.
    pub fn to_toml(&self) -> Result<String, DebianError> {
        toml::to_string(self).map_err(|error| {
            DebianError::package(&self.name, format!("the recipe cannot be written: {error}"))
        })
    }

    /// The digest of all that decides which packages are locked. A lock that names another digest does not fit.
    pub fn inputs(&self) -> Digest {
        let mut hasher = Hasher::new();
        let mut list = |label: &str, values: &mut dyn Iterator<Item = &[u8]>| {
            hasher.field(label.as_bytes());
            values.for_each(|value| hasher.field(value));
        };
        let bytes = |values: &'_ [String]| values.iter().map(|v| v.as_bytes().to_vec()).collect::<Vec<_>>();
        list("minimal", &mut [&[u8::from(self.minimal)][..]].into_iter());
        for (label, values) in [
            ("architectures", &self.architectures),
            ("packages", &self.packages),
            ("without", &self.without),
        ] {
            list(label, &mut bytes(values).iter().map(Vec::as_slice));
        }
        for source in &self.sources {
            list("archive", &mut [source.archive.as_bytes()].into_iter());
            list("suites", &mut bytes(&source.suites).iter().map(Vec::as_slice));
            list(
                "components",
                &mut bytes(&source.components).iter().map(Vec::as_slice),
            );
        }
        hasher.finish()
    }

    fn check(&self) -> Result<(), String> {
        let empty = |what: &str| Err(format!("the recipe names no {what}"));
        if self.architectures.is_empty() {
            return empty("architecture");
        }
        if self.sources.is_empty() || self.sources.iter().any(|source| source.suites.is_empty()) {
            return empty("source with a suite");
        }
        if let Some(source) = self.sources.iter().find(|source| source.fingerprints.is_empty()) {
            return Err(format!(
                "the source {:?} names no fingerprint of a key that must sign it",
                source.archive
            ));
        }
        for file in &self.files {
            let forms = [
                file.content.is_some(),
                file.link.is_some(),
                file.concatenate.is_some(),
                file.directory,
            ];
            if forms.iter().filter(|form| **form).count() != 1 {
                return Err(format!(
                    "file {}: give exactly one of content, link, concatenate and directory",
                    file.path
                ));
            }
        }
        Ok(())
    }
}

impl Source {
    /// The trusted keys.
    pub fn keys(&self) -> Result<Keyring, DebianError> {
        Keyring::parse(&self.keyring_bytes, &self.fingerprints).map_err(|source| DebianError::Signature {
            what: format!("{}", self.keyring.display()),
            source,
        })
    }
}

fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    well: impl Fn(&str) -> bool,
    expected: &str,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match well(&text) {
        true => Ok(text),
        false => Err(serde::de::Error::custom(format!("{text:?} is not {expected}"))),
    }
}

macro_rules! checked_text {
    ($one:ident, $many:ident, $well:expr, $expected:literal) => {
        #[allow(dead_code)]
        fn $one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
            checked(deserializer, $well, $expected)
        }

        #[allow(dead_code)]
        fn $many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
            struct Item(String);
            impl<'de> Deserialize<'de> for Item {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
                    $one(deserializer).map(Item)
                }
            }
            Ok(Vec::<Item>::deserialize(deserializer)?
                .into_iter()
                .map(|item| item.0)
                .collect())
        }
    };
}

checked_text!(
    name,
    names,
    is_package_name,
    "a name of at least two lower-case letters, digits, +, - and ."
);
checked_text!(pattern, patterns, is_absolute, "an absolute path");
checked_text!(
    absolute,
    absolutes,
    is_absolute,
    "an absolute path without . and .."
);
checked_text!(
    account,
    accounts,
    is_account,
    "a name of lower-case letters, digits, - and _"
);

fn is_absolute(text: &str) -> bool {
    text.starts_with('/')
        && !text.contains(['\n', '\0'])
        && text.split('/').all(|part| part != "." && part != "..")
}

fn is_account(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text.len() <= 32
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let octal = |text: &str| u32::from_str_radix(text, 8).is_ok_and(|mode| mode <= 0o7777);
    checked(deserializer, octal, "a mode in octal digits, such as \"0644\"").map(Some)
}

fn fingerprints<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Fingerprint>, D::Error> {
    struct Item(Fingerprint);
    impl<'de> Deserialize<'de> for Item {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Item, D::Error> {
            String::deserialize(deserializer)?
                .parse()
                .map(Item)
                .map_err(serde::de::Error::custom)
        }
    }
    Ok(Vec::<Item>::deserialize(deserializer)?
        .into_iter()
        .map(|item| item.0)
        .collect())
}

fn print_fingerprints<S: Serializer>(values: &[Fingerprint], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|value| value.to_string()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const TEXT: &str = r#"
name = "tiny"
architectures = ["amd64"]
packages = ["hello"]

[[sources]]
archive = "debian"
suites = ["testing-example"]
components = ["main"]
keyring = "keys/test.asc"
fingerprints = ["3F75 D508 D6D6 0725 0E4E  4ACF B8B4 AEF8 EBD1 DBE6"]

[[users]]
name = "root"
uid = 0
gid = 0

[[files]]
path = "/etc/motd"
mode = "0600"
content = "hi\n"
"#;

    pub(crate) fn parse(text: &str) -> Result<Recipe, DebianError> {
        let keys = include_bytes!("../tests/fixtures/keyring.asc");
        Recipe::parse_with(text, Path::new("bases/tiny.toml"), &|path| {
            assert_eq!(path, Path::new("bases/keys/test.asc"));
            Ok(keys.to_vec())
        })
    }

    #[test]
    fn reads_what_it_prints() {
        let recipe = parse(TEXT).unwrap();
        assert_eq!(recipe.users[0].shell, "/usr/sbin/nologin");
        assert_eq!(recipe.files[0].permissions(), 0o600);
        let again = parse(&recipe.to_toml().unwrap()).unwrap();
        assert_eq!(again, recipe);
        assert_eq!(again.inputs(), recipe.inputs());
    }

    #[test]
    fn only_what_decides_the_packages_is_an_input_of_the_lock() {
        let inputs = parse(TEXT).unwrap().inputs();
        assert_eq!(parse(&TEXT.replace("hi\\n", "ho\\n")).unwrap().inputs(), inputs);
        assert_ne!(
            parse(&TEXT.replace("[\"hello\"]", "[\"hello\", \"world\"]"))
                .unwrap()
                .inputs(),
            inputs
        );
    }

    #[test]
    fn messages_say_where() {
        for (from, to, expected) in [
            (
                "packages = [\"hello\"]",
                "packages = [\"../x\"]",
                "bases/tiny.toml:4:12: ",
            ),
            ("mode = \"0600\"", "mode = \"0900\"", "bases/tiny.toml:20:8: "),
            ("name = \"tiny\"", "nome = \"tiny\"", "bases/tiny.toml:2:1: "),
            ("3F75", "3X75", "bases/tiny.toml:11:"),
            ("content =", "link = \"x\"\ncontent =", "exactly one of content"),
            ("DBE6", "DBE7", "is not in the key file"),
            ("path = \"/etc/motd\"", "path = \"/../motd\"", "without . and .."),
        ] {
            let text = TEXT.replace(from, to);
            assert_ne!(text, TEXT);
            let message = parse(&text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
