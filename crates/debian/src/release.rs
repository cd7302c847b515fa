//! Release files: what an archive signs about a suite.

use std::collections::BTreeMap;

use praxis_oci::Digest;

use crate::DebianError;
use crate::control::parse_paragraphs;
use crate::date::parse_release_date;

/// How far the archive's clock may be ahead of ours.
const CLOCK_SKEW: i64 = 3600;

/// What a verified Release file says.
#[derive(Debug)]
pub(crate) struct Release {
    pub(crate) date: i64,
    pub(crate) by_hash: bool,
    /// Whether packages for all architectures are in an index of their own only.
    pub(crate) separate_all: bool,
    components: Vec<String>,
    architectures: Vec<String>,
    files: BTreeMap<String, (u64, Digest)>,
}

impl Release {
    /// Reads `text` as the Release file of `suite`. It must be of that suite, dated before `now`, and still valid
    /// unless `allow_expired`.
    pub(crate) fn parse(
        suite: &str,
        text: &str,
        now: i64,
        allow_expired: bool,
    ) -> Result<Release, DebianError> {
        let wrong = |reason: String| DebianError::Release {
            suite: suite.into(),
            reason,
        };
        let paragraphs = parse_paragraphs(text).map_err(|error| wrong(error.to_string()))?;
        let [paragraph] = &paragraphs[..] else {
            return Err(wrong("its Release file is not one paragraph".into()));
        };
        let field = |name: &str| paragraph.get(name).unwrap_or_default();
        let date = |name: &str| {
            let text = field(name);
            parse_release_date(text).ok_or_else(|| wrong(format!("it has no readable {name}: {text:?}")))
        };
        let (codename, name) = (field("Codename"), field("Suite"));
        if suite != codename && suite != name {
            return Err(wrong(format!(
                "the mirror gave the Release file of {name} ({codename}) for it"
            )));
        }
        let dated = date("Date")?;
        if dated > now + CLOCK_SKEW {
            return Err(wrong(format!(
                "its date {} is in the future; is this machine's clock right?",
                field("Date")
            )));
        }
        if !allow_expired && paragraph.get("Valid-Until").is_some() && date("Valid-Until")? < now {
            return Err(wrong(format!(
                "it was valid until {}: the mirror is stale (or this machine's clock is wrong)",
                field("Valid-Until")
            )));
        }
        let words = |name: &str| {
            field(name)
                .split_whitespace()
                .map(String::from)
                .collect::<Vec<_>>()
        };
        let architectures = words("Architectures");
        Ok(Release {
            date: dated,
            by_hash: field("Acquire-By-Hash") == "yes",
            separate_all: architectures.iter().any(|name| name == "all")
                && !words("No-Support-for-Architecture-all")
                    .iter()
                    .any(|name| name == "Packages"),
            components: words("Components"),
            architectures,
            files: parse_files(field("SHA256")).map_err(wrong)?,
        })
    }

    /// Refuses a component or an architecture that the suite does not have.
    pub(crate) fn check(&self, suite: &str, component: &str, architecture: &str) -> Result<(), DebianError> {
        let wrong = |reason: String| {
            Err(DebianError::Release {
                suite: suite.into(),
                reason,
            })
        };
        let last = |name: &String| name.rsplit('/').next() == Some(component);
        if !self.components.iter().any(last) {
            return wrong(format!(
                "it has no component {component:?}, only {}",
                self.components.join(", ")
            ));
        }
        if !self.architectures.iter().any(|name| name == architecture) {
            return wrong(format!(
                "it has no architecture {architecture:?}, only {}",
                self.architectures.join(", ")
            ));
        }
        Ok(())
    }

    /// Size and digest of a file of the suite.
    pub(crate) fn file(&self, path: &str) -> Option<(u64, Digest)> {
        self.files.get(path).copied()
    }
}

fn parse_files(text: &str) -> Result<BTreeMap<String, (u64, Digest)>, String> {
    let mut files = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let wrong = || format!("its list of digests has a line that cannot be read: {line:?}");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [hex, size, path] = words[..] else {
            return Err(wrong());
        };
        let digest = format!("sha256:{hex}").parse().map_err(|_| wrong())?;
        files.insert(path.to_string(), (size.parse().map_err(|_| wrong())?, digest));
    }
    if files.is_empty() {
        return Err("its Release file has no SHA256 digests".into());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_398_400; // 2026-01-03

    fn text() -> String {
        format!(
            "Suite: stable\nCodename: trixie\nDate: Fri, 02 Jan 2026 00:00:00 UTC\n\
             Valid-Until: Fri, 09 Jan 2026 00:00:00 UTC\nAcquire-By-Hash: yes\nArchitectures: all amd64\n\
             Components: updates/main\nNo-Support-for-Architecture-all: Packages\nSHA256:\n {} 3 main/x\n",
            Digest::of(b"abc").hex()
        )
    }

    #[test]
    fn reads_what_is_signed() {
        for suite in ["stable", "trixie"] {
            let release = Release::parse(suite, &text(), NOW, false).unwrap();
            assert_eq!(release.file("main/x"), Some((3, Digest::of(b"abc"))));
            assert_eq!((release.by_hash, release.separate_all), (true, false));
            assert!(release.check(suite, "main", "amd64").is_ok());
            assert!(release.check(suite, "contrib", "amd64").is_err());
            assert!(release.check(suite, "main", "arm64").is_err());
        }
    }

    #[test]
    fn refuses_other_suites_and_other_times() {
        let message = |suite, now| {
            Release::parse(suite, &text(), now, false)
                .unwrap_err()
                .to_string()
        };
        assert!(message("bookworm", NOW).contains("Release file of stable (trixie)"));
        assert!(message("trixie", NOW - 3 * 86_400).contains("in the future"));
        assert!(message("trixie", NOW + 7 * 86_400).contains("valid until"));
        assert!(Release::parse("trixie", &text(), NOW + 7 * 86_400, true).is_ok());
        let short = text().replace(" 3 main/x", " 3");
        assert!(Release::parse("trixie", &short, NOW, false).is_err());
    }
}
