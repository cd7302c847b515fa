//! `praxis doctor`: what this machine allows, what follows from it and what would help.

use std::path::Path;

use serde::Serialize;

use crate::environment::Environment;
use crate::progress::sanitize::sanitize;
use crate::site::Gathered;

impl From<praxis_sandbox::Capability> for Finding {
    fn from(capability: praxis_sandbox::Capability) -> Finding {
        Finding {
            name: capability.name.into(),
            state: match capability.state {
                praxis_sandbox::State::Works => State::Available,
                praxis_sandbox::State::Limited => State::Limited,
                praxis_sandbox::State::Missing => State::Missing,
            },
            detail: capability.detail,
            consequence: capability.consequence,
            remedy: capability.remedy,
        }
    }
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All is well.
    Available,
    /// It works, with a loss.
    Limited,
    /// It is not there.
    Missing,
}

/// One thing looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// What was seen.
    pub detail: String,
    /// What follows from it, if something is amiss.
    pub consequence: String,
    /// What would help.
    pub remedy: String,
}

impl Finding {
    fn well(name: &str, detail: impl Into<String>) -> Finding {
        Finding {
            name: name.into(),
            state: State::Available,
            detail: detail.into(),
            consequence: String::new(),
            remedy: String::new(),
        }
    }
}

/// What the site lends to builds.
pub fn site_findings(gathered: &Gathered) -> Vec<Finding> {
    let site = &gathered.site;
    let certificates = match &site.ca_bundle {
        Some(path) => Finding::well("certificates", path.display().to_string()),
        None => Finding {
            state: State::Limited,
            consequence: "RUN steps trust only the certificates of their image".into(),
            remedy: "install ca-certificates or set SSL_CERT_FILE".into(),
            ..Finding::well("certificates", "no bundle found")
        },
    };
    let proxies = Finding::well("proxies", listed(site.proxies.keys()));
    let apt = Finding::well(
        "apt mirrors",
        match site.apt_mirrors.len() {
            0 => "none; bases need --mirror".to_string(),
            number => format!("{number} from the host's apt configuration"),
        },
    );
    let mirrors = match gathered.withheld.as_slice() {
        [] => Finding::well("package mirrors", listed(site.variables.keys())),
        withheld => Finding {
            state: State::Limited,
            consequence: format!(
                "{} holds credentials and is not passed to RUN steps",
                withheld.join(", ")
            ),
            remedy: "give it to the step that needs it with --secret".into(),
            ..Finding::well("package mirrors", listed(site.variables.keys()))
        },
    };
    vec![certificates, proxies, apt, mirrors]
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

/// Platforms whose programs RUN steps can start.
fn platform_finding(emulated: &[String], own_emulators: &[String]) -> Finding {
    let own = praxis_oci::Platform::host();
    let extra: Vec<&str> = own_emulators
        .iter()
        .filter(|one| !emulated.contains(one))
        .map(String::as_str)
        .collect();
    if emulated.is_empty() && !extra.is_empty() {
        return Finding::well(
            "platforms",
            format!(
                "{own}; emulated in a namespace of its own (root: with --platform): {}",
                extra.join(", ")
            ),
        );
    }
    if emulated.is_empty() {
        let remedy = match praxis_engine::has_handlers() {
            true => "install qemu-user-static",
            false => "mount binfmt_misc at /proc/sys/fs/binfmt_misc and install qemu-user-static",
        };
        return Finding {
            state: State::Limited,
            consequence: "RUN in images of other platforms is refused; COPY and cross-compiling work".into(),
            remedy: remedy.into(),
            ..Finding::well("platforms", format!("{own}, no emulators"))
        };
    }
    Finding::well("platforms", format!("{own}; emulated: {}", emulated.join(", ")))
}

/// Whether the store can be written.
pub fn store_finding(root: &Path) -> Finding {
    use std::os::unix::fs::MetadataExt;
    let existing = root
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let missing = |detail: String| Finding {
        state: State::Missing,
        consequence: "nothing can be built".into(),
        remedy: "give another directory with --root or PRAXIS_ROOT".into(),
        ..Finding::well("store", detail)
    };
    let access = rustix::fs::access(
        existing,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    );
    match (access, existing.metadata()) {
        (Err(error), _) => missing(format!("{}: {error}", root.display())),
        (_, Err(error)) => missing(format!("{}: {error}", root.display())),
        (_, Ok(metadata)) if !metadata.is_dir() => missing(format!("{} is no directory", existing.display())),
        (_, Ok(metadata)) if existing == root && metadata.mode() & 0o077 != 0 => Finding {
            state: State::Limited,
            consequence: "others on this machine can look into the store".into(),
            remedy: format!("chmod 700 {}", root.display()),
            ..Finding::well("store", root.display().to_string())
        },
        _ => Finding::well("store", format!("{} ({})", root.display(), free_space(existing))),
    }
}

fn free_space(path: &Path) -> String {
    match rustix::fs::statvfs(path) {
        Ok(space) => format!(
            "{} free",
            crate::progress::units::bytes(space.f_bavail * space.f_frsize)
        ),
        Err(_) => "free space unknown".into(),
    }
}

/// Everything that is looked at.
pub fn findings(gathered: &Gathered, root: &Path) -> Vec<Finding> {
    let mut findings: Vec<Finding> = praxis_sandbox::probe().into_iter().map(Finding::from).collect();
    findings.push(platform_finding(
        &praxis_engine::emulated_processors(),
        &praxis_engine::own_emulators(),
    ));
    findings.extend(site_findings(gathered));
    findings.push(store_finding(root));
    findings
}

/// The findings as a table.
pub fn table(findings: &[Finding], environment: &Environment) -> String {
    let unicode = !["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| environment.text(name))
        .is_some_and(|locale| matches!(locale, "C" | "POSIX"));
    let width = findings
        .iter()
        .map(|finding| finding.name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let mark = match (finding.state, unicode) {
            (State::Available, true) => "✓",
            (State::Limited, true) => "!",
            (State::Missing, true) => "✗",
            (State::Available, false) => "ok ",
            (State::Limited, false) => "low",
            (State::Missing, false) => "NO ",
        };
        text.push_str(&format!(
            "{mark} {:width$}  {}\n",
            finding.name,
            sanitize(&finding.detail)
        ));
        let indent = " ".repeat(width + mark.chars().count() + 3);
        for (word, part) in [("so", &finding.consequence), ("try", &finding.remedy)] {
            if finding.state != State::Available && !part.is_empty() {
                text.push_str(&format!("{indent}{word}: {}\n", sanitize(part)));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf8() -> Environment {
        Environment::of(&[("LANG", "C.UTF-8")])
    }

    #[test]
    fn emulators_are_named_or_missed() {
        assert_eq!(platform_finding(&["arm64".into()], &[]).state, State::Available);
        let own = platform_finding(&[], &["arm64".into()]);
        assert_eq!(own.state, State::Available);
        assert!(table(&[own], &utf8()).contains("root: with --platform): arm64"));
        let none = platform_finding(&[], &[]);
        assert_eq!(none.state, State::Limited);
        assert!(none.remedy.contains("qemu-user-static"));
    }

    #[test]
    fn what_is_amiss_has_consequence_and_remedy() {
        let gathered = Gathered {
            withheld: vec!["PIP_INDEX_URL".into()],
            ..Gathered::default()
        };
        let text = table(&site_findings(&gathered), &utf8());
        assert!(text.contains("! certificates     no bundle found\n"), "{text}");
        assert!(text.contains("try: install ca-certificates"), "{text}");
        assert!(text.contains("so: PIP_INDEX_URL holds credentials"), "{text}");
        assert!(text.contains("✓ proxies          none\n"), "{text}");
        assert!(table(&site_findings(&gathered), &Environment::of(&[("LANG", "C")])).is_ascii());
    }

    #[test]
    fn row_62_a_store_open_to_others_is_reported() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(store_finding(folder.path()).state, State::Available);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let finding = store_finding(folder.path());
        assert_eq!(finding.state, State::Limited);
        assert!(finding.remedy.contains("chmod 700"));
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(store_finding(&file.join("store")).state, State::Missing);
    }
}
