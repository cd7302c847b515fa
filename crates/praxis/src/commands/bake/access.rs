//! What bake files may touch on this machine: they can come from anyone, and are not the command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use praxis_bake::{Entry, Resolved, Secret, Target, is_remote, path};

use crate::arguments::BakeOptions;
use crate::failure::Failure;

/// What was granted.
#[derive(Default)]
struct Granted {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    ssh: bool,
    /// `network.host` and `security.insecure`.
    run: Vec<String>,
}

/// Refuses targets that read or write outside the working directory, use the agent, or have entitlements for RUN steps,
/// unless that was granted.
/// What `--set` names was chosen on the command line and needs no grant.
pub fn check(options: &BakeOptions, resolved: &Resolved) -> Result<(), Failure> {
    let granted = granted(options)?;
    let mut missing = BTreeSet::new();
    for target in resolved.targets.values() {
        for path in read(target) {
            note(&path, &granted.read, "fs.read", &mut missing);
        }
        for path in written(target) {
            note(&path, &granted.write, "fs.write", &mut missing);
        }
        if target.ssh.iter().any(|key| key.paths.is_empty()) && !granted.ssh {
            missing.insert("--allow=ssh".to_string());
        }
        let wanted = target
            .entitlements
            .iter()
            .filter(|name| !granted.run.contains(name));
        missing.extend(wanted.map(|name| format!("--allow={name}")));
    }
    if missing.is_empty() {
        return Ok(());
    }
    // Who may read a directory may read what is in it.
    let inside = |flag: &String| missing.iter().any(|other| flag.starts_with(&format!("{other}/")));
    let flags: Vec<&str> = missing
        .iter()
        .filter(|flag| !inside(flag))
        .map(String::as_str)
        .collect();
    let flags = flags.join(" ");
    Err(Failure::failed(format!(
        "the targets ask for more than the working directory and plain RUN steps: pass {flags} to grant it"
    )))
}

fn granted(options: &BakeOptions) -> Result<Granted, Failure> {
    let here = PathBuf::from(".");
    let mut granted = Granted {
        read: vec![real(&here)],
        write: vec![real(&here)],
        ssh: false,
        run: Vec::new(),
    };
    for text in &options.entitlements {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let place = if value == "*" {
            PathBuf::from("/")
        } else {
            real(Path::new(value))
        };
        match name {
            "ssh" => granted.ssh = true,
            "network.host" | "security.insecure" => granted.run.push(name.into()),
            "fs" | "fs.read" | "fs.write" if value.is_empty() => {
                return Err(Failure::usage(format!("--allow {text}: write {name}=PATH")));
            }
            "fs" | "fs.read" | "fs.write" => {
                granted.read.extend((name != "fs.write").then(|| place.clone()));
                granted.write.extend((name != "fs.read").then_some(place));
            }
            _ => {
                return Err(Failure::usage(format!(
                    "--allow {text} is refused: known are fs.read=PATH, fs.write=PATH, fs=PATH, ssh, network.host and \
                     security.insecure"
                )));
            }
        }
    }
    for option in &options.overrides {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        let key = key.trim_end_matches('+');
        let key = key.split_once('.').map_or(key, |(_, key)| key);
        let places = value
            .split([',', '='])
            .map(|part| real(Path::new(part.trim_matches('"'))));
        match key.split('.').next().unwrap_or_default() {
            "context" | "contexts" | "dockerfile" | "cache-from" | "secrets" => granted.read.extend(places),
            "ssh" => {
                granted.read.extend(places);
                granted.ssh = true;
            }
            "entitlements" => granted.run.push(value.into()),
            "network" if value == "host" => granted.run.push("network.host".into()),
            "cache-to" | "output" => granted.write.extend(places),
            _ => {}
        }
    }
    Ok(granted)
}

fn note(path: &str, granted: &[PathBuf], name: &str, missing: &mut BTreeSet<String>) {
    let place = real(Path::new(path));
    if !granted.iter().any(|root| place.starts_with(root)) {
        missing.insert(format!("--allow={name}={path}"));
    }
}

/// Where a path leads as far as it exists, links followed.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut rest = Vec::new();
    for existing in path.ancestors() {
        if let Ok(found) = existing.canonicalize() {
            let whole: PathBuf = std::iter::once(found.as_os_str())
                .chain(rest.into_iter().rev())
                .collect();
            return PathBuf::from(path::clean(&whole.to_string_lossy()));
        }
        rest.extend(existing.file_name().or(Some("..".as_ref())));
    }
    path
}

/// Paths of this machine that a target reads.
fn read(target: &Target) -> Vec<String> {
    let mut paths = Vec::new();
    let context = target.context.as_deref().unwrap_or(".");
    paths.extend(local_repository(context));
    if !is_remote(context) {
        paths.push(context.to_string());
        let dockerfile = target.dockerfile.as_deref().unwrap_or("Dockerfile");
        if target.dockerfile_inline.is_none() && !dockerfile.contains("://") {
            paths.push(path::join(context, dockerfile));
        }
    }
    if let Some(dockerfile) = target
        .dockerfile
        .as_deref()
        .and_then(|it| it.strip_prefix("cwd://"))
    {
        paths.push(dockerfile.to_string());
    }
    for value in target.contexts.values() {
        paths.extend(local_repository(value));
        let layout = value
            .strip_prefix("oci-layout://")
            .or(value.strip_prefix("cwd://"));
        match layout {
            Some(layout) => paths.push(layout.split(['@', ':']).next().unwrap_or_default().to_string()),
            None if value.starts_with("target:") || is_remote(value) => {}
            None => paths.push(value.clone()),
        }
    }
    paths.extend(target.secrets.iter().filter_map(secret));
    paths.extend(target.ssh.iter().flat_map(|key| key.paths.iter().cloned()));
    paths.extend(places(&target.cache_from, "src"));
    paths
}

/// The file of a secret. One without a source can be a file of its name.
fn secret(secret: &Secret) -> Option<String> {
    match (secret.file.as_str(), secret.variable.as_str()) {
        ("", "") => Some(secret.id.clone()),
        ("", _) => None,
        (file, _) => Some(file.to_string()),
    }
}

/// The path of an address that leads to a repository of this machine.
fn local_repository(address: &str) -> Option<String> {
    let path = address.strip_prefix("file://")?;
    Some(path.split(['#', '?']).next().unwrap_or_default().to_string())
}

/// Paths of this machine that a target writes.
fn written(target: &Target) -> Vec<String> {
    let outputs = target.outputs.as_deref().unwrap_or_default();
    let caches = target.cache_to.as_deref().unwrap_or_default();
    let mut paths = places(outputs, "dest");
    paths.extend(places(caches, "dest"));
    paths.retain(|path| path != "-");
    paths
}

fn places(entries: &[Entry], field: &str) -> Vec<String> {
    entries
        .iter()
        .filter_map(|entry| entry.field(field))
        .map(String::from)
        .collect()
}
