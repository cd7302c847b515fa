//! What programs say of what they were made from: Go's build information, the crates of Rust programs.

use auditable_info::json_from_slice;
use object::{Object, ObjectSection, ObjectSegment};
use serde::Deserialize;

use crate::component::Found;
use crate::files::Files;
use crate::purl::purl;
use crate::{Component, ComponentKind};

/// No program has more modules or crates.
const PARTS: usize = 20_000;
/// No list of them is longer.
const LIST: usize = 16 << 20;

/// What a program says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BinaryFacts {
    go: Option<GoFacts>,
    crates: Vec<Crate>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct GoFacts {
    /// Of Go itself.
    version: String,
    main: Option<Module>,
    modules: Vec<Module>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Module {
    path: String,
    version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Crate {
    name: String,
    version: String,
    is_root: bool,
    uses: Vec<usize>,
}

/// What the program `bytes` says, if anything.
pub(crate) fn facts(bytes: &[u8]) -> Option<BinaryFacts> {
    let file = object::File::parse(bytes).ok()?;
    let go = go(&file);
    let has_crates = file.section_by_name(".dep-v0").is_some();
    let crates = if has_crates { crates(bytes) } else { Vec::new() };
    (go.is_some() || !crates.is_empty()).then_some(BinaryFacts { go, crates })
}

/// What cargo-auditable writes.
#[derive(Deserialize)]
struct Audited {
    packages: Vec<AuditedPackage>,
}

#[derive(Deserialize)]
struct AuditedPackage {
    name: String,
    version: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    dependencies: Vec<usize>,
    #[serde(default)]
    root: bool,
}

fn crates(bytes: &[u8]) -> Vec<Crate> {
    let text = json_from_slice(bytes, LIST).unwrap_or_default();
    let Ok(audited) = serde_json::from_str::<Audited>(&text) else {
        return Vec::new();
    };
    let packages = audited.packages.into_iter().take(PARTS);
    let all = packages.map(|package| Crate {
        // What only the build used is not in the program; the numbers of the others stay.
        name: match package.kind.as_deref() {
            Some("build") => String::new(),
            _ => package.name,
        },
        version: package.version,
        is_root: package.root,
        uses: package.dependencies,
    });
    all.collect()
}

const GO_MAGIC: &[u8] = b"\xff Go buildinf:";

fn go(file: &object::File<'_>) -> Option<GoFacts> {
    let section = file.section_by_name(".go.buildinfo")?;
    let data = section.data().ok()?;
    let info = data.get(..32).filter(|info| info.starts_with(GO_MAGIC))?;
    let (pointer, flags) = (usize::from(info[14]), info[15]);
    let (version, modules) = if flags & 2 != 0 {
        let (version, rest) = counted(data.get(32..)?)?;
        (version, counted(rest)?.0)
    } else {
        let at = |offset: usize| address(info.get(offset..)?, pointer, flags & 1 != 0);
        let text = |place: u64| {
            let header = memory(file, place, 2 * pointer)?;
            let big = flags & 1 != 0;
            let start = address(header, pointer, big)?;
            let length = usize::try_from(address(&header[pointer..], pointer, big)?).ok()?;
            memory(file, start, length.min(LIST))
        };
        (text(at(16)?)?, text(at(16 + pointer)?).unwrap_or_default())
    };
    Some(go_facts(version, modules))
}

/// A text after its length.
fn counted(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut length, mut at) = (0usize, 0);
    loop {
        let byte = *data.get(at)?;
        length |= usize::from(byte & 0x7f).checked_shl(7 * at as u32)?;
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if at > 4 {
            return None;
        }
    }
    let end = at
        .checked_add(length)
        .filter(|end| *end <= data.len() && length <= LIST)?;
    Some((&data[at..end], &data[end..]))
}

fn address(bytes: &[u8], size: usize, big: bool) -> Option<u64> {
    let bytes = bytes.get(..size).filter(|_| matches!(size, 4 | 8))?;
    let fold = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    Some(match big {
        true => bytes.iter().fold(0, fold),
        false => bytes.iter().rev().fold(0, fold),
    })
}

/// What is at `address` when the program runs.
fn memory<'d>(file: &object::File<'d>, address: u64, length: usize) -> Option<&'d [u8]> {
    file.segments()
        .find_map(|segment| segment.data_range(address, length as u64).ok().flatten())
}

fn go_facts(version: &[u8], modules: &[u8]) -> GoFacts {
    let mut facts = GoFacts {
        version: String::from_utf8_lossy(version).into_owned(),
        ..GoFacts::default()
    };
    // Marks of 16 bytes stand around the text.
    let text = match modules.len() {
        33.. => &modules[16..modules.len() - 16],
        _ => b"",
    };
    for line in String::from_utf8_lossy(text).lines().take(PARTS) {
        let fields: Vec<&str> = line.split('\t').collect();
        let module = || Module {
            path: fields.get(1).copied().unwrap_or_default().into(),
            version: fields.get(2).copied().unwrap_or_default().into(),
        };
        match fields[0] {
            "mod" => facts.main = Some(module()),
            "dep" => facts.modules.push(module()),
            "=>" => drop(facts.modules.last_mut().map(|last| *last = module())),
            _ => {}
        }
    }
    facts
}

/// The components that the programs of an image are made of.
pub(crate) fn components(files: &Files) -> Vec<Found> {
    let mut found = Vec::new();
    for path in &files.paths {
        if let Some(facts) = files.binary(path) {
            let place = path.to_string()[1..].to_string();
            found.extend(facts.go.iter().flat_map(|go| go_components(go, &place)));
            found.extend(crate_components(&facts.crates, &place));
        }
    }
    found
}

fn go_components(facts: &GoFacts, place: &str) -> Vec<Found> {
    let library = Module {
        path: "stdlib".into(),
        // `go1.24.1 X:experiment`: the words after it are no part of the version.
        version: facts
            .version
            .split(' ')
            .next()
            .unwrap_or_default()
            .trim_start_matches("go")
            .into(),
    };
    let used = facts.modules.iter().chain([&library]);
    let mut found: Vec<Found> = used.filter_map(|module| go_component(module, place)).collect();
    let used: Vec<String> = found.iter().map(|one| one.component.purl.clone()).collect();
    let main = facts.main.as_ref().and_then(|main| go_component(main, place));
    match main {
        Some(mut main) => {
            main.component.uses = used.into_iter().collect();
            main.claims.paths.push(place.into());
            found.push(main);
        }
        None => claim_last(&mut found, place),
    }
    found
}

/// A program without a module of its own is the library's.
fn claim_last(found: &mut [Found], place: &str) {
    if let Some(last) = found.last_mut() {
        last.claims.paths.push(place.into());
    }
}

fn go_component(module: &Module, place: &str) -> Option<Found> {
    let version = if module.version == "(devel)" {
        ""
    } else {
        &module.version
    };
    let (namespace, name) = match module.path.rsplit_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, module.path.as_str()),
    };
    let purl = purl(ComponentKind::Go, namespace, name, version, &[])?;
    let mut component = Component::new(ComponentKind::Go, &module.path, version, purl);
    component.evidence.insert(place.into());
    Some(Found::new(component))
}

fn crate_components(crates: &[Crate], place: &str) -> Vec<Found> {
    let address = |one: &Crate| {
        let named = !one.name.is_empty();
        named
            .then(|| purl(ComponentKind::Cargo, None, &one.name, &one.version, &[]))
            .flatten()
    };
    let found = crates.iter().filter_map(|one| {
        let mut component = Component::new(ComponentKind::Cargo, &one.name, &one.version, address(one)?);
        let used = one.uses.iter().filter_map(|index| crates.get(*index));
        component.uses = used.filter_map(address).collect();
        component.evidence.insert(place.into());
        let mut found = Found::new(component);
        if one.is_root {
            found.claims.paths.push(place.into());
        }
        Some(found)
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaced_modules_count() {
        let mut text = vec![b'x'; 16];
        text.extend(b"path\tx.org/cmd\nmod\tx.org/m\t(devel)\t\ndep\ta.org/b\tv1.0.0\th1:\ndep\tc.org/d\tv2.0.0\n=>\te.org/d\tv2.0.1\t\nbuild\tGOOS=linux\n");
        text.extend([b'x'; 16]);
        let facts = go_facts(b"go1.24.1", &text);
        let found = go_components(&facts, "bin/x");
        let mut purls: Vec<&str> = found.iter().map(|one| one.component.purl.as_str()).collect();
        purls.sort();
        assert_eq!(
            purls,
            [
                "pkg:golang/a.org/b@v1.0.0",
                "pkg:golang/e.org/d@v2.0.1",
                "pkg:golang/stdlib@1.24.1",
                "pkg:golang/x.org/m"
            ]
        );
        assert_eq!(found.last().unwrap().component.uses.len(), 3);
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        assert_eq!(
            counted(&[3, b'a', b'b', b'c', b'd']),
            Some((&b"abc"[..], &b"d"[..]))
        );
        assert_eq!(counted(&[4, b'a']), None);
        assert_eq!(counted(&[0xff; 12]), None);
        assert_eq!(counted(&[]), None);
        assert_eq!(
            facts(b"\x7fELF and then nothing that makes sense, but long enough for a header"),
            None
        );
    }
}
