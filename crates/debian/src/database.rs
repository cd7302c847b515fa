//! dpkg's database, as dpkg would have written it: what scanners read and what apt and dpkg go on from.

use std::collections::BTreeMap;
use std::fmt::Write;

use praxis_layer::TreePath;

use crate::deb::Unpacked;

/// Where it is.
const DIRECTORY: &str = "var/lib/dpkg";

/// A file of the database: path, mode, bytes.
pub(crate) type DatabaseFile = (TreePath, u32, Vec<u8>);

/// The name by which files of the database call a package: with the architecture where several can be installed.
pub(crate) fn database_name(package: &Unpacked) -> String {
    let name = &package.package.name;
    match package.control.get("Multi-Arch") {
        Some("same") => format!("{name}:{}", package.package.architecture),
        _ => name.clone(),
    }
}

/// The database of `packages`, which are installed if `configured`, else only unpacked: maintainer scripts are left
/// out or kept accordingly. `lost` are the paths of each package that another has replaced.
pub(crate) fn database_files(
    packages: &[Unpacked],
    lost: &[Vec<TreePath>],
    configured: bool,
) -> Vec<DatabaseFile> {
    let mut files = Vec::new();
    let mut add = |path: String, mode: u32, bytes: Vec<u8>| {
        files.push((
            TreePath::from(format!("{DIRECTORY}/{path}").as_str()),
            mode,
            bytes,
        ));
    };
    let mut status = String::new();
    for (package, lost) in packages.iter().zip(lost) {
        status.push_str(&status_paragraph(package, configured));
        let name = database_name(package);
        add(
            format!("info/{name}.list"),
            0o644,
            file_list(package, lost).into(),
        );
        for (member, (bytes, mode)) in &package.members {
            let kept = ["md5sums", "conffiles"].contains(&member.as_str());
            if kept || !configured {
                add(format!("info/{name}.{member}"), *mode, bytes.clone());
            }
        }
    }
    add("status".into(), 0o644, status.into());
    add("info/format".into(), 0o644, b"1\n".to_vec());
    for name in ["available", "diversions", "statoverride"] {
        add(name.into(), 0o644, Vec::new());
    }
    if !configured {
        for (name, text) in trigger_files(packages) {
            add(format!("triggers/{name}"), 0o644, text.into());
        }
    }
    files
}

/// Every path from `/.` on, as a line, in the archive's order.
fn file_list(package: &Unpacked, lost: &[TreePath]) -> String {
    let mut text = String::new();
    for path in package.paths.iter().filter(|path| !lost.contains(path)) {
        let name = if path.is_root() {
            "/.".into()
        } else {
            path.to_string()
        };
        let _ = writeln!(text, "{name}");
    }
    text
}

fn status_paragraph(package: &Unpacked, configured: bool) -> String {
    let state = if configured { "installed" } else { "unpacked" };
    let mut text = format!("Package: {}\nStatus: install ok {state}\n", package.package.name);
    let mut conffiles = String::new();
    if !package.conffiles.is_empty() {
        conffiles.push_str("Conffiles:\n");
        for (path, sum) in &package.conffiles {
            let _ = writeln!(conffiles, " {path} {sum}");
        }
    }
    for (name, value) in package.control.fields().filter(|(name, _)| *name != "Package") {
        if name == "Description" {
            text.push_str(&std::mem::take(&mut conffiles));
        }
        let space = if value.starts_with('\n') { "" } else { " " };
        let _ = writeln!(text, "{name}:{space}{value}");
    }
    text.push_str(&conffiles);
    text.push('\n');
    text
}

/// Who is interested in which trigger: `File` for paths, a file of its own for each other name.
fn trigger_files(packages: &[Unpacked]) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("File".to_string(), String::new())]);
    for package in packages {
        let Some((bytes, _)) = package.members.get("triggers") else {
            continue;
        };
        let name = database_name(package);
        for line in String::from_utf8_lossy(bytes).lines() {
            let mut words = line.split_whitespace();
            let wait = match words.next() {
                Some("interest" | "interest-await") => "",
                Some("interest-noawait") => "/noawait",
                _ => continue,
            };
            let Some(trigger) = words.next() else { continue };
            match trigger.starts_with('/') {
                true => files
                    .entry("File".into())
                    .or_default()
                    .push_str(&format!("{trigger} {name}{wait}\n")),
                false if !trigger.contains('/') => {
                    files
                        .entry(trigger.into())
                        .or_default()
                        .push_str(&format!("{name}{wait}\n"));
                }
                false => {}
            }
        }
    }
    files
}
