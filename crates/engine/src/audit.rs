//! An image as rules see it.

use std::collections::BTreeMap;
use std::io::Read;

use praxis_check::{FoundCredential, ImageFile, ImageView, credential_in};
use praxis_image::{ImageReport, OpenedImage, report};
use praxis_layer::{Kind, LayerError, Tree, TreePath};
use praxis_oci::Platform;
use praxis_sbom::Inventory;

use crate::{Engine, EngineError};

/// Most that is read of a list of accounts.
const LARGEST: u64 = 16 << 20;
/// Credentials are looked for in the first bytes of a file.
const SEARCHED: u64 = 1 << 20;
/// Files that are read as a whole.
const WANTED: [&str; 2] = ["etc/passwd", "etc/shadow"];
/// Directories in which keys are examples.
const EXAMPLES: [&str; 4] = ["doc", "test", "tests", "testdata"];

impl Engine {
    /// An image as the rules of `praxis check --image` see it. All layers are read, also what higher ones hide.
    ///
    /// # Errors
    /// If the image cannot be read, or is not what its digests say.
    pub fn image_view(&self, image: &str, platform: Option<&Platform>) -> Result<ImageView, EngineError> {
        let store = self.store()?;
        let opened = self.image(image, platform, &store)?;
        let mut audit = Audit::default();
        for index in 0..opened.layers.len() {
            audit.layer(&opened, index)?;
        }
        let report = report(&opened)?;
        let inventory = praxis_sbom::inventory(&opened, &[])?;
        Ok(audit.view(image, &opened, &report, &inventory))
    }
}

#[derive(Default)]
struct Audit {
    tree: Tree,
    /// Files and directories of all layers, by layer.
    files: Vec<ImageFile>,
    credentials: Vec<FoundCredential>,
    /// The latest text of each file that is read as a whole.
    texts: BTreeMap<String, String>,
}

impl Audit {
    fn layer(&mut self, image: &OpenedImage, index: usize) -> Result<(), EngineError> {
        let (credentials, texts) = (&mut self.credentials, &mut self.texts);
        let layer = image.observe_layer(index, &self.tree, &mut |entry, content| {
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
                credentials.push(FoundCredential {
                    path: format!("/{path}"),
                    layer: index + 1,
                    what,
                    hidden: false,
                });
            }
            if whole {
                texts.insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
            Ok(())
        })?;
        self.tree.apply(index, &layer.listing);
        for entry in layer.listing.entries() {
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
        Ok(())
    }

    fn view(
        mut self,
        name: &str,
        image: &OpenedImage,
        report: &ImageReport,
        inventory: &Inventory,
    ) -> ImageView {
        let tree = &self.tree;
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
            wasted: report.waste.bytes,
            wasted_paths: report.waste.paths.iter().map(|path| path.path.clone()).collect(),
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
