//! An image built again from what was noted of it, in an empty store (decision 13).

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_image::{FieldChange, OpenedImage, open};
use praxis_oci::{Descriptor, Digest, Platform, Reference, media_type};
use praxis_solve::Events;
use praxis_store::{Store, StoredImage};
use serde::Serialize;
use serde_json::Value;

use crate::inspect::{difference, identity};
use crate::origin::{Origin, layer_sources};
use crate::unlike::{FirstDifference, first_difference, image_fields};
use crate::{
    Annotation, BuildRequest, BuildResponse, CacheTo, Compression, ContextSource, Engine, EngineError,
    InputStream, LayerPair, Output, RegistryAccess, SecretSource, Settings, Site,
};

/// What `praxis reproduce` asks for. What is not given is taken from what was noted when the image was built.
#[derive(Clone, Debug, Default)]
pub struct ReproduceRequest {
    /// The image.
    pub image: String,
    /// Its platform, of an index.
    pub platform: Option<Platform>,
    /// The context.
    pub context: Option<ContextSource>,
    /// The Dockerfile.
    pub dockerfile: Option<PathBuf>,
    /// The stage.
    pub target: Option<String>,
    /// Build arguments, over those that were noted.
    pub build_args: BTreeMap<String, String>,
    /// Named contexts, over those that were noted.
    pub build_contexts: BTreeMap<String, String>,
    /// Secrets: their content is never noted.
    pub secrets: BTreeMap<String, SecretSource>,
    /// ssh agents.
    pub ssh: BTreeMap<String, PathBuf>,
    /// Private keys for ssh.
    pub ssh_keys: BTreeMap<String, Vec<SecretSource>>,
    /// SOURCE_DATE_EPOCH.
    pub source_date_epoch: Option<i64>,
    /// Steps at once.
    pub jobs: usize,
    /// What this machine lends to RUN steps.
    pub site: Site,
    /// Where bases come from that the store has no more.
    pub registries: RegistryAccess,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Reproduction {
    /// Whether the rebuild is the image, bit by bit.
    pub identical: bool,
    /// Digest of the image; of its configuration where it has no manifest.
    pub image: Digest,
    /// The same of the rebuild.
    pub rebuilt: Digest,
    /// Inputs that are not what they were, the first of each kind.
    pub changed_inputs: Vec<String>,
    /// The lowest layer that differs, and its first file.
    pub first: Option<FirstDifference>,
    /// Fields of configuration and manifest that differ.
    pub fields: Vec<FieldChange>,
    /// The layers of both side by side.
    pub layers: Vec<LayerPair>,
    /// The rebuild.
    #[serde(skip)]
    pub response: BuildResponse,
}

impl Engine {
    /// Builds an image again and compares.
    ///
    /// # Errors
    /// If too little is known of the image, or the rebuild fails.
    pub fn reproduce(
        &self,
        request: &ReproduceRequest,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<Reproduction, EngineError> {
        let store = self.store()?;
        let image = self.image(&request.image, request.platform.as_ref(), &store)?;
        let origin: Option<Origin> = image.digest.and_then(|digest| store.origin(&digest));
        if origin.is_none() && request.context.is_none() {
            let message = format!(
                "{}: it is not known what this image was built from",
                request.image
            );
            return Err(EngineError::user(message).with_hint(
                "this store has built no such image, or gc removed it: give --context, and --file and --build-arg as for the build",
            ));
        }
        let scratch = store.scratch()?;
        let again = Rebuild {
            request,
            origin: origin.as_ref(),
            image: &image,
            place: scratch.path(),
        };
        let engine = Engine::open(Settings {
            root: scratch.path().join("store"),
            owns_ids: self.settings.owns_ids,
            books: crate::own_books(scratch.path()),
        })?;
        let fresh = engine.store()?;
        again.lend_bases(&store, &fresh)?;
        let build = again.build_request()?;
        let response = engine
            .build(&build, events, cancel)
            .map_err(|error| again.explained(error))?;
        let digest = response
            .digest
            .ok_or_else(|| EngineError::user("the rebuild made no image"))?;
        let rebuilt = open(&digest.to_string(), Some(&image.config.platform()), &fresh)?;
        let changed_inputs = again.changed_inputs(fresh.origin(&digest).as_ref());
        judge(&store, &image, &rebuilt, changed_inputs, response)
    }
}

fn judge(
    store: &Store,
    image: &OpenedImage,
    rebuilt: &OpenedImage,
    changed_inputs: Vec<String>,
    response: BuildResponse,
) -> Result<Reproduction, EngineError> {
    let compared = difference(image, rebuilt)?;
    let by_configuration = image.digest.is_none();
    let of = |one: &OpenedImage| {
        if by_configuration {
            one.config_digest
        } else {
            identity(one)
        }
    };
    let sources = image.digest.and_then(|digest| layer_sources(store, &digest));
    Ok(Reproduction {
        identical: compared.identical,
        image: of(image),
        rebuilt: of(rebuilt),
        changed_inputs,
        first: if compared.identical {
            None
        } else {
            first_difference(image, rebuilt, &sources.unwrap_or_default())?
        },
        fields: if compared.identical {
            Vec::new()
        } else {
            image_fields(image, rebuilt)
        },
        layers: compared.layers,
        response,
    })
}

/// One rebuild.
struct Rebuild<'a> {
    request: &'a ReproduceRequest,
    origin: Option<&'a Origin>,
    image: &'a OpenedImage,
    place: &'a Path,
}

impl Rebuild<'_> {
    /// Gives the empty store the bases: those that were noted by their digests, and, where the caller changes what is
    /// built, every named image.
    fn lend_bases(&self, store: &Arc<Store>, fresh: &Store) -> Result<(), EngineError> {
        for base in self.origin.iter().flat_map(|origin| &origin.bases) {
            let name = match base.reference.parse::<Reference>() {
                Ok(reference) if reference.digest().is_none() => reference.with_default_tag().to_string(),
                _ => base.reference.clone(),
            };
            // What is not in the store comes from a named context, or the build says that it is missing.
            if let Some(descriptor) = lend(store, fresh, &base.manifest, 0) {
                fresh.put_image(&StoredImage { name, descriptor })?;
            }
        }
        let as_noted =
            self.origin.is_some() && self.request.dockerfile.is_none() && self.request.context.is_none();
        for image in store.images() {
            if !as_noted
                && fresh.image(&image.name).is_none()
                && let Some(descriptor) = lend(store, fresh, &image.descriptor.digest, 0)
            {
                let name = image.name;
                fresh.put_image(&StoredImage { name, descriptor })?;
            }
        }
        Ok(())
    }

    fn build_request(&self) -> Result<BuildRequest, EngineError> {
        let (request, origin) = (self.request, self.origin);
        let context = self.context()?;
        let mut build = BuildRequest {
            target: request.target.clone(),
            platforms: vec![self.image.config.platform()],
            secrets: request.secrets.clone(),
            ssh: request.ssh.clone(),
            ssh_keys: request.ssh_keys.clone(),
            source_date_epoch: request.source_date_epoch,
            no_cache: true,
            jobs: request.jobs,
            site: request.site.clone(),
            registries: request.registries.clone(),
            dockerfile: request.dockerfile.clone(),
            ..BuildRequest::default()
        };
        let mut output = Output {
            destination: Some(self.place.join("image.tar")),
            tar: true,
            ..Output::default()
        };
        if let Some(origin) = origin {
            self.refuse_missing_secrets(origin)?;
            self.refuse_missing_targets(origin)?;
            build.target = build.target.or_else(|| origin.target.clone());
            build.build_args.clone_from(&origin.build_args);
            build.build_contexts.clone_from(&origin.build_contexts);
            build.labels.clone_from(&origin.labels);
            let annotations = origin.annotations.iter();
            build.annotations = annotations
                .map(|(key, value)| Annotation::of_manifest(key, value))
                .collect();
            build.network.clone_from(&origin.network);
            build.allow_host_network = origin.allow_host_network;
            build.shared_memory = origin.shared_memory;
            build.resource_limits.clone_from(&origin.resource_limits);
            build.add_hosts.clone_from(&origin.add_hosts);
            match (origin.epoch_given, build.source_date_epoch) {
                (true, None) => build.source_date_epoch = Some(origin.epoch),
                _ => build.context_epoch = Some(origin.epoch),
            }
            output.compression = origin.compression;
            output.compression_level = origin.compression_level;
            output.force_compression = origin.force_compression;
            build.cache_to.extend(origin.inline_cache.then(CacheTo::inline));
            output.docker_media_types = origin.docker_media_types;
            if build.dockerfile.is_none() {
                self.noted_dockerfile(origin, &context, &mut build)?;
            }
        } else if let Some(layer) = self
            .image
            .layers
            .last()
            .and_then(|layer| layer.descriptor.as_ref())
        {
            output.compression = compression_of(&layer.media_type);
        }
        if let Some(archive) = self.archive() {
            let wrong =
                |error: std::io::Error| EngineError::environment(format!("{}: {error}", archive.display()));
            let mut file = fs::File::open(archive).map_err(wrong)?;
            // The beginning tells an archive from a Dockerfile.
            let mut head = Vec::new();
            file.by_ref()
                .take(1 << 20)
                .read_to_end(&mut head)
                .map_err(wrong)?;
            (build.stdin, build.stdin_rest) = (Some(head), Some(InputStream::new(file)));
        }
        build.context = context;
        build.build_args.extend(request.build_args.clone());
        build.build_contexts.extend(request.build_contexts.clone());
        // The store's own image is gzip: anything else is made for an output.
        let plain = Output {
            destination: output.destination.clone(),
            tar: true,
            ..Output::default()
        };
        if output != plain {
            build.outputs.push(output);
        }
        Ok(build)
    }

    fn context(&self) -> Result<ContextSource, EngineError> {
        if self.archive().is_some() {
            return Ok(ContextSource::Stdin);
        }
        if let Some(context) = &self.request.context {
            return Ok(context.clone());
        }
        let noted = &self
            .origin
            .expect("an image without origin has a context given")
            .context;
        let missing =
            |what: String| Err(EngineError::user(what).with_hint("say where its files are with --context"));
        match noted.kind.as_str() {
            "directory" if Path::new(&noted.place).is_dir() => {
                Ok(ContextSource::Directory((&noted.place).into()))
            }
            "directory" => missing(format!("the build context {} is not there any more", noted.place)),
            "remote" => Ok(ContextSource::Remote(at_commit(
                &noted.place,
                noted.commit.as_deref(),
            ))),
            "dockerfile" => Ok(ContextSource::Stdin),
            "sent" => missing("the build context was sent by a client, who has it".into()),
            _ => Err(EngineError::user(
                "the build context was an archive on standard input, which is not kept",
            )
            .with_hint("give the archive again: --context FILE")),
        }
    }

    /// The file that stands for the archive that standard input was.
    fn archive(&self) -> Option<&Path> {
        match &self.request.context {
            Some(ContextSource::Directory(path)) if path.is_file() => Some(path),
            _ => None,
        }
    }

    /// The Dockerfile as it was, under its name, with the ignore file that lies beside the one of today.
    fn noted_dockerfile(
        &self,
        origin: &Origin,
        context: &ContextSource,
        build: &mut BuildRequest,
    ) -> Result<(), EngineError> {
        let noted = &origin.dockerfile;
        if self.archive().is_some() {
            // It holds the Dockerfile too.
            build.dockerfile = noted.path.as_deref().map(PathBuf::from);
            return Ok(());
        }
        if Digest::of(noted.text.as_bytes()) != noted.digest {
            return Err(EngineError::user(
                "the Dockerfile holds a password in an address, so it is on record without it",
            )
            .with_hint("give the Dockerfile with --file"));
        }
        if !matches!(context, ContextSource::Directory(_)) || noted.path.is_none() {
            let is_alone = *context == ContextSource::Stdin;
            build.dockerfile = (!is_alone).then(|| "-".into());
            build.stdin = Some(noted.text.clone().into_bytes());
            return Ok(());
        }
        let directory = self.place.join("dockerfile");
        let name = Path::new(&noted.name)
            .file_name()
            .unwrap_or("Dockerfile".as_ref());
        let path = directory.join(name);
        let ignore = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".dockerignore");
            PathBuf::from(name)
        };
        let wrong = |error: std::io::Error| EngineError::environment(format!("{}: {error}", path.display()));
        fs::create_dir(&directory).map_err(wrong)?;
        fs::write(&path, &noted.text).map_err(wrong)?;
        if let Some(own) = noted.path.as_deref().map(|path| ignore(Path::new(path)))
            && own.is_file()
        {
            fs::copy(&own, ignore(&path)).map_err(wrong)?;
        }
        build.dockerfile = Some(path);
        Ok(())
    }

    fn refuse_missing_secrets(&self, origin: &Origin) -> Result<(), EngineError> {
        let secret = origin
            .secrets
            .iter()
            .find(|name| !self.request.secrets.contains_key(*name));
        let agent = origin
            .ssh
            .iter()
            .find(|name| !self.request.ssh.contains_key(*name) && !self.request.ssh_keys.contains_key(*name));
        let argument = origin
            .withheld_args
            .iter()
            .find(|name| !self.request.build_args.contains_key(*name));
        let (what, option, name) = match (secret, agent, argument) {
            (Some(name), ..) => ("secret", "--secret id=", name),
            (None, Some(name), _) => ("ssh agent", "--ssh ", name),
            (None, None, Some(name)) => ("build argument", "--build-arg ", name),
            (None, None, None) => return Ok(()),
        };
        let message = format!("the image was built with the {what} {name}, of which only the name is noted");
        Err(EngineError::user(message).with_hint(format!("give it again: {option}{name}…")))
    }

    /// Another target of a bake file is not built again with this one: its image has to be given.
    fn refuse_missing_targets(&self, origin: &Origin) -> Result<(), EngineError> {
        let mut contexts = origin.build_contexts.iter();
        let missing = contexts.find_map(|(name, value)| {
            let given = self.request.build_contexts.contains_key(name);
            Some((name, value.strip_prefix("target:")?)).filter(|_| !given)
        });
        let Some((name, target)) = missing else {
            return Ok(());
        };
        let message = format!("the image uses the bake target {target}, which is not built again with it");
        let hint = format!("give that target's image: --build-context {name}=oci-layout://DIRECTORY");
        Err(EngineError::user(message).with_hint(hint))
    }

    /// A failure of the rebuild, with what has changed since.
    fn explained(&self, mut error: EngineError) -> EngineError {
        let changed = self.changed_inputs(None);
        if let Some(first) = changed.first() {
            error.hint = Some(match error.hint {
                Some(hint) => format!("{hint}; since the image was built, {first}"),
                None => format!("since the image was built, {first}"),
            });
        }
        error
    }

    /// Inputs that are not what they were: of the Dockerfile, the context and the bases the first each.
    fn changed_inputs(&self, rebuilt: Option<&Origin>) -> Vec<String> {
        let Some(origin) = self.origin else {
            return Vec::new();
        };
        let mut changed = Vec::new();
        let dockerfile = &origin.dockerfile;
        if self.request.dockerfile.is_none()
            && origin.context.kind == "directory"
            && let Some(path) = &dockerfile.path
            && let Ok(text) = fs::read(path)
            && Digest::of(&text) != dockerfile.digest
        {
            changed.push(format!("{path} has changed (its text of then was built)"));
        }
        let Some(rebuilt) = rebuilt else { return changed };
        if self.archive().is_some() && rebuilt.dockerfile.digest != dockerfile.digest {
            changed.push("the Dockerfile in the archive has changed".into());
        }
        if origin.context.commit != rebuilt.context.commit {
            let shown = |commit: &Option<String>| commit.clone().unwrap_or_else(|| "no commit".into());
            let (then, now) = (shown(&origin.context.commit), shown(&rebuilt.context.commit));
            changed.push(format!("the context was commit {then} and is {now}"));
        }
        changed.extend(changed_file(origin, rebuilt));
        let now: BTreeMap<&String, &Digest> = rebuilt
            .bases
            .iter()
            .map(|base| (&base.reference, &base.manifest))
            .collect();
        let moved = origin
            .bases
            .iter()
            .find(|base| now.get(&base.reference).is_some_and(|now| **now != base.manifest));
        if let Some(base) = moved {
            changed.push(format!(
                "the base {} was {} and is {}",
                base.reference, base.manifest, now[&base.reference]
            ));
        }
        changed
    }
}

/// The first file of the context that is not what it was.
fn changed_file(origin: &Origin, rebuilt: &Origin) -> Option<String> {
    let (then, now) = (&origin.context, &rebuilt.context);
    if then.digest == now.digest || then.digest.is_none() || now.digest.is_none() {
        return None;
    }
    let mut paths: Vec<&String> = then.files.keys().chain(now.files.keys()).collect();
    paths.sort();
    let path = paths
        .into_iter()
        .find(|path| then.files.get(*path) != now.files.get(*path));
    let Some(path) = path else {
        return Some("the files of the context have changed".into());
    };
    Some(match (then.files.get(path), now.files.get(path)) {
        (Some(_), None) => format!("{path} is not in the context any more"),
        (None, Some(_)) => format!("{path} is new in the context"),
        (Some((_, then)), Some((_, now))) if then != now => format!("the content of {path} has changed"),
        _ => format!("the mode of {path} has changed"),
    })
}

/// Takes the manifest or index with `digest` and all it names over into `fresh`.
fn lend(store: &Store, fresh: &Store, digest: &Digest, depth: usize) -> Option<Descriptor> {
    let size = store
        .blob_size(digest)
        .filter(|&size| size <= 4 << 20 && depth < 4)?;
    let value: Value = serde_json::from_slice(&store.read_blob(digest, size).ok()?).ok()?;
    let named = |key: &str| value[key].as_array().cloned().unwrap_or_default();
    let parsed = |value: &Value| value["digest"].as_str()?.parse::<Digest>().ok();
    for blob in named("layers").iter().chain([&value["config"]]) {
        if let Some(digest) = parsed(blob) {
            fresh.take_blob(store, &digest);
        }
    }
    for child in named("manifests").iter().filter_map(parsed) {
        lend(store, fresh, &child, depth + 1);
    }
    fresh.take_blob(store, digest)?;
    let kind = value["mediaType"].as_str().unwrap_or(media_type::MANIFEST);
    Some(Descriptor::new(kind, *digest, size))
}

/// `address` with its reference replaced by `commit`. The form with `?` is left as it is.
fn at_commit(address: &str, commit: Option<&str>) -> String {
    match (commit, address.split_once('#')) {
        (None, _) => address.into(),
        _ if address.contains('?') => address.into(),
        (Some(commit), None) => format!("{address}#{commit}"),
        (Some(commit), Some((place, rest))) => match rest.split_once(':') {
            Some((_, directory)) => format!("{place}#{commit}:{directory}"),
            None => format!("{place}#{commit}"),
        },
    }
}

fn compression_of(kind: &str) -> Compression {
    match kind {
        kind if kind.ends_with("zstd") => Compression::Zstd,
        kind if kind.ends_with("tar") => Compression::Uncompressed,
        _ => Compression::Gzip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_takes_the_place_of_a_reference() {
        for (address, pinned) in [
            ("https://h/x.git", "https://h/x.git#c0"),
            ("https://h/x.git#main", "https://h/x.git#c0"),
            ("https://h/x.git#main:sub", "https://h/x.git#c0:sub"),
            ("https://h/x.git?ref=main", "https://h/x.git?ref=main"),
        ] {
            assert_eq!(at_commit(address, Some("c0")), pinned);
            assert_eq!(at_commit(address, None), address);
        }
    }
}
