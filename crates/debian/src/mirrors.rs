use std::collections::BTreeMap;

use crate::DebianError;
use crate::control::parse_paragraphs;

/// Name of the archive of released packages.
pub const MAIN_ARCHIVE: &str = "debian";
/// Name of the archive of security updates.
pub const SECURITY_ARCHIVE: &str = "debian-security";

/// Where archives are served: base URIs by the archive's name, the preferred one first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    archives: BTreeMap<String, Vec<String>>,
}

impl Mirrors {
    /// No mirror at all.
    pub fn new() -> Mirrors {
        Mirrors::default()
    }

    /// Adds a base URI (what precedes `/dists/`) after those there are. Trailing slashes are dropped; one that is
    /// there already is not repeated.
    pub fn add(&mut self, archive: &str, uri: &str) {
        let uri = uri.trim_end_matches('/').to_string();
        let uris = self.archives.entry(archive.into()).or_default();
        if !uri.is_empty() && !uris.contains(&uri) {
            uris.push(uri);
        }
    }

    /// The base URIs of `archive`. The archive of security updates falls back to the sibling
    /// `debian-security` of the main archive's mirrors, where mirrors usually keep it.
    pub fn of(&self, archive: &str) -> Result<Vec<String>, DebianError> {
        let own = self.archives.get(archive).cloned().unwrap_or_default();
        let uris = match (own.is_empty(), archive) {
            (true, SECURITY_ARCHIVE) => self.siblings(),
            _ => own,
        };
        if uris.is_empty() {
            return Err(DebianError::NoMirror {
                archive: archive.into(),
            });
        }
        Ok(uris)
    }

    fn siblings(&self) -> Vec<String> {
        let main = self.archives.get(MAIN_ARCHIVE).into_iter().flatten();
        main.filter_map(|uri| uri.rsplit_once('/'))
            .map(|(parent, _)| format!("{parent}/{SECURITY_ARCHIVE}"))
            .collect()
    }
}

/// The mirrors that apt's configuration names. `sources` are paths and texts of `sources.list` and of the
/// `.list` and `.sources` files in `sources.list.d`, in apt's order, and of the lists that `mirror+file:` points
/// to. Archives other than Debian's own, and what is disabled, is passed over.
pub fn host_mirrors(sources: &[(&str, &str)]) -> Mirrors {
    let mut mirrors = Mirrors::new();
    for (path, text) in sources {
        let entries = match path.ends_with(".sources") {
            true => paragraph_entries(text),
            false => line_entries(text),
        };
        for (uri, suite) in entries {
            let Some(archive) = archive_of(&suite) else {
                continue;
            };
            for uri in real_uris(&uri, sources) {
                mirrors.add(archive, &uri);
            }
        }
    }
    mirrors
}

/// Which of Debian's archives has `suite`, if any.
fn archive_of(suite: &str) -> Option<&'static str> {
    const RELEASES: [&str; 13] = [
        "buster",
        "bullseye",
        "bookworm",
        "trixie",
        "forky",
        "duke",
        "sid",
        "unstable",
        "testing",
        "stable",
        "oldstable",
        "oldoldstable",
        "experimental",
    ];
    let (release, part) = suite.split_once(['-', '/']).unwrap_or((suite, ""));
    if !RELEASES.contains(&release) {
        return None;
    }
    match part {
        "security" | "updates" if part == "security" || suite.contains('/') => Some(SECURITY_ARCHIVE),
        _ => Some(MAIN_ARCHIVE),
    }
}

fn real_uris(uri: &str, sources: &[(&str, &str)]) -> Vec<String> {
    if let Some(list) = uri.strip_prefix("mirror+file:") {
        let list = format!("/{}", list.trim_start_matches('/'));
        let text = sources
            .iter()
            .find(|(path, _)| *path == list)
            .map_or("", |(_, text)| text);
        let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_string();
        return text.lines().map(first).filter(|uri| is_http(uri)).collect();
    }
    Some(uri.to_string())
        .filter(|uri| is_http(uri))
        .into_iter()
        .collect()
}

fn is_http(uri: &str) -> bool {
    uri.starts_with("http://") || uri.starts_with("https://")
}

/// `(URI, suite)` of every `deb` line.
fn line_entries(text: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let Some(rest) = line
            .trim()
            .strip_prefix("deb")
            .filter(|rest| rest.starts_with([' ', '\t']))
        else {
            continue;
        };
        let rest = match rest.trim_start().strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
            entries.push((uri.into(), suite.into()));
        }
    }
    entries
}

/// `(URI, suite)` of every enabled paragraph of type `deb`. A file that cannot be read has none.
fn paragraph_entries(text: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    for paragraph in parse_paragraphs(text).unwrap_or_default() {
        let words = |field: &str| {
            paragraph
                .get(field)
                .unwrap_or_default()
                .split_whitespace()
                .collect::<Vec<_>>()
        };
        let disabled = ["no", "false", "0", "off", "without", "disable"];
        if !words("Types").contains(&"deb") || words("Enabled").iter().any(|word| disabled.contains(word)) {
            continue;
        }
        for uri in words("URIs") {
            entries.extend(
                words("Suites")
                    .iter()
                    .map(|suite| (uri.to_string(), suite.to_string())),
            );
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mirrors: &Mirrors, archive: &str) -> Vec<String> {
        mirrors.of(archive).unwrap_or_default()
    }

    #[test]
    fn reads_both_forms_and_passes_over_what_is_not_debians() {
        let list = "# deb http://old.invalid/debian stable main\n\
                    deb [arch=amd64 signed-by=/x] http://a.invalid/debian/ bookworm main # remark\n\
                    deb-src http://src.invalid/debian bookworm main\n\
                    deb http://third.invalid/apt nodistro main\n\
                    deb cdrom:[Debian] bookworm main\n";
        let sources = "Types: deb deb-src\nURIs: http://a.invalid/debian http://b.invalid/debian\n\
                       Suites: trixie trixie-updates\nComponents: main\n\n\
                       Types: deb\nEnabled: no\nURIs: http://off.invalid/debian\nSuites: trixie\n\n\
                       Types: deb\nURIs: http://s.invalid/debian-security\nSuites: trixie-security\n";
        let mirrors = host_mirrors(&[("/etc/apt/sources.list", list), ("x/debian.sources", sources)]);
        assert_eq!(
            of(&mirrors, MAIN_ARCHIVE),
            ["http://a.invalid/debian", "http://b.invalid/debian"]
        );
        assert_eq!(
            of(&mirrors, SECURITY_ARCHIVE),
            ["http://s.invalid/debian-security"]
        );
    }

    #[test]
    fn security_falls_back_to_the_sibling() {
        let mirrors = host_mirrors(&[("x.list", "deb https://m.invalid/mirror/debian trixie main")]);
        assert_eq!(
            of(&mirrors, SECURITY_ARCHIVE),
            ["https://m.invalid/mirror/debian-security"]
        );
    }

    #[test]
    fn follows_lists_of_mirrors() {
        let sources = "Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: trixie\n";
        let list = (
            "/etc/apt/mirrors/debian.list",
            "http://one.invalid/debian\tpriority:1\n\nhttp://two.invalid/debian\n",
        );
        let mirrors = host_mirrors(&[("a.sources", sources), list]);
        assert_eq!(
            of(&mirrors, MAIN_ARCHIVE),
            ["http://one.invalid/debian", "http://two.invalid/debian"]
        );
    }

    #[test]
    fn without_a_mirror_the_message_says_what_to_do() {
        let error = host_mirrors(&[("x.list", "deb http://u.invalid/ubuntu noble main")]).of(MAIN_ARCHIVE);
        assert!(error.unwrap_err().to_string().contains("--mirror"));
    }
}
