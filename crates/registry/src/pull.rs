//! Manifests and blobs from a registry or its mirrors.

use std::io::{Read, Write};

use praxis_oci::{Descriptor, Digest, Hasher, Reference};

use crate::address::encoded;
use crate::client::Route;
use crate::document::{LARGEST, parse_document};
use crate::error::shown;
use crate::transport::{Answer, Ask};
use crate::{Document, ErrorKind, IMAGE_TYPES, RegistryError, Repository};

/// As much progress makes the tries that failed before it forgotten.
const PROGRESS: u64 = 64 << 10;

/// A manifest or index, verified.
#[derive(Clone, Debug)]
pub struct FetchedManifest {
    /// What it is.
    pub descriptor: Descriptor,
    /// Its bytes, as the digest names them.
    pub bytes: Vec<u8>,
    /// Its meaning.
    pub document: Document,
}

impl Repository<'_> {
    /// The manifest or index that `reference` names: its digest decides, else its tag, else `latest`.
    ///
    /// # Errors
    /// Also if what comes is not what the digest names, or is ambiguous.
    pub fn manifest(&self, reference: &Reference) -> Result<FetchedManifest, RegistryError> {
        match reference.digest() {
            Some(digest) => self.manifest_at(&digest.to_string(), Some(digest)),
            None => self.manifest_at(reference.tag().unwrap_or("latest"), None),
        }
    }

    /// The manifest or index of a descriptor; its size and type have to be right too.
    pub fn manifest_of(&self, descriptor: &Descriptor) -> Result<FetchedManifest, RegistryError> {
        let wrong = |why: String| RegistryError::lie(format!("{}@{}: {why}", self.name, descriptor.digest));
        if descriptor.size > LARGEST {
            return Err(wrong(format!(
                "{} bytes are too many for a manifest (at most {LARGEST})",
                descriptor.size
            )));
        }
        let fetched = self.manifest_at(&descriptor.digest.to_string(), Some(&descriptor.digest))?;
        let real = &fetched.descriptor;
        if real.size != descriptor.size {
            return Err(wrong(format!(
                "it is {} bytes long, its descriptor says {}",
                real.size, descriptor.size
            )));
        }
        if real.media_type != descriptor.media_type {
            let said = shown(&descriptor.media_type, 100);
            return Err(wrong(format!(
                "it is {}, its descriptor says {said}",
                real.media_type
            )));
        }
        Ok(fetched)
    }

    pub(crate) fn manifest_at(
        &self,
        name: &str,
        wanted: Option<&Digest>,
    ) -> Result<FetchedManifest, RegistryError> {
        self.on_each_route(|route| self.manifest_from(route, name, wanted))
    }

    /// Asks mirrors in order, the origin last. What a mirror does not have or give, the next may.
    fn on_each_route<T>(&self, ask: impl Fn(&Route) -> Result<T, RegistryError>) -> Result<T, RegistryError> {
        let (origin, mirrors) = self.pull.split_last().expect("the origin is always there");
        for mirror in mirrors {
            match ask(mirror) {
                Err(error) if error.kind != ErrorKind::Cancelled => self.note(mirror, &error),
                other => return other,
            }
        }
        ask(origin)
    }

    /// A mirror need not have everything; whatever else is wrong with it is worth a warning.
    fn note(&self, mirror: &Route, error: &RegistryError) {
        if error.kind != ErrorKind::Missing {
            self.client.passed_over(mirror, error);
        }
    }

    fn manifest_from(
        &self,
        route: &Route,
        name: &str,
        wanted: Option<&Digest>,
    ) -> Result<FetchedManifest, RegistryError> {
        let what = match wanted {
            Some(digest) => format!("{}@{digest}", route.shown()),
            None => format!("{}:{name}", route.shown()),
        };
        let scopes = self.pull_scope(route);
        let mut ask = Ask::get(
            route.address(&format!("manifests/{}", reference_part(name))),
            &scopes,
            what.clone(),
        );
        ask.headers.push(("accept", IMAGE_TYPES.join(", ")));
        let mut answer = self.client.send(route, &ask)?.success(self.client)?;
        let bytes = answer.small(LARGEST, &what)?;
        let digest = Digest::of(&bytes);
        if let Some(wanted) = wanted.filter(|wanted| **wanted != digest) {
            return Err(RegistryError::lie(format!(
                "{what}: the registry gave a manifest with another digest, {digest}, than {wanted}"
            )));
        }
        // One with a digest of another algorithm says nothing here.
        if let Some(said) = answer
            .header("docker-content-digest")
            .filter(|said| !said.starts_with("sha512:"))
        {
            let said: Digest = said
                .parse()
                .map_err(|error| RegistryError::lie(format!("{what}: {error}")))?;
            if said != digest {
                return Err(RegistryError::lie(format!(
                    "{what}: the registry said {said} and gave {digest}"
                )));
            }
        }
        let media_type = content_type(&answer);
        let document = parse_document(&bytes, &media_type).map_err(|error| RegistryError {
            message: format!("{what}: {error}"),
            ..error
        })?;
        let descriptor = Descriptor::new(&media_type, digest, bytes.len() as u64);
        Ok(FetchedManifest {
            descriptor,
            bytes,
            document,
        })
    }

    /// What `reference` stands for, without its bytes where the registry tells. Asked of the origin, never of a mirror,
    /// and never from memory: it is the proof that this account may read this repository.
    pub fn resolve(&self, reference: &Reference) -> Result<Digest, RegistryError> {
        let name = match reference.digest() {
            Some(digest) => digest.to_string(),
            None => reference.tag().unwrap_or("latest").to_string(),
        };
        let what = format!("{}:{}", self.name, shown(&name, 150));
        let scopes = self.pull_scope(&self.origin);
        let mut ask = Ask::get(
            self.origin
                .address(&format!("manifests/{}", reference_part(&name))),
            &scopes,
            what.clone(),
        );
        ask.method = "HEAD";
        ask.headers.push(("accept", IMAGE_TYPES.join(", ")));
        let answer = self.client.send(&self.origin, &ask)?.success(self.client)?;
        let Some(said) = answer.header("docker-content-digest") else {
            return Ok(self
                .manifest_from(&self.origin, &name, reference.digest())?
                .descriptor
                .digest);
        };
        let said: Digest = said
            .parse()
            .map_err(|error| RegistryError::lie(format!("{what}: {error}")))?;
        match reference.digest() {
            Some(wanted) if *wanted != said => Err(RegistryError::lie(format!(
                "{what}: the registry answers with another digest, {said}"
            ))),
            _ => Ok(said),
        }
    }

    /// Whether the blob is in this repository.
    pub fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        self.blob_there(descriptor, &self.pull_scope(&self.origin))
    }

    pub(crate) fn blob_there(
        &self,
        descriptor: &Descriptor,
        scopes: &[String],
    ) -> Result<bool, RegistryError> {
        let what = format!("{}@{}", self.name, descriptor.digest);
        let mut ask = Ask::get(
            self.origin.address(&format!("blobs/{}", descriptor.digest)),
            scopes,
            what.clone(),
        );
        ask.method = "HEAD";
        let answer = self.client.send(&self.origin, &ask)?;
        if answer.status == 404 {
            return Ok(false);
        }
        let answer = answer.success(self.client)?;
        match answer.length() {
            Some(length) if length != descriptor.size => Err(RegistryError::lie(format!(
                "{what}: the registry has it with {length} bytes, it is {} bytes long",
                descriptor.size
            ))),
            _ => Ok(true),
        }
    }

    /// Writes a blob to `out` and verifies it. Cut connections are resumed where they ended.
    ///
    /// # Errors
    /// If what was written is not the blob: whoever called must not use it then. [`fetch_whole`](crate::fetch_whole)
    /// begins again where another source may have it.
    pub fn fetch_blob(&self, descriptor: &Descriptor, out: &mut dyn Write) -> Result<(), RegistryError> {
        let mut taken = Taken {
            hasher: Hasher::new(),
            out,
        };
        let (origin, mirrors) = self.pull.split_last().expect("the origin is always there");
        let mut partly = None;
        for mirror in mirrors {
            if self.client.lied(mirror, &descriptor.digest) {
                continue;
            }
            let before = taken.hasher.length();
            match self.fetch_from(mirror, descriptor, &mut taken) {
                Ok(()) => return self.verify(partly.unwrap_or(mirror), descriptor, taken, true),
                Err(error) if matches!(error.kind, ErrorKind::Cancelled | ErrorKind::Machine) => {
                    return Err(error);
                }
                Err(error) => self.note(mirror, &error),
            }
            if partly.is_none() && taken.hasher.length() > before {
                partly = Some(mirror);
            }
        }
        self.fetch_from(origin, descriptor, &mut taken)
            .map_err(|error| foreign(descriptor, error))?;
        self.verify(partly.unwrap_or(origin), descriptor, taken, partly.is_some())
    }

    /// Checks what was taken, of which the first bytes came from `route`. A mirror that gave wrong ones is not asked for
    /// this blob again.
    fn verify(
        &self,
        route: &Route,
        descriptor: &Descriptor,
        taken: Taken,
        is_mirror: bool,
    ) -> Result<(), RegistryError> {
        let digest = taken.hasher.finish();
        if digest == descriptor.digest {
            return Ok(());
        }
        let wanted = &descriptor.digest;
        let mut error = RegistryError::lie(format!(
            "{}@{wanted}: the content has another digest, {digest}",
            route.shown()
        ));
        if is_mirror {
            self.client.note_lie(route, wanted);
            self.client.passed_over(route, &error);
            error.another_source = true;
        }
        Err(error)
    }

    fn fetch_from(
        &self,
        route: &Route,
        descriptor: &Descriptor,
        taken: &mut Taken,
    ) -> Result<(), RegistryError> {
        let mut failures = 0;
        loop {
            let before = taken.hasher.length();
            let error = match self.fetch_part(route, descriptor, taken) {
                Ok(()) => return Ok(()),
                Err(error) if error.transient => error,
                Err(error) => return Err(error),
            };
            failures = if taken.hasher.length() - before >= PROGRESS {
                1
            } else {
                failures + 1
            };
            if failures > self.client.settings.retries {
                return Err(error);
            }
            self.client.wait(self.client.backoff(failures))?;
        }
    }

    /// One request for what is still missing.
    fn fetch_part(
        &self,
        route: &Route,
        descriptor: &Descriptor,
        taken: &mut Taken,
    ) -> Result<(), RegistryError> {
        let (start, size) = (taken.hasher.length(), descriptor.size);
        let what = format!("{}@{}", route.shown(), descriptor.digest);
        let scopes = self.pull_scope(route);
        let mut ask = Ask::get(
            route.address(&format!("blobs/{}", descriptor.digest)),
            &scopes,
            what.clone(),
        );
        if start > 0 {
            if start == size {
                return Ok(());
            }
            ask.headers.push(("range", format!("bytes={start}-{}", size - 1)));
        }
        let mut answer = self.client.send(route, &ask)?.success(self.client)?;
        let begins =
            begin_of(&answer, start, size).map_err(|why| RegistryError::lie(format!("{what}: {why}")))?;
        let mut skip = start - begins;
        let mut reader = answer.body.as_reader();
        let mut buffer = vec![0; 256 << 10];
        loop {
            self.client.stopped()?;
            let cut = |error: std::io::Error| {
                RegistryError::unreachable(format!("{what}: the connection broke: {error}"))
            };
            let count = reader.read(&mut buffer).map_err(cut)?;
            let have = taken.hasher.length();
            if count == 0 {
                if have == size {
                    return Ok(());
                }
                let why = format!("{what}: the registry sent {have} bytes of {size}");
                return Err(RegistryError::unreachable(why));
            }
            let passed = usize::try_from(skip).map_or(count, |skip| skip.min(count));
            skip -= passed as u64;
            let fresh = &buffer[passed..count];
            if have + fresh.len() as u64 > size {
                return Err(RegistryError::lie(format!(
                    "{what}: the registry sends more than the {size} bytes of its descriptor"
                )));
            }
            taken.hasher.update(fresh);
            taken
                .out
                .write_all(fresh)
                .map_err(|error| RegistryError::machine("write a blob", &error))?;
        }
    }
}

/// What was written so far.
struct Taken<'o> {
    hasher: Hasher,
    out: &'o mut dyn Write,
}

/// Where the bytes of an answer begin in the blob.
fn begin_of(answer: &Answer, start: u64, size: u64) -> Result<u64, String> {
    if answer
        .header("content-encoding")
        .is_some_and(|coding| coding != "identity")
    {
        return Err("the registry encodes what it sends, though it was asked not to".into());
    }
    if answer.status == 206 {
        let range = answer.header("content-range").unwrap_or_default();
        let expected = format!("bytes {start}-{}/{size}", size - 1);
        let unknown = format!("bytes {start}-{}/*", size - 1);
        if start == 0 || (range != expected && range != unknown) {
            return Err(format!(
                "the registry sends another part than was asked for: {:?}, not {expected:?}",
                shown(range, 80)
            ));
        }
        return Ok(start);
    }
    match answer.length() {
        Some(length) if length != size => Err(format!(
            "the registry has it with {length} bytes, its descriptor says {size}"
        )),
        _ => Ok(0),
    }
}

/// A layer that the registry is not meant to have says so.
fn foreign(descriptor: &Descriptor, error: RegistryError) -> RegistryError {
    let elsewhere = descriptor.other.contains_key("urls");
    if error.kind != ErrorKind::Missing || !elsewhere {
        return error;
    }
    let message = format!(
        "{}: a foreign layer: the registry does not have it, and the addresses that the image names are not asked",
        descriptor.digest
    );
    RegistryError::new(ErrorKind::Forbidden, message)
        .with_hint("copy the image to a registry that holds its layers")
}

/// Tags and digests are plain already; this keeps it so.
pub(crate) fn reference_part(name: &str) -> String {
    encoded(name).replace("%3A", ":")
}

/// The media type without parameters.
pub(crate) fn content_type(answer: &Answer) -> String {
    let text = answer.header("content-type").unwrap_or_default();
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}
