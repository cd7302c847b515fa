//! An image as rules see it.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_check::{FoundCredential, ImageEvidence, ImageFile, ImageView, credential_in};
use praxis_image::{OpenedImage, ReadLayer, Waste, WasteLedger};
use praxis_layer::{Entry, Kind, LayerError, Tree, TreePath};
use praxis_oci::Platform;
use praxis_registry::{Settings, Transfer, copy};
use praxis_sbom::{Inventory, LayerObserver, inventory_observed};
use praxis_solve::Events;
use praxis_store::{Scratch, Store};

use crate::components::base_packages;
use crate::registry::{Layout, described};
use crate::trust::{absent_materials, sbom_differences};
use crate::{Engine, EngineError, FirstDifference, Place, ReproduceRequest, Reproduction, SmokeRequest};

/// Most that is read of a list of accounts.
const LARGEST: u64 = 16 << 20;
/// Credentials are looked for in the first bytes of a file.
const SEARCHED: u64 = 1 << 20;
/// Files that are read as a whole.
const WANTED: [&str; 2] = ["etc/passwd", "etc/shadow"];
/// Directories in which keys are examples.
const EXAMPLES: [&str; 4] = ["doc", "test", "tests", "testdata"];
/// The name of an image of a registry in the layout that it is looked at in.
const FETCHED: &str = "fetched";

/// What `praxis check --image` looks at.
pub struct ImageCheckRequest<'a> {
    /// The image: as for `praxis inspect`, or `docker://NAME` for one of a registry.
    pub image: String,
    /// Its platform, of an index.
    pub platform: Option<Platform>,
    /// The Dockerfile whose bases its provenance has to name.
    pub dockerfile: Option<String>,
    /// The smoke tests to run, if it may be run.
    pub smoke: Option<SmokeRequest>,
    /// How to build it again, if it is to be.
    pub rebuild: Option<(ReproduceRequest, &'a dyn Events)>,
    /// Registries.
    pub settings: Settings,
}

impl Engine {
    /// An image as the rules of `praxis check --image` see it. All layers are read, each once, also what higher ones hide.
    /// One of a registry is fetched into a scratch directory, verified, and forgotten.
    ///
    /// # Errors
    /// If the image cannot be read, or is not what its digests say; if it is to be run or built again and cannot be.
    pub fn image_view(
        &self,
        request: &ImageCheckRequest,
        cancel: &AtomicBool,
    ) -> Result<ImageView, EngineError> {
        let store = self.store()?;
        let scratch = store.scratch()?;
        let place = place(&request.image, &store);
        let image = match &place {
            Some(Place::Registry(_)) => self.fetched(request, &scratch)?,
            _ => request.image.clone(),
        };
        let opened = self.image(&image, request.platform.as_ref(), &store)?;
        let known = opened.digest.map(|digest| base_packages(&store, &digest));
        let mut audit = Audit::default();
        let inventory = inventory_observed(&opened, &known.unwrap_or_default(), &mut audit)?;
        let mut view = audit.view(&request.image, &opened, &inventory);
        view.evidence = self.evidence(request, &store, &opened, &inventory, place.as_ref(), cancel)?;
        Ok(view)
    }

    /// The image of a registry for the platform, in a layout in `scratch`.
    fn fetched(&self, request: &ImageCheckRequest, scratch: &Scratch) -> Result<String, EngineError> {
        let place = Place::parse(&request.image)?;
        let Place::Registry(reference) = &place else {
            return Ok(request.image.clone());
        };
        let platform = request.platform.clone().unwrap_or_else(Platform::host);
        let (_, image, _) = described(reference, &request.settings, &platform)?;
        let directory = scratch.directory("fetched")?;
        let layout = Layout::create(&directory)?;
        self.held(&place, &request.settings, |held| {
            let transfer = Transfer {
                source: held.source,
                target: &layout,
                parallel: 4,
                referrers: false,
            };
            copy(&transfer, &image)?;
            layout.name(&image.descriptor, Some(FETCHED))?;
            Ok(())
        })?;
        Ok(format!("oci-layout:{}:{FETCHED}", directory.display()))
    }

    fn evidence(
        &self,
        request: &ImageCheckRequest,
        store: &Arc<Store>,
        opened: &OpenedImage,
        inventory: &Inventory,
        place: Option<&Place>,
        cancel: &AtomicBool,
    ) -> Result<ImageEvidence, EngineError> {
        let mut evidence = ImageEvidence::default();
        if let Some(place) = place {
            let attached = self.attachments(place, opened.digest, &request.settings)?;
            evidence.unsigned = attached.unsigned;
            evidence.wrong_descriptors = attached.wrong_entries;
            evidence.sbom_differences = sbom_differences(&attached.statements, inventory);
            let dockerfile = request.dockerfile.as_deref();
            let absent = dockerfile.map(|dockerfile| absent_materials(&attached.statements, dockerfile));
            evidence.missing_materials = absent.unwrap_or_default();
        }
        if let Some(smoke) = &request.smoke {
            evidence.needs_writable_root = self.needs_writable_root(store, opened, smoke, cancel)?;
            evidence.http = self.open_http(store, opened, &request.image, cancel)?;
        }
        if let Some((rebuild, events)) = &request.rebuild {
            evidence.rebuild = differs(&self.reproduce(rebuild, *events, cancel)?);
        }
        Ok(evidence)
    }
}

/// Where the image is, if that is a place with room for what refers to it.
fn place(image: &str, store: &Store) -> Option<Place> {
    match Place::parse(image).ok()? {
        Place::Store(reference) => {
            let name = reference.clone().with_default_tag().to_string();
            store.image(&name).map(|_| Place::Store(reference))
        }
        place @ (Place::Registry(_) | Place::Layout { .. }) => Some(place),
        place @ Place::Archive { .. } => image.starts_with("oci-archive:").then_some(place),
    }
}

/// In what a rebuild differs, in one line.
fn differs(reproduction: &Reproduction) -> Option<String> {
    if reproduction.identical {
        return None;
    }
    let layer = |first: &FirstDifference| {
        let path = first
            .path
            .as_deref()
            .map_or(String::new(), |path| format!(", {path}"));
        format!("layer {}{path}: {}", first.layer, first.causes.join(", "))
    };
    let field = || {
        reproduction
            .fields
            .first()
            .map(|field| format!("the field {}", field.field))
    };
    let first = reproduction.first.as_ref().map(layer).or_else(field);
    let digests = format!("{} instead of {}", reproduction.rebuilt, reproduction.image);
    Some(first.map_or(digests.clone(), |first| format!("{first} ({digests})")))
}

#[derive(Default)]
struct Audit {
    tree: Tree,
    waste: WasteLedger,
    /// Files and directories of all layers, by layer.
    files: Vec<ImageFile>,
    credentials: Vec<FoundCredential>,
    /// The latest text of each file that is read as a whole.
    texts: BTreeMap<String, String>,
}

impl LayerObserver for Audit {
    fn file(&mut self, layer: usize, entry: &Entry, content: &mut dyn Read) -> Result<(), LayerError> {
        let path = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        let whole = WANTED.contains(&path.as_str());
        let mut bytes = Vec::new();
        content
            .take(if whole { LARGEST } else { SEARCHED })
            .read_to_end(&mut bytes)
            .map_err(|error| LayerError::Damaged {
                reason: error.to_string(),
            })?;
        if !is_example(&path)
            && let Some(what) = credential(&bytes)
        {
            self.credentials.push(FoundCredential {
                path: format!("/{path}"),
                layer: layer + 1,
                what,
                hidden: false,
            });
        }
        if whole {
            self.texts
                .insert(path, String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(())
    }

    fn layer(&mut self, index: usize, read: &ReadLayer, below: &Tree) {
        self.waste.add(&read.listing, below);
        self.tree.apply(index, &read.listing);
        for entry in read.listing.entries() {
            if matches!(
                entry.kind,
                Kind::Directory { .. } | Kind::File { .. } | Kind::Hardlink { .. }
            ) {
                self.files.push(ImageFile {
                    path: format!("/{}", String::from_utf8_lossy(entry.path.as_bytes())),
                    layer: index + 1,
                    directory: entry.is_directory(),
                    mode: entry.mode,
                    uid: entry.uid,
                    gid: entry.gid,
                    capabilities: entry.xattrs.contains_key(b"security.capability".as_slice()),
                });
            }
        }
    }
}

impl Audit {
    fn view(mut self, name: &str, image: &OpenedImage, inventory: &Inventory) -> ImageView {
        let tree = &self.tree;
        let waste: Waste = self.waste.waste(tree);
        let seen = |path: &str, layer: usize| {
            let node = tree.get(&TreePath::from(path));
            node.is_some_and(|node| node.layer + 1 == layer || node.is_directory())
        };
        for one in &mut self.credentials {
            one.hidden = !seen(&one.path, one.layer);
        }
        let last = |file: &ImageFile| seen(&file.path, file.layer);
        let mut files: BTreeMap<String, ImageFile> = BTreeMap::new();
        files.extend(
            self.files
                .iter()
                .filter(|file| last(file))
                .map(|file| (file.path.clone(), file.clone())),
        );
        let there = |path: &str| tree.get(&TreePath::from(path)).is_some();
        let text = |path: &str| self.texts.get(path).filter(|_| there(path)).cloned();
        let config = &image.config.config;
        ImageView {
            name: name.into(),
            user: config.user.clone(),
            environment: config.env.clone(),
            entrypoint: config.entrypoint.clone().unwrap_or_default(),
            labels: config.labels.clone(),
            history: history(image),
            files: files.into_values().collect(),
            passwd: text("etc/passwd"),
            shadow: text("etc/shadow"),
            packages: packages(inventory),
            credentials: self.credentials,
            wasted: waste.bytes,
            wasted_paths: waste.paths.iter().map(|path| path.path.clone()).collect(),
            evidence: ImageEvidence::default(),
        }
    }
}

/// What the system's package manager installed.
fn packages(inventory: &Inventory) -> Vec<String> {
    let system = inventory
        .components
        .iter()
        .filter(|one| matches!(one.kind.purl_type(), "deb" | "apk" | "rpm"));
    system.map(|one| one.name.clone()).collect()
}

/// The instructions, and which layer each made.
fn history(image: &OpenedImage) -> Vec<(String, Option<usize>)> {
    let mut layer = 0;
    let entries = image.config.history.iter().map(|entry| {
        layer += usize::from(!entry.empty_layer);
        let made = (!entry.empty_layer).then_some(layer);
        (entry.created_by.clone().unwrap_or_default(), made)
    });
    entries.collect()
}

/// What looks like a credential in the beginning of a file. Binary files hold patterns by chance: only texts are searched.
fn credential(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes)
        .or_else(|error| std::str::from_utf8(&bytes[..error.valid_up_to()]))
        .ok()?;
    let cut = bytes.len() as u64 == SEARCHED;
    (text.len() == bytes.len() || cut)
        .then_some(text)
        .filter(|text| !text.contains('\0'))
        .and_then(credential_in)
}

fn is_example(path: &str) -> bool {
    path.split('/').any(|part| EXAMPLES.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_are_searched() {
        let key = b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n";
        assert_eq!(credential(key).as_deref(), Some("a private key"));
        assert_eq!(credential(&[&key[..], b"\0"].concat()), None);
        assert_eq!(credential(&[&key[..], b"\xff\xfe"].concat()), None);
        assert!(is_example("usr/share/doc/x/key.pem") && !is_example("srv/key.pem"));
    }
}
