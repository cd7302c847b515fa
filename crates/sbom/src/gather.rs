//! What is kept of an image's files while its layers are read.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use praxis_layer::{Entry, Kind, LayerError, TreePath};
use sha1::{Digest as _, Sha1};

use crate::binary::{BinaryFacts, facts};

/// All texts of an image together.
const TEXTS: u64 = 1 << 30;
/// Larger programs are not looked into.
const BINARY: u64 = 512 << 20;

/// Where a file is: the layer, and its path there.
pub(crate) type Place = (usize, TreePath);

/// What was kept.
#[derive(Default)]
pub(crate) struct Gathered {
    pub texts: HashMap<Place, Vec<u8>>,
    pub binaries: HashMap<Place, BinaryFacts>,
    pub sums: HashMap<Place, [u8; 20]>,
    /// Files that were not read, and why.
    pub left_out: BTreeMap<TreePath, String>,
    kept: u64,
}

impl Gathered {
    /// Looks at one file of layer `layer`.
    pub fn see(&mut self, layer: usize, entry: &Entry, content: &mut dyn Read) -> Result<(), LayerError> {
        let Kind::File { size, .. } = entry.kind else {
            return Ok(());
        };
        let mut summing = Summing {
            reader: content,
            sum: Sha1::new(),
        };
        let place = (layer, entry.path.clone());
        self.look(&place, size, &mut summing).map_err(failed)?;
        io::copy(&mut summing, &mut io::sink()).map_err(failed)?;
        self.sums.insert(place, summing.sum.finalize().into());
        Ok(())
    }

    fn look(&mut self, place: &Place, size: u64, content: &mut dyn Read) -> io::Result<()> {
        // A later member of the same name takes the place of an earlier one.
        self.texts.remove(place);
        self.binaries.remove(place);
        let path = &place.1;
        if let Some(limit) = wanted(path) {
            if size > limit {
                self.left_out.insert(
                    path.clone(),
                    format!("{size} bytes are more than the {limit} that are read"),
                );
                return Ok(());
            }
            self.kept += size;
            if self.kept > TEXTS {
                return Err(io::Error::other(LayerError::Limit {
                    what: "bytes of package databases",
                    cap: TEXTS,
                }));
            }
            let mut bytes = Vec::new();
            content.take(size).read_to_end(&mut bytes)?;
            self.texts.insert(place.clone(), bytes);
            return Ok(());
        }
        let mut bytes = vec![0; 4];
        if size < 64 || read_full(content, &mut bytes)? < 4 || bytes != *b"\x7fELF" {
            return Ok(());
        }
        if size > BINARY {
            self.left_out.insert(
                path.clone(),
                format!("a program of {size} bytes, more than the {BINARY} that are read"),
            );
            return Ok(());
        }
        content.take(size - 4).read_to_end(&mut bytes)?;
        if let Some(found) = facts(&bytes) {
            self.binaries.insert(place.clone(), found);
        }
        Ok(())
    }
}

fn failed(error: io::Error) -> LayerError {
    match error.downcast::<LayerError>() {
        Ok(error) => error,
        Err(error) => LayerError::Damaged {
            reason: error.to_string(),
        },
    }
}

fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match reader.read(&mut buffer[at..])? {
            0 => break,
            count => at += count,
        }
    }
    Ok(at)
}

struct Summing<'a> {
    reader: &'a mut dyn Read,
    sum: Sha1,
}

impl Read for Summing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.sum.update(&buffer[..count]);
        Ok(count)
    }
}

/// How much of the file at `path` is read, if it says anything about components.
pub(crate) fn wanted(path: &TreePath) -> Option<u64> {
    const MIB: u64 = 1 << 20;
    let bytes = path.as_bytes();
    let name = path.name();
    let parent = path.parent().unwrap_or_default();
    let within = parent.name();
    match bytes {
        b"etc/os-release" | b"usr/lib/os-release" => return Some(MIB),
        b"var/lib/dpkg/status" | b"lib/apk/db/installed" | b"usr/lib/apk/db/installed" => {
            return Some(128 * MIB);
        }
        b"var/lib/dpkg/diversions" => return Some(4 * MIB),
        _ => {}
    }
    let has_end = |end: &[u8]| name.ends_with(end);
    match parent.as_bytes() {
        b"var/lib/dpkg/status.d" => return Some(16 * MIB),
        b"var/lib/dpkg/info" if has_end(b".list") || has_end(b".md5sums") => return Some(64 * MIB),
        b"var/lib/rpm" | b"usr/lib/sysimage/rpm" if name == b"rpmdb.sqlite" => return Some(512 * MIB),
        b"var/lib/rpm" | b"usr/lib/sysimage/rpm" if name == b"Packages" || name == b"Packages.db" => {
            return Some(512 * MIB);
        }
        _ => {}
    }
    let is_copyright = name == b"copyright" && parent.parent() == Some("usr/share/doc".into());
    let is_python = (within.ends_with(b".dist-info") && [&b"METADATA"[..], b"RECORD"].contains(&name))
        || (within.ends_with(b".egg-info") && [&b"PKG-INFO"[..], b"installed-files.txt"].contains(&name))
        || has_end(b".egg-info");
    let is_npm = name == b"package.json" && bytes.windows(13).any(|part| part == b"node_modules/");
    match (is_copyright || is_npm, is_python) {
        (true, _) => Some(4 * MIB),
        (_, true) => Some(32 * MIB),
        _ => None,
    }
}
