//! Python distributions, from the metadata that installers leave.

use praxis_layer::TreePath;

use crate::component::Found;
use crate::files::Files;
use crate::licence::{Part, understood};
use crate::purl::purl;
use crate::stanza::{Stanza, stanzas};
use crate::{Component, ComponentKind, Licence};

/// The distributions that are installed.
pub(crate) fn packages(files: &Files) -> Vec<Found> {
    files
        .paths
        .iter()
        .filter_map(|path| package(files, path))
        .collect()
}

fn package(files: &Files, path: &TreePath) -> Option<Found> {
    let directory = path.parent()?;
    let (metadata, root) = match (path.name(), directory.name()) {
        (b"METADATA", within) if within.ends_with(b".dist-info") => (&directory, directory.parent()?),
        (b"PKG-INFO", within) if within.ends_with(b".egg-info") => (&directory, directory.parent()?),
        (name, _) if name.ends_with(b".egg-info") => (path, directory.clone()),
        _ => return None,
    };
    if !is_installed(files, metadata, &root) {
        return None;
    }
    let text = files.text_at(path)?;
    let fields = stanzas(&text).next()?;
    let (name, version) = (fields.text("Name")?, fields.text("Version")?);
    let normal = normalised(name);
    let purl = purl(ComponentKind::Python, None, &normal, version, &[])?;
    let mut component = Component::new(ComponentKind::Python, name, version, purl);
    component.licence = licence(&fields);
    component.supplier = ["Author", "Author-email", "Maintainer", "Maintainer-email"]
        .iter()
        .find_map(|field| fields.text(field))
        .map(|text| text.lines().next().unwrap_or_default().into());
    component.homepage = homepage(&fields);
    component.evidence.insert(path.to_string()[1..].into());
    let mut found = Found::new(component);
    found.claims.trees.push(metadata.clone());
    found.claims.paths = installed_files(files, metadata, &root);
    Some(found)
}

/// Whether this is a distribution that Python finds, not data that looks like one.
fn is_installed(files: &Files, metadata: &TreePath, root: &TreePath) -> bool {
    if [&b"site-packages"[..], b"dist-packages"].contains(&root.name()) {
        return true;
    }
    let there = |name: &[u8]| files.tree.get(&metadata.join(name)).is_some();
    there(b"RECORD") || there(b"INSTALLER") || there(b"installed-files.txt")
}

/// The name as package indexes compare it.
pub(crate) fn normalised(name: &str) -> String {
    let mut normal = String::new();
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            letter => normal.extend(letter.to_lowercase()),
        }
    }
    normal
}

fn homepage(fields: &Stanza) -> Option<String> {
    let urls = fields.all("Project-URL").filter_map(|line| line.split_once(','));
    let home = urls.filter(|(name, _)| name.trim().eq_ignore_ascii_case("homepage"));
    let home = home.map(|(_, url)| url.trim()).next();
    fields.text("Home-page").or(home).map(String::from)
}

/// An expression where there is one; else what the field or the classifiers say.
fn licence(fields: &Stanza) -> Licence {
    if let Some(text) = fields.text("License-Expression") {
        return Licence::declared(text);
    }
    let field = fields.text("License");
    if let Some(expression) = field.and_then(understood) {
        return Licence::declared(&expression);
    }
    let classifiers = fields
        .all("Classifier")
        .filter_map(|line| line.strip_prefix("License :: "));
    let known: Vec<Part> = classifiers
        .filter_map(classified)
        .map(|id| Part::plain(id.into()))
        .collect();
    if !known.is_empty() {
        return Licence::all(known);
    }
    field.map_or_else(Licence::default, Licence::declared)
}

/// Classifiers that mean one licence.
fn classified(text: &str) -> Option<&'static str> {
    let name = text.rsplit(" :: ").next()?;
    Some(match name {
        "MIT License" => "MIT",
        "MIT No Attribution License (MIT-0)" => "MIT-0",
        "Apache Software License" => "Apache-2.0",
        "ISC License (ISCL)" => "ISC",
        "Mozilla Public License 2.0 (MPL 2.0)" => "MPL-2.0",
        "Mozilla Public License 1.1 (MPL 1.1)" => "MPL-1.1",
        "Python Software Foundation License" => "PSF-2.0",
        "The Unlicense (Unlicense)" => "Unlicense",
        "zlib/libpng License" => "Zlib",
        "Zope Public License" => "ZPL-2.1",
        "GNU General Public License v2 (GPLv2)" => "GPL-2.0-only",
        "GNU General Public License v2 or later (GPLv2+)" => "GPL-2.0-or-later",
        "GNU General Public License v3 (GPLv3)" => "GPL-3.0-only",
        "GNU General Public License v3 or later (GPLv3+)" => "GPL-3.0-or-later",
        "GNU Lesser General Public License v2 (LGPLv2)" => "LGPL-2.0-only",
        "GNU Lesser General Public License v2 or later (LGPLv2+)" => "LGPL-2.0-or-later",
        "GNU Lesser General Public License v3 (LGPLv3)" => "LGPL-3.0-only",
        "GNU Lesser General Public License v3 or later (LGPLv3+)" => "LGPL-3.0-or-later",
        "GNU Affero General Public License v3" => "AGPL-3.0-only",
        "GNU Affero General Public License v3 or later (AGPLv3+)" => "AGPL-3.0-or-later",
        _ => return None,
    })
}

/// The files in a distribution's record, relative to where it is installed; `..` leads to programs.
fn installed_files(files: &Files, metadata: &TreePath, root: &TreePath) -> Vec<Vec<u8>> {
    let below = |base: &TreePath, path: &[u8]| match path.first() {
        Some(b'/') => path.to_vec(),
        _ => [base.as_bytes(), b"/", path].concat(),
    };
    if let Some(record) = files.bytes(&metadata.join(b"RECORD")) {
        let lines = record.split(|&byte| byte == b'\n');
        return lines
            .filter_map(recorded)
            .map(|path| below(root, &path))
            .collect();
    }
    let list = files
        .bytes(&metadata.join(b"installed-files.txt"))
        .unwrap_or_default();
    let lines = list.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| below(metadata, line)).collect()
}

/// The first field of a line of comma-separated values.
fn recorded(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(quoted) = line.strip_prefix(b"\"") else {
        let path = line.split(|&byte| byte == b',').next()?;
        return (!path.is_empty()).then(|| path.to_vec());
    };
    let mut path = Vec::new();
    let mut bytes = quoted.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if bytes.peek() == Some(&b'"') => path.extend(bytes.next()),
            b'"' => return Some(path),
            byte => path.push(byte),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_indexes_do() {
        assert_eq!(normalised("Zope.Interface__x"), "zope-interface-x");
    }

    #[test]
    fn records() {
        assert_eq!(recorded(b"a/b.py,sha256=x,3").unwrap(), b"a/b.py");
        assert_eq!(recorded(b"\"a,\"\"b\",,\r").unwrap(), b"a,\"b");
        assert_eq!(recorded(b""), None);
        assert_eq!(recorded(b"\"open"), None);
    }
}
