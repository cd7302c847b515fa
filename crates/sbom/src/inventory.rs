use std::collections::{BTreeMap, HashMap, HashSet};

use praxis_image::OpenedImage;
use praxis_layer::{Kind, Tree, TreePath};
use praxis_oci::Digest;
use serde::Serialize;

use crate::attribution::attribute;
use crate::component::Found;
use crate::files::Files;
use crate::gather::Gathered;
use crate::observe::{Again, LayerObserver, Nobody};
use crate::{Component, KnownPackage, SbomError, System, apk, binary, dpkg, npm, python, rpm};

/// Images with more components are refused.
const COMPONENTS: usize = 500_000;

/// Which image an inventory is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// Digest of the manifest; of a docker archive, which has none, that of the configuration.
    pub digest: Digest,
    /// Digest of the configuration.
    pub config_digest: Digest,
    /// Name: the title the image gives itself.
    pub name: String,
    /// Such as `amd64`.
    pub architecture: String,
    /// Its time, RFC 3339, as its configuration says.
    pub created: String,
    /// Digests of the uncompressed layers, the lowest first.
    pub diff_ids: Vec<Digest>,
}

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileRecord {
    /// Its path, without a slash before it.
    pub path: String,
    /// SHA-1, hexadecimal; of regular files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// SHA-256, hexadecimal; of regular files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inventory {
    /// The image.
    pub subject: Subject,
    /// The operating system, if the image says.
    pub system: Option<System>,
    /// The components by their addresses, each once.
    pub components: Vec<Component>,
    /// Every file, link and device, in order; the files of components are among them.
    #[serde(skip)]
    pub files: BTreeMap<TreePath, FileRecord>,
    /// Those that no component claims.
    #[serde(skip)]
    pub unattributed: Vec<TreePath>,
    /// What could not be read, and what follows.
    pub notes: Vec<String>,
}

/// Reads `image` and lists its components and files. `known` are the packages of the base that it was built from, as far
/// as that is known: they add the packages' digests, and stand in where an image has no database of dpkg's.
///
/// # Errors
/// If the image cannot be read, is not what its digests say, or goes beyond a limit.
pub fn inventory(image: &OpenedImage, known: &[KnownPackage]) -> Result<Inventory, SbomError> {
    inventory_observed(image, known, &mut Nobody)
}

/// The same, while `observer` sees what is read: each layer is read once for both.
///
/// # Errors
/// As of [`inventory`], and what the observer says.
pub fn inventory_observed(
    image: &OpenedImage,
    known: &[KnownPackage],
    observer: &mut dyn LayerObserver,
) -> Result<Inventory, SbomError> {
    let mut gathered = Gathered::default();
    let mut tree = Tree::new();
    for index in 0..image.layers.len() {
        let layer = image.observe_layer(index, &tree, &mut |entry, content| {
            let mut again = Again::of(content);
            observer.file(index, entry, &mut again)?;
            gathered.see(index, entry, &mut again.into_whole())
        })?;
        observer.layer(index, &layer, &tree);
        tree.apply(index, &layer.listing);
    }
    let files = Files::new(tree, gathered);
    let mut notes: Vec<String> = Vec::new();
    for (path, why) in &files.gathered.left_out {
        if files.tree.get(path).is_some() {
            notes.push(format!("{path}: {why}"));
        }
    }
    let system = System::read(&files);
    let mut found = found(&files, &system.clone().unwrap_or_default(), known, &mut notes);
    if found.len() > COMPONENTS {
        return Err(SbomError::new(format!(
            "{}: {} components are more than {COMPONENTS}",
            image.name,
            found.len()
        )));
    }
    let unattributed = attribute(&files, &mut found);
    let mut components = merged(found);
    place_parts(&mut components);
    Ok(Inventory {
        subject: subject(image),
        system,
        components,
        files: records(&files),
        unattributed,
        notes,
    })
}

fn found(files: &Files, system: &System, known: &[KnownPackage], notes: &mut Vec<String>) -> Vec<Found> {
    let mut found = match dpkg::packages(files, system) {
        Some(mut packages) => {
            packages.iter_mut().for_each(|package| confirm(package, known));
            packages
        }
        None => {
            if !known.is_empty() {
                notes.push(
                    "the image has no database of dpkg's: packages are those of its base's lock".into(),
                );
            }
            known.iter().filter_map(|package| package.found(system)).collect()
        }
    };
    found.extend(apk::packages(files, system));
    found.extend(rpm::packages(files, system, notes));
    found.extend(python::packages(files));
    found.extend(npm::packages(files));
    found.extend(binary::components(files));
    found
}

/// The digest of the package that the lock names.
fn confirm(found: &mut Found, known: &[KnownPackage]) {
    let component = &mut found.component;
    let same = known.iter().find(|package| {
        package.name == component.name
            && package.version == component.version
            && Some(&package.architecture) == component.architecture.as_ref()
    });
    component.package_sha256 = same.map(|package| package.sha256.clone());
}

/// One component for each address; what was found several times has the evidence and files of all.
fn merged(found: Vec<Found>) -> Vec<Component> {
    let mut by_purl: BTreeMap<String, Component> = BTreeMap::new();
    for Found { component, .. } in found {
        match by_purl.get_mut(&component.purl) {
            Some(known) => {
                known.evidence.extend(component.evidence);
                known.uses.extend(component.uses);
                known.files.extend(component.files);
                known.files.sort();
                known.files.dedup();
            }
            None => drop(by_purl.insert(component.purl.clone(), component)),
        }
    }
    // What is used but not there was only of use to the build.
    let there: HashSet<String> = by_purl.keys().cloned().collect();
    let mut components: Vec<Component> = by_purl.into_values().collect();
    for component in &mut components {
        let own = component.purl.clone();
        component.uses.retain(|used| there.contains(used) && *used != own);
    }
    components
}

/// A component whose evidence is a file of a system package is a part of that.
fn place_parts(components: &mut [Component]) {
    let mut owner: HashMap<&TreePath, &str> = HashMap::new();
    for component in components.iter().filter(|one| one.kind.is_system()) {
        owner.extend(component.files.iter().map(|path| (path, component.purl.as_str())));
    }
    let part_of = |component: &Component| {
        let all: Option<Vec<&str>> = component
            .evidence
            .iter()
            .map(|place| owner.get(&TreePath::from(place.as_str())).copied())
            .collect();
        let all = all.filter(|_| !component.kind.is_system())?;
        all.first().map(|purl| purl.to_string())
    };
    let parts: Vec<Option<String>> = components.iter().map(part_of).collect();
    for (component, part) in components.iter_mut().zip(parts) {
        component.part_of = part;
    }
}

fn subject(image: &OpenedImage) -> Subject {
    let labels = &image.config.config.labels;
    let title = labels
        .get("org.opencontainers.image.title")
        .filter(|title| !title.trim().is_empty());
    let created = image.config.created.clone().filter(|time| is_time(time));
    Subject {
        digest: image.digest.unwrap_or(image.config_digest),
        config_digest: image.config_digest,
        name: title.map_or_else(|| "image".into(), |title| title.chars().take(200).collect()),
        architecture: image.config.platform().architecture,
        created: created.unwrap_or_else(|| "1970-01-01T00:00:00Z".into()),
        diff_ids: image.config.rootfs.diff_ids.clone(),
    }
}

/// Whether a text looks like `1980-01-01T00:00:00Z`, with or without a fraction.
fn is_time(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00";
    let fits = |(want, have): (u8, u8)| {
        if want == b'0' {
            have.is_ascii_digit()
        } else {
            want == have
        }
    };
    text.len() >= 20
        && text.len() <= 30
        && text.is_ascii()
        && shape.bytes().zip(text.bytes()).all(fits)
        && text.ends_with('Z')
        && text[19..text.len() - 1]
            .bytes()
            .all(|byte| byte == b'.' || byte.is_ascii_digit())
}

fn records(files: &Files) -> BTreeMap<TreePath, FileRecord> {
    let record = |path: &TreePath| {
        let sha256 = match files.tree.get(path).map(|node| &node.kind) {
            Some(Kind::File { content, .. }) => Some(content.hex()),
            _ => None,
        };
        let sha1 = files
            .sha1(path)
            .map(|sum| sum.iter().map(|byte| format!("{byte:02x}")).collect());
        let shown = path.to_string()[1..].to_string();
        (
            path.clone(),
            FileRecord {
                path: shown,
                sha1,
                sha256,
            },
        )
    };
    files.paths.iter().map(record).collect()
}
