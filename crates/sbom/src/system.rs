use serde::Serialize;

use crate::files::Files;

/// The operating system of an image, from its os-release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct System {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`; empty where there is none.
    pub version: String,
    /// `PRETTY_NAME` or `NAME`.
    pub title: String,
    /// `VERSION_CODENAME`.
    pub codename: String,
}

impl System {
    /// `debian-13`.
    pub fn distro(&self) -> String {
        match (self.id.as_str(), self.version.as_str()) {
            (id, "") => id.into(),
            (id, version) => format!("{id}-{version}"),
        }
    }

    pub(crate) fn read(files: &Files) -> Option<System> {
        let text = ["etc/os-release", "usr/lib/os-release"]
            .iter()
            .find_map(|path| files.text(path))?;
        let value = |name: &str| {
            let lines = text.lines().map(str::trim);
            let mut found = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            found.next_back().map(unquoted).unwrap_or_default()
        };
        let system = System {
            id: value("ID"),
            version: value("VERSION_ID"),
            title: [value("PRETTY_NAME"), value("NAME")]
                .into_iter()
                .find(|title| !title.is_empty())
                .unwrap_or_default(),
            codename: value("VERSION_CODENAME"),
        };
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-~+".contains(&byte))
        };
        (!system.id.is_empty() && plain(&system.id) && plain(&system.version)).then_some(system)
    }
}

/// A value without the quotes of the shell.
fn unquoted(value: &str) -> String {
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let text = inner.unwrap_or(value);
    let plain: String = text.replace('\\', "");
    plain
        .chars()
        .filter(|letter| !letter.is_control())
        .take(200)
        .collect()
}
