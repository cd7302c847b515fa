//! Whole images from one place to another.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::sync::Mutex;

use praxis_oci::{Descriptor, Digest};

use crate::{BlobSource, FetchedManifest, Part, RegistryError, Repository, parse_document};

/// Indexes in indexes deeper than this are refused.
const DEEPEST: usize = 4;
/// Documents of one image, and their bytes.
const MOST_DOCUMENTS: usize = 10_000;
const MOST_BYTES: u64 = 256 << 20;

/// Where content comes from.
pub trait ContentSource: Sync {
    /// A manifest or index, verified.
    fn document(&self, descriptor: &Descriptor) -> Result<FetchedManifest, RegistryError>;
    /// Writes a blob to `out`, verified.
    fn blob(&self, descriptor: &Descriptor, out: &mut dyn Write) -> Result<(), RegistryError>;
    /// The blob as bytes that can be read again from any place, where that costs nothing.
    fn at_hand(&self, _descriptor: &Descriptor) -> Option<Box<dyn BlobSource + '_>> {
        None
    }
    /// What refers to `subject`.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, RegistryError>;
}

/// Where content goes.
pub trait ContentTarget: Sync {
    /// Whether the blob is there.
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError>;
    /// Takes a blob from `source`; nothing of it is visible unless all of it is right. Tells whether bytes were moved.
    fn take_blob(&self, descriptor: &Descriptor, source: &dyn ContentSource) -> Result<bool, RegistryError>;
    /// Takes a manifest or index whose parts it has.
    fn take_document(&self, document: &FetchedManifest) -> Result<(), RegistryError>;
}

/// How an image is copied.
pub struct Transfer<'a> {
    /// From.
    pub source: &'a dyn ContentSource,
    /// To.
    pub target: &'a dyn ContentTarget,
    /// Blobs at once.
    pub parallel: usize,
    /// Also what refers to it.
    pub referrers: bool,
}

/// What a copy did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransferReport {
    /// Manifests and indexes.
    pub documents: usize,
    /// Blobs whose bytes were moved.
    pub moved: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that were there or were mounted.
    pub present: usize,
}

/// An image with all its documents, parts before wholes.
pub struct Pulled {
    documents: Vec<FetchedManifest>,
    blobs: Vec<Descriptor>,
}

/// Copies what `root` names: blobs first, then manifests, then indexes, then referrers. The root itself comes last but
/// for its referrers, so that nothing is named that is not there.
pub fn copy(transfer: &Transfer, root: &FetchedManifest) -> Result<TransferReport, RegistryError> {
    let mut report = TransferReport::default();
    let whole = gather(transfer.source, root)?;
    take(transfer, &whole, &mut report)?;
    if transfer.referrers {
        let mut seen: BTreeSet<Digest> = whole.documents.iter().map(|one| one.descriptor.digest).collect();
        let mut waiting: VecDeque<Digest> = seen.iter().copied().collect();
        while let Some(subject) = waiting.pop_front() {
            for descriptor in transfer.source.referrers(&subject)? {
                if seen.len() > MOST_DOCUMENTS {
                    return Err(RegistryError::lie("more referrers than an image can have"));
                }
                if !seen.insert(descriptor.digest) {
                    continue;
                }
                let document = transfer.source.document(&plain(&descriptor))?;
                take(transfer, &gather(transfer.source, &document)?, &mut report)?;
                waiting.push_back(descriptor.digest);
            }
        }
    }
    Ok(report)
}

/// A blob of `source` in what `open` opens. Where a mirror gave wrong bytes, they are dropped and it begins again with
/// the next source.
///
/// # Errors
/// If no source has the blob; nothing is given that is not it.
pub fn fetch_whole<W: Write>(
    source: &dyn ContentSource,
    descriptor: &Descriptor,
    mut open: impl FnMut() -> Result<W, RegistryError>,
) -> Result<W, RegistryError> {
    loop {
        let mut out = open()?;
        match source.blob(descriptor, &mut out) {
            Ok(()) => return Ok(out),
            Err(error) if error.is_worth_another_source() => {}
            Err(error) => return Err(error),
        }
    }
}

/// A descriptor of a list without what only the list says.
fn plain(descriptor: &Descriptor) -> Descriptor {
    Descriptor::new(&descriptor.media_type, descriptor.digest, descriptor.size)
}

/// All documents below `root`, and the blobs they name.
fn gather(source: &dyn ContentSource, root: &FetchedManifest) -> Result<Pulled, RegistryError> {
    let mut levels = vec![vec![root.clone()]];
    let mut seen = BTreeSet::from([root.descriptor.digest]);
    let mut blobs: BTreeMap<Digest, Descriptor> = BTreeMap::new();
    let mut bytes = 0;
    while let Some(level) = levels.last().filter(|level| !level.is_empty()) {
        let mut below = Vec::new();
        for part in level.iter().flat_map(|document| document.document.parts()) {
            match part {
                Part::Blob(descriptor) => {
                    let known = blobs
                        .entry(descriptor.digest)
                        .or_insert_with(|| descriptor.clone());
                    if known.size != descriptor.size {
                        return Err(RegistryError::lie(format!(
                            "{}: the image gives it two sizes",
                            descriptor.digest
                        )));
                    }
                }
                Part::Document(descriptor) if seen.insert(descriptor.digest) => {
                    bytes += descriptor.size;
                    if seen.len() > MOST_DOCUMENTS || bytes > MOST_BYTES {
                        return Err(RegistryError::lie(format!(
                            "{}: an index of more manifests than an image can have",
                            root.descriptor.digest
                        )));
                    }
                    below.push(source.document(&descriptor)?);
                }
                Part::Document(_) => {}
            }
        }
        if levels.len() >= DEEPEST && !below.is_empty() {
            return Err(RegistryError::lie(format!(
                "{}: indexes nest deeper than {DEEPEST}",
                root.descriptor.digest
            )));
        }
        levels.push(below);
    }
    Ok(Pulled {
        documents: levels.into_iter().rev().flatten().collect(),
        blobs: blobs.into_values().collect(),
    })
}

fn take(transfer: &Transfer, whole: &Pulled, report: &mut TransferReport) -> Result<(), RegistryError> {
    let done = in_parallel(transfer.parallel, &whole.blobs, |descriptor| {
        if transfer.target.has_blob(descriptor)? {
            return Ok(false);
        }
        transfer.target.take_blob(descriptor, transfer.source)
    })?;
    for (descriptor, moved) in whole.blobs.iter().zip(done) {
        report.moved += usize::from(moved);
        report.present += usize::from(!moved);
        report.bytes += if moved { descriptor.size } else { 0 };
    }
    for document in &whole.documents {
        transfer.target.take_document(document)?;
        report.documents += 1;
    }
    Ok(())
}

/// Does `work` for all of `items`, `parallel` at once; the first failure ends it.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    parallel: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R, RegistryError> + Sync,
) -> Result<Vec<R>, RegistryError> {
    let next = Mutex::new(0);
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    let failure: Mutex<Option<RegistryError>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..parallel.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let index = {
                        let mut next = next.lock().expect("no panic while held");
                        *next += 1;
                        *next - 1
                    };
                    let failed = failure.lock().expect("no panic while held").is_some();
                    let Some(item) = items.get(index).filter(|_| !failed) else {
                        return;
                    };
                    match work(item) {
                        Ok(result) => results.lock().expect("no panic while held")[index] = Some(result),
                        Err(error) => {
                            failure.lock().expect("no panic while held").get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    match failure.into_inner().expect("no panic while held") {
        Some(error) => Err(error),
        None => Ok(results
            .into_inner()
            .expect("no panic while held")
            .into_iter()
            .flatten()
            .collect()),
    }
}

impl ContentSource for Repository<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<FetchedManifest, RegistryError> {
        self.manifest_of(descriptor)
    }

    fn blob(&self, descriptor: &Descriptor, out: &mut dyn Write) -> Result<(), RegistryError> {
        self.fetch_blob(descriptor, out)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        Repository::referrers(self, subject, None)
    }
}

impl FetchedManifest {
    /// Bytes from elsewhere than a registry, verified against their descriptor.
    pub fn verified(descriptor: &Descriptor, bytes: Vec<u8>) -> Result<FetchedManifest, RegistryError> {
        let wrong = |why: String| RegistryError::lie(format!("{}: {why}", descriptor.digest));
        if bytes.len() as u64 != descriptor.size {
            return Err(wrong(format!(
                "it is {} bytes long, its descriptor says {}",
                bytes.len(),
                descriptor.size
            )));
        }
        let digest = Digest::of(&bytes);
        if digest != descriptor.digest {
            return Err(wrong(format!("the content has another digest, {digest}")));
        }
        let document =
            parse_document(&bytes, &descriptor.media_type).map_err(|error| wrong(error.to_string()))?;
        let descriptor = plain(descriptor);
        Ok(FetchedManifest {
            descriptor,
            bytes,
            document,
        })
    }
}
