//! What refers to an image, brought here.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use praxis_oci::{Descriptor, Digest, Reference};
use praxis_registry::{Client, Document, FetchedManifest, Repository, Settings, fetch_whole};

use super::{FetchedArtifact, FetchedBlob};
use crate::{Engine, EngineError};

/// Annotation of a blob with the name its file had.
const TITLE: &str = "org.opencontainers.image.title";

impl Engine {
    /// Fetches the artifact `artifact` that refers to the image `reference` into the directory `into`: `manifest.json`
    /// and each blob under the hex digits of its digest. Names that the registry gives become no paths.
    ///
    /// # Errors
    /// If it does not refer to the image, is not what its digest says, or `into` holds something. The directory is
    /// complete or not there.
    pub fn fetch_referrer(
        &self,
        reference: &Reference,
        artifact: &Digest,
        into: &Path,
        settings: &Settings,
    ) -> Result<FetchedArtifact, EngineError> {
        let client = Client::new(settings.clone());
        let repository = client.repository(reference)?;
        let fetched = verified(&repository, reference, artifact)?;
        let partial = Partial::beside(into)?;
        let blobs = blobs(&fetched)?;
        for blob in &blobs {
            let path = partial.0.join(blob.digest.hex());
            let open = || {
                let failed = |error: io::Error| {
                    praxis_registry::RegistryError::of_machine(format!(
                        "cannot write {}: {error}",
                        path.display()
                    ))
                };
                File::create(&path).map_err(failed)
            };
            fetch_whole(&repository, blob, open)?;
        }
        let failed =
            |error: io::Error| EngineError::environment(format!("cannot write {}: {error}", into.display()));
        fs::write(partial.0.join("manifest.json"), &fetched.bytes).map_err(failed)?;
        fs::rename(&partial.0, into).map_err(failed)?;
        Ok(FetchedArtifact {
            digest: fetched.descriptor.digest.to_string(),
            blobs: blobs.iter().map(described).collect(),
        })
    }

    /// Writes the only layer of an artifact that refers to the image `reference` to `out`, after all of it was verified.
    ///
    /// # Errors
    /// Also if it has several layers, or none.
    pub fn referrer_content(
        &self,
        reference: &Reference,
        artifact: &Digest,
        out: &mut dyn Write,
        settings: &Settings,
    ) -> Result<(), EngineError> {
        let client = Client::new(settings.clone());
        let repository = client.repository(reference)?;
        let fetched = verified(&repository, reference, artifact)?;
        let layers = match &fetched.document {
            Document::Manifest(manifest) => manifest.layers.as_slice(),
            Document::Index(_) => &[],
        };
        let [layer] = layers else {
            let count = layers.len();
            return Err(
                EngineError::user(format!("{artifact}: it has {count} layers, not one"))
                    .with_hint("--output DIR fetches all of them"),
            );
        };
        let store = self.store()?;
        let scratch = store.scratch()?;
        let path = scratch.path().join("layer");
        let failed = |error: io::Error| EngineError::environment(format!("{}: {error}", path.display()));
        fetch_whole(&repository, layer, || {
            File::create(&path).map_err(|error| praxis_registry::RegistryError::of_machine(error.to_string()))
        })?;
        let mut file = File::open(&path).map_err(failed)?;
        match io::copy(&mut file, out).and_then(|_| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(EngineError::environment(
                format!("the output cannot be written: {error}"),
            )),
            _ => Ok(()),
        }
    }
}

/// The manifest of the artifact, which has to refer to the image.
fn verified(
    repository: &Repository,
    reference: &Reference,
    artifact: &Digest,
) -> Result<FetchedManifest, EngineError> {
    let image = repository.manifest(&reference.clone().with_default_tag())?;
    let name: Reference = format!("{}@{artifact}", reference.name())
        .parse()
        .map_err(|error| EngineError::user(format!("{artifact}: {error}")))?;
    let fetched = repository.manifest(&name)?;
    let refers = fetched.document.subject().map(|subject| subject.digest);
    if refers == Some(image.descriptor.digest) {
        return Ok(fetched);
    }
    let image = image.descriptor.digest;
    let why = match refers {
        None => "it refers to nothing".to_string(),
        Some(other) => format!("it refers to {other}"),
    };
    Err(EngineError::user(format!(
        "{artifact}: {why}, not to {} ({image})",
        reference.familiar()
    ))
    .with_hint("praxis referrers list shows what does"))
}

/// Configuration and layers, each once.
fn blobs(fetched: &FetchedManifest) -> Result<Vec<Descriptor>, EngineError> {
    let Document::Manifest(manifest) = &fetched.document else {
        let digest = fetched.descriptor.digest;
        return Err(EngineError::user(format!(
            "{digest}: an index, which praxis copy --referrers copies"
        )));
    };
    let mut blobs: Vec<Descriptor> = Vec::new();
    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
        if blobs.iter().all(|known| known.digest != blob.digest) {
            blobs.push(blob.clone());
        }
    }
    Ok(blobs)
}

fn described(blob: &Descriptor) -> FetchedBlob {
    FetchedBlob {
        digest: blob.digest.to_string(),
        media_type: blob.media_type.clone(),
        size: blob.size,
        title: blob.annotations.get(TITLE).cloned(),
    }
}

/// A directory that is filled before it has its name.
struct Partial(PathBuf);

impl Partial {
    fn beside(path: &Path) -> Result<Partial, EngineError> {
        let taken = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        let name = path.file_name().filter(|_| !taken).ok_or_else(|| {
            EngineError::user(format!(
                "{}: not a directory that is empty or new",
                path.display()
            ))
        })?;
        let partial = path.with_file_name(format!(
            ".{}.praxis-{}",
            name.to_string_lossy(),
            std::process::id()
        ));
        fs::create_dir(&partial).map_err(|error| {
            EngineError::environment(format!("cannot create {}: {error}", partial.display()))
        })?;
        Ok(Partial(partial))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
