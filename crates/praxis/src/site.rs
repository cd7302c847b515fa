//! What this machine lends to RUN steps: trusted certificates, proxies and mirrors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use praxis_engine::Site;

use crate::environment::Environment;

/// Where distributions keep the bundle of trusted certificates.
const CA_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
];

const PROXIES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Variables that point package clients to mirrors.
const MIRRORS: [&str; 11] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "NPM_CONFIG_REGISTRY",
    "npm_config_registry",
    "YARN_NPM_REGISTRY_SERVER",
    "GOPROXY",
    "GOSUMDB",
    "RUSTUP_DIST_SERVER",
];

/// Configuration files of package clients: path under `/` or (with `~`) the home directory, key, variable.
const CONFIGURATION: [(&str, &str, &str); 5] = [
    ("~/.config/pip/pip.conf", "index-url", "PIP_INDEX_URL"),
    ("~/.pip/pip.conf", "index-url", "PIP_INDEX_URL"),
    ("/etc/pip.conf", "index-url", "PIP_INDEX_URL"),
    ("~/.npmrc", "registry", "NPM_CONFIG_REGISTRY"),
    ("/etc/npmrc", "registry", "NPM_CONFIG_REGISTRY"),
];

/// A site and what was held back from it.
#[derive(Debug, Default)]
pub struct Gathered {
    /// What RUN steps get.
    pub site: Site,
    /// Names of settings that hold credentials and were not passed on.
    pub withheld: Vec<String>,
}

/// Gathers the site from the environment and, under `top` (`/` outside of tests), from files.
///
/// Addresses that hold credentials are withheld: a RUN step that needs them takes a secret.
pub fn gather(environment: &Environment, top: &Path) -> Gathered {
    let mut gathered = Gathered::default();
    gathered.site.ca_bundle = ca_bundle(environment, top);
    gathered.site.known_hosts =
        Some(resolve("~/.ssh/known_hosts", environment, top)).filter(|path| path.is_file());
    gathered.site.proxies = present(environment, &PROXIES);
    apt_mirrors(top, &mut gathered);
    let mut variables = present(environment, &MIRRORS);
    for (file, key, variable) in CONFIGURATION {
        if !variables.contains_key(variable)
            && !variables.contains_key(&variable.to_lowercase())
            && let Some(value) = configured(&resolve(file, environment, top), key)
        {
            variables.insert(variable.into(), value);
        }
    }
    for (name, value) in variables {
        if holds_credentials(&value) {
            gathered.withheld.push(name);
        } else {
            gathered.site.variables.insert(name, value);
        }
    }
    gathered
}

/// Mirrors of the host's apt configuration, each as `ARCHIVE URI`, where the archive is `debian` or `debian-security`.
fn apt_mirrors(top: &Path, gathered: &mut Gathered) {
    let files = apt_files(top);
    let texts: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let mirrors = praxis_debian::host_mirrors(&texts);
    for archive in [praxis_debian::MAIN_ARCHIVE, praxis_debian::SECURITY_ARCHIVE] {
        // An archive without a mirror is reported where somebody needs it.
        for uri in mirrors.of(archive).unwrap_or_default() {
            if holds_credentials(&uri) {
                gathered.withheld.push(format!("the apt mirror of {archive}"));
            } else {
                gathered.site.apt_mirrors.push(format!("{archive} {uri}"));
            }
        }
    }
}

/// Paths (as under `/`) and texts of apt's lists of sources and of mirrors, in apt's order.
fn apt_files(top: &Path) -> Vec<(String, String)> {
    let mut paths = vec![PathBuf::from("/etc/apt/sources.list")];
    for folder in [
        "/etc/apt/sources.list.d",
        "/etc/apt/mirrors",
        "/etc/apt/mirrorlists",
    ] {
        let entries = std::fs::read_dir(top.join(&folder[1..]))
            .into_iter()
            .flatten()
            .flatten();
        let mut names: Vec<_> = entries
            .map(|entry| Path::new(folder).join(entry.file_name()))
            .collect();
        names.retain(|path| path.extension().is_some_and(|it| it == "list" || it == "sources"));
        names.sort();
        paths.extend(names);
    }
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(top.join(path.strip_prefix("/").unwrap_or(&path))).ok()?;
        Some((path.to_string_lossy().into_owned(), text))
    };
    paths.into_iter().filter_map(read).collect()
}

/// The bundle that programs on this machine trust.
pub fn ca_bundle(environment: &Environment, top: &Path) -> Option<PathBuf> {
    let named = environment.path("SSL_CERT_FILE").into_iter();
    let usual = CA_BUNDLES.iter().map(|path| resolve(path, environment, top));
    named
        .chain(usual)
        .find(|path| path.metadata().is_ok_and(|it| it.is_file() && it.len() > 0))
}

fn resolve(path: &str, environment: &Environment, top: &Path) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(below) => environment
            .path("HOME")
            .unwrap_or_else(|| top.to_path_buf())
            .join(below),
        None => top.join(path.trim_start_matches('/')),
    }
}

fn present(environment: &Environment, names: &[&str]) -> BTreeMap<String, String> {
    let value = |name: &&str| {
        environment
            .text(name)
            .map(|value| (name.to_string(), value.to_string()))
    };
    names.iter().filter_map(value).collect()
}

/// The value of `key = value` in a file of an INI kind; sections do not matter.
fn configured(path: &Path, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key && !value.trim().is_empty()).then(|| value.trim().to_string())
    })
}

/// Whether any address in `value` has a user part, or a query that may be a token.
fn holds_credentials(value: &str) -> bool {
    value.split([' ', ',', '|', '\n']).any(|address| {
        let after = address.split_once("://").map_or(address, |(_, after)| after);
        let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
        authority.contains('@') || address.contains('?') || address.contains("${")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_67_credentials_are_withheld() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(".npmrc"),
            "registry=https://user:canary@npm.invalid/\n",
        )
        .unwrap();
        let home = folder.path().to_str().unwrap();
        let environment = Environment::of(&[
            ("HOME", home),
            ("PIP_INDEX_URL", "https://token:canary@pip.invalid/simple"),
            ("GOPROXY", "https://go.invalid,direct"),
            ("UV_INDEX_URL", "https://uv.invalid/simple?token=canary"),
        ]);
        let gathered = gather(&environment, folder.path());
        assert_eq!(
            gathered.withheld,
            ["NPM_CONFIG_REGISTRY", "PIP_INDEX_URL", "UV_INDEX_URL"]
        );
        assert_eq!(gathered.site.variables["GOPROXY"], "https://go.invalid,direct");
        assert!(!format!("{:?}", gathered.site).contains("canary"));
    }

    #[test]
    fn row_66_only_known_variables_reach_the_site() {
        let environment = Environment::of(&[
            ("CANARY", "1"),
            ("no_proxy", "a"),
            ("HTTP_PROXY", "http://p.invalid"),
        ]);
        let site = gather(&environment, Path::new("/nonexistent")).site;
        assert!(site.variables.is_empty());
        assert_eq!(
            site.proxies.keys().collect::<Vec<_>>(),
            ["HTTP_PROXY", "no_proxy"]
        );
    }

    #[test]
    fn mirrors_come_from_configuration_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let text = "[global]\ncert = /x\nindex-url = https://pip.invalid/simple\n";
        std::fs::write(folder.path().join("etc/pip.conf"), text).unwrap();
        let site = gather(&Environment::default(), folder.path()).site;
        assert_eq!(site.variables["PIP_INDEX_URL"], "https://pip.invalid/simple");
        let set = Environment::of(&[("PIP_INDEX_URL", "https://other.invalid")]);
        assert_eq!(
            gather(&set, folder.path()).site.variables["PIP_INDEX_URL"],
            "https://other.invalid"
        );
    }

    #[test]
    fn apt_mirrors_come_from_every_list() {
        let folder = tempfile::tempdir().unwrap();
        let apt = folder.path().join("etc/apt");
        std::fs::create_dir_all(apt.join("sources.list.d")).unwrap();
        std::fs::create_dir_all(apt.join("mirrors")).unwrap();
        std::fs::write(
            apt.join("sources.list"),
            "deb http://u:canary@c.invalid/debian trixie main\n",
        )
        .unwrap();
        let text = "Types: deb\nURIs: mirror+file:/etc/apt/mirrors/debian.list\nSuites: trixie\n";
        std::fs::write(apt.join("sources.list.d/debian.sources"), text).unwrap();
        std::fs::write(
            apt.join("sources.list.d/off.disabled"),
            "deb http://off.invalid trixie main\n",
        )
        .unwrap();
        std::fs::write(apt.join("mirrors/debian.list"), "http://a.invalid/debian\n").unwrap();
        let gathered = gather(&Environment::default(), folder.path());
        assert_eq!(gathered.site.apt_mirrors[0], "debian http://a.invalid/debian");
        assert!(
            gathered
                .site
                .apt_mirrors
                .contains(&"debian-security http://a.invalid/debian-security".into())
        );
        assert_eq!(gathered.withheld[0], "the apt mirror of debian");
        assert!(!format!("{:?}", gathered.site).contains("canary"));
    }

    #[test]
    fn the_bundle_is_the_first_that_has_content() {
        let folder = tempfile::tempdir().unwrap();
        let named = folder.path().join("named.pem");
        let usual = folder.path().join("etc/ssl/cert.pem");
        std::fs::create_dir_all(usual.parent().unwrap()).unwrap();
        std::fs::write(&usual, "certificate").unwrap();
        let environment = Environment::of(&[("SSL_CERT_FILE", named.to_str().unwrap())]);
        assert_eq!(ca_bundle(&environment, folder.path()), Some(usual));
        std::fs::write(&named, "certificate").unwrap();
        assert_eq!(ca_bundle(&environment, folder.path()), Some(named));
    }
}
