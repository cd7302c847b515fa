//! Debian's copyright files: licences from machine-readable ones, the text itself from others.

use std::collections::{BTreeMap, BTreeSet};

use crate::Licence;
use crate::licence::{Part, reference};
use crate::stanza::{Stanza, stanzas};

/// Longer texts of licences are left out: a reference without a text helps nobody.
const TEXT: usize = 256 << 10;

/// The licence that a copyright file declares.
pub(crate) fn copyright(text: &str) -> Licence {
    let mut paragraphs = stanzas(text);
    let machine_readable = paragraphs.next().is_some_and(|header| {
        let format = header
            .get("Format")
            .or_else(|| header.get("Format-Specification"));
        format.is_some_and(|format| format.contains("copyright-format") || format.contains("dep5"))
    });
    if !machine_readable {
        return whole(text);
    }
    let all: Vec<Stanza> = stanzas(text).collect();
    let mut texts: BTreeMap<&str, &str> = BTreeMap::new();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for stanza in &all {
        let Some(value) = stanza.text("License") else {
            continue;
        };
        let (name, rest) = value.split_once('\n').unwrap_or((value, ""));
        let name = name.trim();
        if stanza.get("Files").is_some() && !name.is_empty() {
            names.insert(name);
        }
        if !rest.trim().is_empty() {
            texts.entry(name).or_insert(rest);
        }
    }
    let parts = names.iter().map(|name| expression(name, &texts));
    Licence::all(parts.collect())
}

/// A file for people: what it says is the licence.
fn whole(text: &str) -> Licence {
    if text.trim().is_empty() || text.len() > TEXT {
        return Licence::default();
    }
    Licence::all(vec![reference("copyright", text.trim())])
}

/// A synopsis such as `GPL-2+ or Artistic, and Expat`: `and` is stronger than `or` unless a comma is there.
fn expression(name: &str, texts: &BTreeMap<&str, &str>) -> Part {
    // A text under the whole name is the licence, not its parts'.
    if texts.contains_key(name) && debian_id(name).is_none() && !has_operator(name) {
        return atom(name, texts);
    }
    for (separator, operator) in [
        (", or ", " OR "),
        (", and ", " AND "),
        (" and/or ", " OR "),
        (" or ", " OR "),
        (" and ", " AND "),
    ] {
        if let Some((left, right)) = name.split_once(separator) {
            return Part::joined(
                expression(left.trim(), texts),
                operator,
                expression(right.trim(), texts),
            );
        }
    }
    atom(name, texts)
}

fn has_operator(name: &str) -> bool {
    [" or ", " and ", " and/or "]
        .iter()
        .any(|operator| name.contains(operator))
}

fn atom(name: &str, texts: &BTreeMap<&str, &str>) -> Part {
    let name = name.trim_end_matches([',', '.']);
    if let Some(id) = debian_id(name) {
        return Part::plain(id);
    }
    let text = texts
        .get(name)
        .map(|text| unfolded(text))
        .filter(|text| text.len() <= TEXT);
    reference(name, text.as_deref().unwrap_or(name))
}

/// A text without the space before each line, and with empty lines where there are dots.
fn unfolded(text: &str) -> String {
    let lines = text.lines().map(|line| match line.trim() {
        "." => "",
        _ => line.strip_prefix(' ').unwrap_or(line).trim_end(),
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_string()
}

/// What SPDX calls a licence that Debian calls `name`.
fn debian_id(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let known = match lower.as_str() {
        "expat" => "MIT",
        "artistic" => "Artistic-1.0",
        "apache-2" => "Apache-2.0",
        "cc0" => "CC0-1.0",
        "psf-2" => "PSF-2.0",
        "zope-2.1" => "ZPL-2.1",
        "boost-1" | "boost-1.0" => "BSL-1.0",
        "openldap-2.8" => "OLDAP-2.8",
        _ => "",
    };
    if !known.is_empty() {
        return Some(known.into());
    }
    gnu_id(&lower).or_else(|| {
        let mut all = spdx::identifiers::LICENSES.iter();
        let found = all.find(|one| one.name.eq_ignore_ascii_case(name))?;
        spdx::license_id(found.name)
            .filter(|id| !id.is_deprecated())
            .map(|id| id.name.into())
    })
}

/// `lgpl-2.1+` → `LGPL-2.1-or-later`.
fn gnu_id(lower: &str) -> Option<String> {
    let (family, version) = lower.rsplit_once('-')?;
    let family = match family {
        "gpl" => "GPL",
        "lgpl" => "LGPL",
        "agpl" => "AGPL",
        "gfdl" => "GFDL",
        "gfdl-niv" => "GFDL",
        _ => return None,
    };
    let (version, later) = match version.strip_suffix('+') {
        Some(version) => (version, "-or-later"),
        None => (version, "-only"),
    };
    let version = match version.contains('.') {
        true => version.to_string(),
        false => format!("{version}.0"),
    };
    let middle = if lower.starts_with("gfdl-niv") {
        "-no-invariants"
    } else {
        ""
    };
    let id = format!("{family}-{version}{middle}{later}");
    spdx::license_id(&id).map(|id| id.name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(licences: &[&str]) -> String {
        let mut text = "Format: https://example.org/copyright-format/1.0/\n".to_string();
        for (number, licence) in licences.iter().enumerate() {
            text.push_str(&format!(
                "\nFiles: {number}/*\nCopyright: x\nLicense: {licence}\n"
            ));
        }
        copyright(&text).expression.unwrap_or_default()
    }

    #[test]
    fn debian_names_become_expressions() {
        assert_eq!(of(&["GPL-2+"]), "GPL-2.0-or-later");
        assert_eq!(of(&["LGPL-2.1"]), "LGPL-2.1-only");
        assert_eq!(of(&["Expat", "Expat", "BSD-3-clause"]), "BSD-3-Clause AND MIT");
        assert_eq!(
            of(&["GPL-1+ or Artistic", "ISC"]),
            "(GPL-1.0-or-later OR Artistic-1.0) AND ISC"
        );
        assert_eq!(
            of(&["GPL-2+ or Artistic, and Expat"]),
            "(GPL-2.0-or-later OR Artistic-1.0) AND MIT"
        );
        assert_eq!(of(&["GFDL-NIV-1.3+"]), "GFDL-1.3-no-invariants-or-later");
        assert_eq!(copyright("").expression, None);
    }

    #[test]
    fn unknown_texts_are_kept() {
        let licence = copyright(
            "Format: https://example.org/copyright-format/1.0/\n\nFiles: *\nLicense: odd-one\n\nLicense: odd-one\n Do as\n .\n you like.\n",
        );
        let expression = licence.expression.unwrap();
        assert!(expression.starts_with("LicenseRef-odd-one-"), "{expression}");
        assert_eq!(licence.texts[&expression], "Do as\n\nyou like.");
        let plain = copyright("This package was made by X.\n\nIt is free.\n");
        let (name, text) = plain.texts.first_key_value().unwrap();
        assert_eq!(plain.expression.as_ref(), Some(name));
        assert!(text.ends_with("It is free."));
    }
}
