//! dpkg's database: the packages, their sources, licences and files.

use std::collections::HashMap;

use praxis_layer::TreePath;

use crate::component::Found;
use crate::copyright::copyright;
use crate::files::Files;
use crate::purl::system_purl;
use crate::stanza::{Stanza, stanzas};
use crate::{Component, ComponentKind, Licence, SourcePackage, System};

const STATUS: &str = "var/lib/dpkg/status";
const PARTS: &str = "var/lib/dpkg/status.d";
const INFO: &str = "var/lib/dpkg/info";

/// The packages that dpkg has installed; `None` if the image has no database of dpkg's.
pub(crate) fn packages(files: &Files, system: &System) -> Option<Vec<Found>> {
    let mut records: Vec<(String, Stanza)> = Vec::new();
    if let Some(text) = files.text(STATUS) {
        records.extend(stanzas(&text).map(|stanza| (STATUS.to_string(), stanza)));
    }
    let parts = TreePath::from(PARTS);
    for path in files.in_directory(&parts) {
        if let Some(text) = files
            .text_at(&path)
            .filter(|_| !path.name().ends_with(b".md5sums"))
        {
            let name = path.to_string()[1..].to_string();
            records.extend(stanzas(&text).take(1).map(|stanza| (name.clone(), stanza)));
        }
    }
    let there = files.tree.get(&STATUS.into()).is_some() || files.tree.get(&parts).is_some();
    if records.is_empty() && !there {
        return None;
    }
    let diversions = Diversions::read(files);
    let installed = records.iter().filter(|(_, stanza)| is_installed(stanza));
    let found = installed.filter_map(|(place, stanza)| package(files, system, place, stanza, &diversions));
    Some(found.collect())
}

/// Whether the package's files are there; what is only remembered for its configuration is not.
fn is_installed(stanza: &Stanza) -> bool {
    let state = stanza
        .get("Status")
        .and_then(|status| status.split_whitespace().nth(2));
    !matches!(state, Some("not-installed" | "config-files"))
}

fn package(
    files: &Files,
    system: &System,
    place: &str,
    stanza: &Stanza,
    diversions: &Diversions,
) -> Option<Found> {
    let (name, version) = (stanza.text("Package")?, stanza.text("Version")?);
    let architecture = stanza.text("Architecture").unwrap_or_default();
    let source = source(stanza, name, version);
    let qualifiers = [
        ("arch", architecture.to_string()),
        ("upstream", format!("{}@{}", source.name, source.version)),
    ];
    let purl = system_purl(ComponentKind::Deb, system, (name, version), &qualifiers)?;
    let mut component = Component::new(ComponentKind::Deb, name, version, purl);
    component.architecture = stanza.text("Architecture").map(String::from);
    component.source = Some(source);
    component.supplier = stanza.text("Maintainer").map(first_line);
    component.homepage = stanza.text("Homepage").map(first_line);
    component.licence = licence(files, name);
    component.evidence.insert(place.into());
    let mut found = Found::new(component);
    found.claims.paths = claims(files, name, architecture, place, diversions);
    Some(found)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().into()
}

/// `Source: NAME (VERSION)`; what is not said is the package's own.
fn source(stanza: &Stanza, name: &str, version: &str) -> SourcePackage {
    let text = stanza.text("Source").unwrap_or(name);
    let (named, rest) = text.split_once(' ').unwrap_or((text, ""));
    let told = rest
        .trim()
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    SourcePackage {
        name: named.into(),
        version: told.unwrap_or(version).into(),
    }
}

fn licence(files: &Files, name: &str) -> Licence {
    let text = files.text(&format!("usr/share/doc/{name}/copyright"));
    text.map_or_else(Licence::default, |text| copyright(&text))
}

/// The paths of a package's files: its list, else its sums, and its files in the database itself.
fn claims(
    files: &Files,
    name: &str,
    architecture: &str,
    place: &str,
    diversions: &Diversions,
) -> Vec<Vec<u8>> {
    let names = [name.to_string(), format!("{name}:{architecture}")];
    let info = |name: &String, end: &str| TreePath::from(format!("{INFO}/{name}.{end}").as_str());
    let list = names.iter().find_map(|one| files.bytes(&info(one, "list")));
    let sums = names
        .iter()
        .find_map(|one| files.bytes(&info(one, "md5sums")))
        .or_else(|| files.bytes(&format!("{place}.md5sums").as_str().into()));
    let listed = list.into_iter().flat_map(lines).map(<[u8]>::to_vec);
    let summed = sums.into_iter().flat_map(lines).filter_map(summed);
    let mut paths: Vec<Vec<u8>> = listed.chain(summed).collect();
    for path in &mut paths {
        if let Some(to) = diversions.of(path, name) {
            *path = to.to_vec();
        }
    }
    let own = TreePath::from(INFO);
    for one in &names {
        for end in [
            "list",
            "md5sums",
            "conffiles",
            "preinst",
            "postinst",
            "prerm",
            "postrm",
            "triggers",
            "shlibs",
            "symbols",
            "templates",
            "config",
        ] {
            paths.push(own.join(format!("{one}.{end}").as_bytes()).as_bytes().to_vec());
        }
    }
    if place != STATUS {
        paths.extend([place.into(), format!("{place}.md5sums").into()]);
    }
    paths
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty())
}

/// The path of `SUM  PATH`.
fn summed(line: &[u8]) -> Option<Vec<u8>> {
    let at = line.windows(2).position(|pair| pair == b"  ")?;
    Some(line[at + 2..].to_vec())
}

/// Files that dpkg puts elsewhere than a package says.
#[derive(Default)]
struct Diversions {
    by_path: HashMap<Vec<u8>, (Vec<u8>, Vec<u8>)>,
}

impl Diversions {
    fn read(files: &Files) -> Diversions {
        let bytes = files.bytes(&"var/lib/dpkg/diversions".into()).unwrap_or_default();
        let all: Vec<&[u8]> = lines(bytes).collect();
        let triples = all.chunks_exact(3);
        let by_path = triples.map(|one| (one[0].to_vec(), (one[1].to_vec(), one[2].to_vec())));
        Diversions {
            by_path: by_path.collect(),
        }
    }

    /// Where the file of `package` at `path` is, if it is diverted. The package that diverts has its own there.
    fn of(&self, path: &[u8], package: &str) -> Option<&[u8]> {
        let (to, by) = self.by_path.get(path)?;
        (by != package.as_bytes()).then_some(to)
    }
}
