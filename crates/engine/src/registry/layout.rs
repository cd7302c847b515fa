//! An OCI layout as a place to copy from and to.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use praxis_oci::{Descriptor, Digest, HashingReader, Index, media_type};
use praxis_registry::{
    BlobSource, ContentSource, ContentTarget, FetchedManifest, RegistryError, fetch_whole,
};
use rustix::fs::{Mode, OFlags};

const NAME: &str = "org.opencontainers.image.ref.name";
/// Indexes and manifests are not larger.
const SMALL: u64 = 4 << 20;

/// A directory with `index.json` and `blobs/`.
pub(crate) struct Layout {
    directory: PathBuf,
}

impl Layout {
    /// One that is there.
    pub fn open(directory: &Path) -> Layout {
        Layout {
            directory: directory.into(),
        }
    }

    /// One to write to, made if it is not there.
    pub fn create(directory: &Path) -> Result<Layout, RegistryError> {
        let layout = Layout::open(directory);
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|error| layout.wrong("create", &error))?;
        let format = directory.join("oci-layout");
        if !format.exists() {
            layout.replace("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        }
        Ok(layout)
    }

    /// What `tag` or a digest names; without either, the only image there is.
    pub fn root(&self, tag: Option<&str>) -> Result<Descriptor, RegistryError> {
        let index = self.index()?;
        let fits = |one: &&Descriptor| match tag {
            None => true,
            Some(tag) => {
                one.annotations.get(NAME).is_some_and(|name| name == tag) || one.digest.to_string() == tag
            }
        };
        let mut found: Vec<&Descriptor> = index.manifests.iter().filter(fits).collect();
        if tag.is_none() && found.len() > 1 {
            // What refers to an image is listed beside it.
            let refers = |one: &Descriptor| {
                let document = self.document(one);
                document.is_ok_and(|document| document.document.subject().is_some())
            };
            found.retain(|one| !refers(one));
        }
        let place = self.directory.display();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(RegistryError::of_input(format!(
                "{place}: no image {} in the layout",
                tag.unwrap_or_default()
            ))),
            many => Err(RegistryError::of_input(format!(
                "{place}: {} images in the layout; name one with :TAG",
                many.len()
            ))),
        }
    }

    /// The first image whose entry in the index `fits`.
    pub fn root_where(
        &self,
        fits: impl Fn(&Descriptor) -> bool,
    ) -> Result<Option<Descriptor>, RegistryError> {
        Ok(self.index()?.manifests.into_iter().find(fits))
    }

    /// The digests of everything in the index.
    pub fn listed(&self) -> Result<Vec<Digest>, RegistryError> {
        Ok(self.index()?.manifests.iter().map(|one| one.digest).collect())
    }

    /// Names `descriptor` in the index, in place of what had the name.
    pub fn name(&self, descriptor: &Descriptor, tag: Option<&str>) -> Result<(), RegistryError> {
        let mut index = match self.directory.join("index.json").exists() {
            true => self.index()?,
            false => serde_json::from_value(serde_json::json!({
                "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [],
            }))
            .expect("an index"),
        };
        let mut entry = descriptor.clone();
        if let Some(tag) = tag {
            entry.annotations.insert(NAME.into(), tag.into());
        }
        let replaced = |one: &Descriptor| match tag {
            Some(tag) => one.annotations.get(NAME).is_some_and(|name| name == tag),
            None => one.digest == entry.digest,
        };
        index.manifests.retain(|one| !replaced(one));
        index.manifests.push(entry);
        self.replace("index.json", &serde_json::to_vec(&index).unwrap_or_default())
    }

    fn index(&self) -> Result<Index, RegistryError> {
        let path = self.directory.join("index.json");
        let mut bytes = Vec::new();
        open_regular(&path)
            .and_then(|file| file.take(SMALL).read_to_end(&mut bytes))
            .map_err(|error| RegistryError::of_input(format!("{}: {error}", path.display())))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| RegistryError::of_input(format!("{}: not an index: {error}", path.display())))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.directory.join("blobs/sha256").join(digest.hex())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let temporary = self.directory.join(format!(
            ".{}.praxis-{}",
            name.replace('/', "-"),
            std::process::id()
        ));
        fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, self.directory.join(name)))
            .map_err(|error| {
                let _ = fs::remove_file(&temporary);
                self.wrong("write", &error)
            })
    }

    fn wrong(&self, action: &str, error: &io::Error) -> RegistryError {
        RegistryError::of_machine(format!("cannot {action} {}: {error}", self.directory.display()))
    }
}

impl ContentSource for Layout {
    fn document(&self, descriptor: &Descriptor) -> Result<FetchedManifest, RegistryError> {
        let mut bytes = Vec::new();
        let path = self.path(&descriptor.digest);
        open_regular(&path)
            .and_then(|file| file.take(SMALL + 1).read_to_end(&mut bytes))
            .map_err(|error| RegistryError::of_input(format!("{}: {error}", path.display())))?;
        FetchedManifest::verified(descriptor, bytes)
    }

    fn blob(&self, descriptor: &Descriptor, out: &mut dyn Write) -> Result<(), RegistryError> {
        self.read_through(descriptor, out).map(drop)
    }

    fn at_hand(&self, descriptor: &Descriptor) -> Option<Box<dyn BlobSource + '_>> {
        Some(Box::new(Checked {
            layout: self,
            descriptor: descriptor.clone(),
            file: OnceLock::new(),
        }))
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let mut found = Vec::new();
        for descriptor in self.index()?.manifests {
            let document = self.document(&descriptor)?;
            if document
                .document
                .subject()
                .is_some_and(|it| it.digest == *subject)
            {
                found.push(descriptor);
            }
        }
        Ok(found)
    }
}

impl Layout {
    /// Writes a blob to `out` and compares it with its descriptor; gives the open file, which was read.
    fn read_through(&self, descriptor: &Descriptor, out: &mut dyn Write) -> Result<File, RegistryError> {
        let path = self.path(&descriptor.digest);
        let wrong = |why: String| RegistryError::of_input(format!("{}: {why}", path.display()));
        let file = open_regular(&path).map_err(|error| wrong(error.to_string()))?;
        let mut reader = HashingReader::new((&file).take(descriptor.size + 1));
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = reader
                .read(&mut buffer)
                .map_err(|error| wrong(error.to_string()))?;
            if count == 0 {
                break;
            }
            out.write_all(&buffer[..count])
                .map_err(|error| RegistryError::of_machine(error.to_string()))?;
        }
        match reader.finish() {
            (digest, size) if (digest, size) == (descriptor.digest, descriptor.size) => Ok(file),
            _ => Err(wrong("the content is not what its name says".into())),
        }
    }
}

/// A blob that is hashed when somebody first reads it, and then read from the same open file.
struct Checked<'l> {
    layout: &'l Layout,
    descriptor: Descriptor,
    file: OnceLock<File>,
}

impl BlobSource for Checked<'_> {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        if self.file.get().is_none() {
            let read = self.layout.read_through(&self.descriptor, &mut io::sink());
            let _ = self.file.set(read.map_err(io::Error::other)?);
        }
        let file = self.file.get().ok_or_else(|| io::Error::other("no file"))?;
        Ok(Box::new(Onward { file, offset }))
    }
}

/// A file from a place on.
struct Onward<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for Onward<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl ContentTarget for Layout {
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        // One that is damaged is written again.
        Ok(self.path(&descriptor.digest).exists() && self.blob(descriptor, &mut io::sink()).is_ok())
    }

    fn take_blob(&self, descriptor: &Descriptor, source: &dyn ContentSource) -> Result<bool, RegistryError> {
        let temporary = self.directory.join(format!(
            ".{}.praxis-{}",
            descriptor.digest.hex(),
            std::process::id()
        ));
        let open = || File::create(&temporary).map_err(|error| self.wrong("write", &error));
        let taken = fetch_whole(source, descriptor, open).and_then(|_| {
            fs::rename(&temporary, self.path(&descriptor.digest)).map_err(|error| self.wrong("write", &error))
        });
        taken
            .map(|()| true)
            .inspect_err(|_| _ = fs::remove_file(&temporary))
    }

    fn take_document(&self, document: &FetchedManifest) -> Result<(), RegistryError> {
        self.replace(
            &format!("blobs/sha256/{}", document.descriptor.digest.hex()),
            &document.bytes,
        )?;
        match document.document.subject() {
            // A layout lists referrers in its index.
            Some(_) => self.name(&document.descriptor, None),
            None => Ok(()),
        }
    }
}

/// Opens a regular file; anything else, also a link to one, is refused and never waited for.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    Ok(file)
}
