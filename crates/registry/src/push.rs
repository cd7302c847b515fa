//! Blobs and manifests to a registry.

use praxis_oci::{Descriptor, Digest};

use crate::address::Address;
use crate::document::parse_document;
use crate::pull::reference_part;
use crate::repository::is_tag;
use crate::transport::{Answer, Ask, BlobSource, Payload};
use crate::{ErrorKind, RegistryError, Repository};

/// How a blob came to be in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Present,
    /// The registry took it from another repository.
    Mounted,
    /// Its bytes were sent.
    Sent,
}

impl Repository<'_> {
    /// Sees to it that the blob is in the repository. `mount`: a repository of the same registry that may have it.
    ///
    /// # Errors
    /// If the registry does not take it, or cannot be reached.
    pub fn push_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn BlobSource,
        mount: Option<&str>,
    ) -> Result<Pushed, RegistryError> {
        let scopes = self.push_scope();
        if self.blob_there(descriptor, &scopes)? {
            return Ok(Pushed::Present);
        }
        let mut failures = 0;
        let mut upload = Upload {
            repository: self,
            descriptor,
            scopes: &scopes,
            place: None,
            sent: 0,
        };
        if let Some(from) = mount.filter(|from| *from != self.origin.repository) {
            if upload.mount(from)? {
                return Ok(Pushed::Mounted);
            }
        } else {
            upload.begin()?;
        }
        loop {
            let before = upload.sent;
            let error = match upload.send(source) {
                Ok(()) => return Ok(Pushed::Sent),
                Err(error) if error.transient => error,
                Err(error) => return Err(error),
            };
            failures = if upload.sent > before { 1 } else { failures + 1 };
            if failures > self.client.settings.retries {
                return Err(error);
            }
            self.client.wait(self.client.backoff(failures))?;
            if self.blob_there(descriptor, &scopes)? {
                return Ok(Pushed::Sent);
            }
            upload.recover()?;
        }
    }

    /// Puts a manifest or index, under its digest or a tag. What it names must be there already. Tells whether the
    /// registry keeps the list of referrers itself.
    ///
    /// # Errors
    /// Also if the registry says that it got something else.
    pub fn push_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<bool, RegistryError> {
        let name = tag.map_or_else(|| descriptor.digest.to_string(), str::to_string);
        let what = format!(
            "push of {}{}{name}",
            self.name,
            if tag.is_some() { ":" } else { "@" }
        );
        if Digest::of(bytes) != descriptor.digest {
            return Err(RegistryError::input(format!(
                "{what}: the bytes have another digest"
            )));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(RegistryError::input(format!("{what}: it is no tag")));
        }
        let scopes = self.push_scope();
        let mut ask = Ask::get(
            self.origin
                .address(&format!("manifests/{}", reference_part(&name))),
            &scopes,
            what.clone(),
        );
        ask.method = "PUT";
        ask.headers.push(("content-type", descriptor.media_type.clone()));
        ask.payload = Payload::Bytes(bytes);
        let answer = self.client.send(&self.origin, &ask)?.success(self.client)?;
        check_digest(&answer, &descriptor.digest, &what)?;
        let Some(said) = answer.header("oci-subject") else {
            return Ok(false);
        };
        let document = parse_document(bytes, &descriptor.media_type)?;
        let subject = document.subject().map(|subject| subject.digest.to_string());
        if subject.as_deref() != Some(said) {
            return Err(RegistryError::lie(format!(
                "{what}: the registry took it for a referrer of something else"
            )));
        }
        Ok(true)
    }
}

/// An upload under way.
struct Upload<'a> {
    repository: &'a Repository<'a>,
    descriptor: &'a Descriptor,
    scopes: &'a [String],
    place: Option<Address>,
    /// Bytes that the registry has.
    sent: u64,
}

impl Upload<'_> {
    fn what(&self) -> String {
        format!("push of {}@{}", self.repository.name, self.descriptor.digest)
    }

    fn ask<'p>(&self, method: &'static str, address: Address, scopes: &'p [String]) -> Ask<'p> {
        Ask {
            method,
            ..Ask::get(address, scopes, self.what())
        }
    }

    fn answer(&self, ask: &Ask) -> Result<Answer, RegistryError> {
        self.repository.client.send(&self.repository.origin, ask)
    }

    /// Asks the registry to take the blob from `from`; whether it did. If not, an upload has begun.
    fn mount(&mut self, from: &str) -> Result<bool, RegistryError> {
        let mut scopes = self.scopes.to_vec();
        scopes.push(format!("repository:{from}:pull"));
        let address = self
            .repository
            .origin
            .address("blobs/uploads/")
            .with_query("mount", &self.descriptor.digest.to_string())
            .with_query("from", from);
        // Who may not read the other repository pushes without it.
        let answered = self.answer(&self.ask("POST", address, &scopes));
        let answer = match answered {
            Err(error) if error.kind == ErrorKind::Denied => return self.begin().map(|()| false),
            other => other?,
        };
        match answer.status {
            201 => {
                check_digest(&answer, &self.descriptor.digest, &self.what())?;
                Ok(true)
            }
            202 => self.moved(&answer).map(|()| false),
            _ => self.begin().map(|()| false),
        }
    }

    fn begin(&mut self) -> Result<(), RegistryError> {
        let address = self.repository.origin.address("blobs/uploads/");
        let answer = self
            .answer(&self.ask("POST", address, self.scopes))?
            .success(self.repository.client)?;
        self.sent = 0;
        self.moved(&answer)
    }

    /// Takes the place for what comes next from an answer.
    fn moved(&mut self, answer: &Answer) -> Result<(), RegistryError> {
        let what = self.what();
        let location = answer.header("location").ok_or_else(|| {
            RegistryError::lie(format!(
                "{what}: the registry does not say where the blob goes (no Location)"
            ))
        })?;
        let refused =
            |why: String| RegistryError::lie(format!("{what}: the place for the blob was refused: {why}"));
        let place = answer
            .address
            .join(location)
            .map_err(|error| refused(error.to_string()))?;
        let own = &self.repository.origin.endpoint.origin;
        self.repository
            .client
            .check_hop(own, &place.origin)
            .map_err(|why| refused(format!("{}: {why}", place.origin)))?;
        self.place = Some(place);
        Ok(())
    }

    /// Sends what the registry does not have yet, and finishes.
    fn send(&mut self, source: &dyn BlobSource) -> Result<(), RegistryError> {
        let settings = &self.repository.client.settings;
        let size = self.descriptor.size;
        if size <= settings.monolithic && self.sent == 0 && settings.chunk.is_none() {
            return self.finish(Some(source));
        }
        while self.sent < size {
            let length = settings.chunk.unwrap_or(u64::MAX).max(1).min(size - self.sent);
            self.chunk(source, length)?;
        }
        self.finish(None)
    }

    fn chunk(&mut self, source: &dyn BlobSource, length: u64) -> Result<(), RegistryError> {
        let start = self.sent;
        let mut ask = self.ask("PATCH", self.place()?, self.scopes);
        ask.headers
            .push(("content-type", "application/octet-stream".into()));
        if start > 0 || length < self.descriptor.size {
            ask.headers
                .push(("content-range", format!("{start}-{}", start + length - 1)));
        }
        ask.payload = Payload::Part {
            source,
            offset: start,
            length,
        };
        ask.repeat = false;
        let answer = self.uploaded(&ask)?;
        let end = answer.header("range").and_then(end_of_range);
        if let Some(end) = end.filter(|end| *end != start + length) {
            return Err(RegistryError::unreachable(format!(
                "{}: the registry has {end} bytes after {} were sent",
                self.what(),
                start + length
            )));
        }
        self.moved(&answer)?;
        self.sent = start + length;
        Ok(())
    }

    fn finish(&mut self, source: Option<&dyn BlobSource>) -> Result<(), RegistryError> {
        let address = self
            .place()?
            .with_query("digest", &self.descriptor.digest.to_string());
        let mut ask = self.ask("PUT", address, self.scopes);
        if let Some(source) = source {
            ask.headers
                .push(("content-type", "application/octet-stream".into()));
            ask.payload = Payload::Part {
                source,
                offset: 0,
                length: self.descriptor.size,
            };
        }
        ask.repeat = false;
        let answer = self.uploaded(&ask)?;
        check_digest(&answer, &self.descriptor.digest, &self.what())
    }

    /// Sends to the place of the upload: with credentials only if that is the registry itself.
    fn uploaded(&self, ask: &Ask) -> Result<Answer, RegistryError> {
        let client = self.repository.client;
        let own = ask.address.origin == self.repository.origin.endpoint.origin;
        let answer = if own {
            self.answer(ask)?
        } else {
            client.steadily(ask, None)?
        };
        // 404: the upload is gone. What was sent before a cut may have arrived and ended it meanwhile.
        let transient = matches!(answer.status, 404 | 408 | 416 | 429 | 500 | 502 | 503 | 504);
        answer
            .success(client)
            .map_err(|error| RegistryError { transient, ..error })
    }

    fn place(&self) -> Result<Address, RegistryError> {
        self.place
            .clone()
            .ok_or_else(|| RegistryError::lie(format!("{}: the upload has no place", self.what())))
    }

    /// Asks how much the registry has after a failure; if it does not know, begins anew.
    fn recover(&mut self) -> Result<(), RegistryError> {
        let Some(place) = self.place.clone() else {
            return self.begin();
        };
        let own = place.origin == self.repository.origin.endpoint.origin;
        let ask = self.ask("GET", place, self.scopes);
        let answer = if own {
            self.answer(&ask)?
        } else {
            return self.begin();
        };
        let end = answer.header("range").and_then(end_of_range);
        match (answer.status, end) {
            (204, Some(end)) if end < self.descriptor.size => {
                self.moved(&answer)?;
                self.sent = end;
                Ok(())
            }
            _ => self.begin(),
        }
    }
}

/// How many bytes `0-N` are. Registries say `0-0` of nothing as well as of one byte: nothing is assumed then.
fn end_of_range(text: &str) -> Option<u64> {
    let (start, end) = text.trim_start_matches("bytes=").split_once('-')?;
    let end: u64 = end.trim().parse().ok()?;
    (start.trim() == "0").then(|| if end == 0 { 0 } else { end.saturating_add(1) })
}

fn check_digest(answer: &Answer, wanted: &Digest, what: &str) -> Result<(), RegistryError> {
    let Some(said) = answer.header("docker-content-digest") else {
        return Ok(());
    };
    match said.parse::<Digest>() {
        Ok(said) if said == *wanted => Ok(()),
        Ok(said) => Err(RegistryError::lie(format!(
            "{what}: the registry says that it got {said}"
        ))),
        Err(error) => Err(RegistryError::lie(format!("{what}: {error}"))),
    }
}
