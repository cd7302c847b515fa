//! What an image was made from, noted in the store when it is built (decision 13).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use praxis_dockerfile::{Kind, is_sensitive};
use praxis_layer::TreePath;
use praxis_oci::{Digest, Platform};
use praxis_plan::{NetworkMode, Origin as FileOrigin, Plan, Source, Stage, StageBase};
use praxis_solve::{GitAddress, Local, UsedFile};
use praxis_source::{Diagnostic, SourceFile};
use praxis_store::Store;
use serde::{Deserialize, Serialize};

use crate::Output;
use crate::sources::Epoch;
use crate::{BuildRequest, Compression, ContextSource};

/// Bases of bases are followed this far.
const DEPTH: usize = 16;

/// What an image was made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of praxis that built it.
    pub praxis: String,
    /// Where the context was.
    pub context: RecordedContext,
    /// The Dockerfile.
    pub dockerfile: RecordedDockerfile,
    /// `--target`.
    pub target: Option<String>,
    /// The platform it is for.
    pub platform: Platform,
    /// Values of those build arguments that the Dockerfile declares.
    pub build_args: BTreeMap<String, String>,
    /// Names of declared build arguments that were given, of which the value is not noted: it may be a secret.
    pub withheld_args: Vec<String>,
    /// `--build-context`.
    pub build_contexts: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`.
    pub annotations: BTreeMap<String, String>,
    /// `--network`.
    pub network: Option<String>,
    /// `--allow network.host`.
    pub allow_host_network: bool,
    /// `--shm-size`.
    pub shared_memory: Option<u64>,
    /// `--ulimit`.
    pub resource_limits: Vec<(String, u64, u64)>,
    /// `--add-host`.
    pub add_hosts: Vec<String>,
    /// Names of the secrets that were given; never their content.
    pub secrets: Vec<String>,
    /// Names of the ssh agents that were given.
    pub ssh: Vec<String>,
    /// The time of the image, in seconds.
    pub epoch: i64,
    /// Whether the caller gave that time.
    pub epoch_given: bool,
    /// Compression of its layers.
    pub compression: Compression,
    /// Its level, if it is not the usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression_level: Option<u8>,
    /// Whether the layers of its base were compressed anew.
    #[serde(default)]
    pub force_compression: bool,
    /// Whether its configuration has a cache in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inline_cache: bool,
    /// Whether its media types are those of Docker.
    #[serde(default)]
    pub docker_media_types: bool,
    /// Images that it starts or copies from.
    pub bases: Vec<RecordedBase>,
    /// What `ADD` fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downloads: Vec<RecordedDownload>,
    /// How many commands saw which network: `default`, `none`, `host`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub command_networks: BTreeMap<String, usize>,
    /// Names of what could publish and was in reach; `None`: nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishing_credentials: Option<Vec<String>>,
    /// What made each layer, the lowest first.
    pub layers: Vec<RecordedLayer>,
    /// Of an image that adds nothing to a base of Debian packages: what that was made from.
    #[serde(flatten)]
    pub base: Option<crate::BaseOrigin>,
}

/// Where a context was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedContext {
    /// `directory`, `remote`, `sent` by a client, `stdin` for an archive on standard input, or `dockerfile` for a Dockerfile there.
    pub kind: String,
    /// The directory (absolute) or address (without credentials).
    pub place: String,
    /// The commit, of a git repository.
    pub commit: Option<String>,
    /// Digest of the list of files that were used; none for a context of very many files or that is no directory.
    pub digest: Option<Digest>,
    /// The list: mode and content by path.
    pub files: BTreeMap<String, (u32, Digest)>,
}

/// A Dockerfile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedDockerfile {
    /// Its name as messages show it.
    pub name: String,
    /// Where it was: absolute, or inside a context that is no directory; none for standard input.
    pub path: Option<String>,
    /// Digest of its text.
    pub digest: Digest,
    /// Its text.
    pub text: String,
}

/// An image that a build started or copied from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordedBase {
    /// Its name, normalised.
    pub reference: String,
    /// Digest of its manifest.
    pub manifest: Digest,
}

/// Something that `ADD` fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordedDownload {
    /// Where from: without credentials, and without what follows `?` of an archive.
    pub address: String,
    /// `--checksum`, which held: `sha256:…`, or a commit. Without one nobody said what has to come.
    pub checksum: Option<String>,
}

/// What made a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedLayer {
    /// The base that it belongs to, and its index there.
    pub base: Option<(RecordedBase, usize)>,
    /// The stage it was made in.
    pub stage: Option<String>,
    /// Line of the instruction, from 1.
    pub line: Option<usize>,
    /// The instruction as shown.
    pub instruction: Option<String>,
}

/// What a build knows when its image is complete.
pub(crate) struct Built<'a> {
    pub request: &'a BuildRequest,
    pub source: &'a SourceFile,
    pub path: Option<&'a Path>,
    pub commit: Option<&'a str>,
    /// Whether the Dockerfile has no context.
    pub is_alone: bool,
    /// Files of the context directory, if they are few enough to be noted.
    pub used: Option<BTreeMap<TreePath, UsedFile>>,
    pub epoch: Epoch,
    pub plan: &'a Plan,
    pub platform: Platform,
    pub output: &'a Output,
    /// Annotations of the manifest, those that praxis sets by itself among them.
    pub annotations: BTreeMap<String, String>,
}

impl Built<'_> {
    /// The record of the build.
    pub fn origin(&self) -> Origin {
        let request = self.request;
        let declared = declared(self.source);
        let is_declared = |(name, _): &(&String, &String)| declared.contains(name.as_str());
        let given = request.build_args.iter().filter(is_declared);
        let (withheld, arguments): (Vec<_>, Vec<_>) =
            given.partition(|(name, value)| is_sensitive(name) || has_credentials(value));
        Origin {
            praxis: env!("CARGO_PKG_VERSION").into(),
            context: self.context(),
            dockerfile: RecordedDockerfile {
                name: self.source.name().into(),
                path: self.path.and_then(|path| self.dockerfile_place(path)),
                digest: Digest::of(self.source.text().as_bytes()),
                text: praxis_source::masked(self.source.text()),
            },
            target: request.target.clone(),
            platform: self.platform.clone(),
            build_args: arguments
                .into_iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            withheld_args: withheld.into_iter().map(|(name, _)| name.clone()).collect(),
            build_contexts: request
                .build_contexts
                .iter()
                .map(|(name, value)| (name.clone(), named_place(value)))
                .collect(),
            labels: request.labels.clone(),
            annotations: self.annotations.clone(),
            network: request.network.clone(),
            allow_host_network: request.allow_host_network,
            shared_memory: request.shared_memory,
            resource_limits: request.resource_limits.clone(),
            add_hosts: request.add_hosts.clone(),
            secrets: request.secrets.keys().cloned().collect(),
            ssh: request
                .ssh
                .keys()
                .chain(request.ssh_keys.keys())
                .cloned()
                .collect(),
            epoch: self.epoch.seconds,
            epoch_given: self.epoch.given,
            compression: self.output.compression,
            compression_level: self.output.compression_level,
            force_compression: self.output.force_compression,
            inline_cache: crate::caches::is_inline(self.request),
            docker_media_types: self.output.docker_media_types,
            bases: bases(self.plan),
            downloads: downloads(self.plan),
            command_networks: command_networks(self.plan),
            publishing_credentials: request.publishing_credentials.clone(),
            layers: layers(self.plan),
            base: None,
        }
    }

    /// A path inside a context that is no directory of this machine stays as it is.
    fn dockerfile_place(&self, path: &Path) -> Option<String> {
        match &self.request.context {
            ContextSource::Directory(_) => Some(absolute(path)),
            _ if path.as_os_str() == "-" => None,
            _ => Some(path.to_string_lossy().into_owned()),
        }
    }

    fn context(&self) -> RecordedContext {
        let files: BTreeMap<String, (u32, Digest)> = self
            .used
            .iter()
            .flatten()
            .map(|(path, file)| (path.to_string(), (file.mode, file.content)))
            .collect();
        let (kind, place) = match &self.request.context {
            ContextSource::Directory(path) => ("directory", absolute(path)),
            ContextSource::Received(received) => ("sent", received.place()),
            ContextSource::Stdin if self.is_alone => ("dockerfile", "-".into()),
            ContextSource::Stdin => ("stdin", "-".into()),
            ContextSource::Remote(address) => ("remote", remote_place(address)),
        };
        let list = serde_json::to_vec(&files).unwrap_or_default();
        RecordedContext {
            kind: kind.into(),
            place,
            commit: self.commit.map(str::to_string),
            digest: self.used.is_some().then(|| Digest::of(&list)),
            files,
        }
    }
}

/// Whether a value is an address with a user or password in it.
fn has_credentials(value: &str) -> bool {
    without_credentials(value) != value
}

/// A named context's value: directories absolute, addresses without credentials.
fn named_place(value: &str) -> String {
    match value.split_once("://") {
        None if Path::new(value).is_dir() => absolute(Path::new(value)),
        Some(("oci-layout", rest)) => {
            let absolute =
                std::path::absolute(rest).map_or_else(|_| rest.into(), |path| path.display().to_string());
            format!("oci-layout://{absolute}")
        }
        _ => without_credentials(value),
    }
}

fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    path.to_string_lossy().into_owned()
}

/// An address, absolute where it is a repository of this machine; of an archive's, what follows `?` is left out, because it may be a key.
fn remote_place(address: &str) -> String {
    let end = address.find(['#', '?']).unwrap_or(address.len());
    let (path, rest) = address.split_at(end);
    if Path::new(path).is_dir() {
        return absolute(Path::new(path)) + rest;
    }
    let place = without_credentials(address);
    match place.split_once('?') {
        Some((before, _)) if !GitAddress::names(address, Local::Allowed) => before.into(),
        _ => place,
    }
}

/// An address without user and password before its host.
fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return address.into();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) if scheme == "ssh" && !user.contains(':') => {
            format!("ssh://{user}@{host}{}", &rest[end..])
        }
        Some((_, host)) => format!("{scheme}://{host}{}", &rest[end..]),
        None => address.into(),
    }
}

/// Names of all `ARG` instructions. Others have no effect, and proxies, which need none, must leave no trace.
fn declared(source: &SourceFile) -> BTreeSet<String> {
    let (tree, _) = praxis_dockerfile::parse(source);
    let mut names = BTreeSet::from([
        "SOURCE_DATE_EPOCH".to_string(),
        "BUILDKIT_CONTEXT_KEEP_GIT_DIR".into(),
    ]);
    for instruction in tree.instructions() {
        if let Kind::Arg(arguments) = &instruction.kind {
            names.extend(arguments.iter().map(|argument| argument.name.clone()));
        }
    }
    names
}

fn bases(plan: &Plan) -> Vec<RecordedBase> {
    let mut found = BTreeSet::new();
    for stage in &plan.stages {
        if let StageBase::Image(image) = &stage.base {
            found.insert(recorded(image));
        }
        for step in &stage.steps {
            for origin in origins(&step.operation) {
                if let FileOrigin::Image(image) = origin {
                    found.insert(recorded(image));
                }
            }
        }
    }
    found.into_iter().collect()
}

/// What the `ADD` steps of a plan fetch.
fn downloads(plan: &Plan) -> Vec<RecordedDownload> {
    let mut found = BTreeSet::new();
    for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
        let praxis_plan::Operation::Copy(copy) = &step.operation else {
            continue;
        };
        for source in &copy.sources {
            if let Source::Url(address) | Source::Git(address) = source {
                found.insert(RecordedDownload {
                    address: remote_place(address),
                    checksum: copy.add.as_ref().and_then(|add| add.checksum.clone()),
                });
            }
        }
    }
    found.into_iter().collect()
}

fn command_networks(plan: &Plan) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
        if let praxis_plan::Operation::Run(run) = &step.operation {
            let name = match run.network {
                NetworkMode::Default => "default",
                NetworkMode::None => "none",
                NetworkMode::Host => "host",
            };
            *found.entry(name.to_string()).or_default() += 1;
        }
    }
    found
}

/// Where a step takes files from.
pub(crate) fn origins(operation: &praxis_plan::Operation) -> Vec<&FileOrigin> {
    match operation {
        praxis_plan::Operation::Copy(copy) => vec![&copy.origin],
        praxis_plan::Operation::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| mount.kind.origin())
            .collect(),
        _ => Vec::new(),
    }
}

fn recorded(image: &praxis_plan::ImageBase) -> RecordedBase {
    RecordedBase {
        reference: image.reference.clone(),
        manifest: image.manifest,
    }
}

/// What made each layer of the target.
fn layers(plan: &Plan) -> Vec<RecordedLayer> {
    let mut steps: BTreeMap<usize, RecordedLayer> = BTreeMap::new();
    let mut stage = &plan.stages[plan.target];
    loop {
        for step in &stage.steps {
            steps.entry(step.history).or_insert_with(|| RecordedLayer {
                base: None,
                stage: Some(stage.name.clone()),
                line: Some(step.line),
                instruction: Some(instruction(&step.name)),
            });
        }
        match stage.base {
            StageBase::Stage(index) => stage = &plan.stages[index],
            _ => break,
        }
    }
    let history = &plan.stages[plan.target].config.history;
    let written = (0..history.len()).filter(|&index| !history[index].empty_layer);
    let mut of_base = 0;
    written
        .map(|index| {
            steps.get(&index).cloned().unwrap_or_else(|| {
                of_base += 1;
                of_lowest(stage, of_base - 1)
            })
        })
        .collect()
}

/// Layer `index` of what the lowest stage starts from.
fn of_lowest(stage: &Stage, index: usize) -> RecordedLayer {
    let base = match &stage.base {
        StageBase::Image(image) => Some((recorded(image), index)),
        _ => None,
    };
    RecordedLayer {
        base,
        stage: Some(stage.name.clone()),
        line: Some(stage.base_line),
        instruction: None,
    }
}

/// `RUN make` of `[stage 2/5] RUN make`.
fn instruction(name: &str) -> String {
    name.split_once("] ").map_or(name, |(_, name)| name).to_string()
}

/// Where a layer comes from, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LayerSource {
    /// The base image that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Name of the Dockerfile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// Line of the instruction, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Stage it was made in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// The instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    /// The line with a caret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

impl crate::Engine {
    /// What the image with this manifest was made from; nothing if it was not built here.
    ///
    /// # Errors
    /// If the store cannot be opened.
    pub fn image_origin(&self, manifest: &Digest) -> Result<Option<Origin>, crate::EngineError> {
        Ok(self.store()?.origin(manifest))
    }
}

/// Where the layers of the image with this manifest come from; nothing if it was not built here.
pub(crate) fn layer_sources(store: &Store, manifest: &Digest) -> Option<Vec<LayerSource>> {
    let origin: Origin = store.origin(manifest)?;
    let indexes = 0..origin.layers.len();
    Some(
        indexes
            .map(|index| layer_source(store, &origin, index, 0))
            .collect(),
    )
}

fn layer_source(store: &Store, origin: &Origin, index: usize, depth: usize) -> LayerSource {
    let Some(layer) = origin.layers.get(index) else {
        return LayerSource::default();
    };
    if let Some((base, index)) = &layer.base {
        let below: Option<Origin> = store.origin(&base.manifest).filter(|_| depth < DEPTH);
        let mut source = below.map_or_else(LayerSource::default, |below| {
            layer_source(store, &below, *index, depth + 1)
        });
        source.base.get_or_insert_with(|| base.reference.clone());
        return source;
    }
    let source = SourceFile::new(origin.dockerfile.name.clone(), origin.dockerfile.text.clone());
    LayerSource {
        base: None,
        dockerfile: Some(origin.dockerfile.name.clone()),
        line: layer.line,
        stage: layer.stage.clone(),
        instruction: layer.instruction.clone(),
        excerpt: layer.line.and_then(|line| excerpt(&source, line)),
    }
}

/// Line `line` of `source`, marked.
pub(crate) fn excerpt(source: &SourceFile, line: usize) -> Option<String> {
    let span = source.line_span(line)?;
    let rendered = praxis_source::render(&Diagnostic::error("", span), source);
    rendered.split_once('\n').map(|(_, excerpt)| excerpt.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_67_credentials_are_not_recorded() {
        for (given, kept) in [
            ("https://user:secret@host/x.git#main", "https://host/x.git#main"),
            ("https://token@host:8443/x", "https://host:8443/x"),
            ("ssh://git@host/x", "ssh://git@host/x"),
            ("ssh://git:secret@host/x", "ssh://host/x"),
            ("git@host:x/y.git", "git@host:x/y.git"),
            ("https://host/a@b", "https://host/a@b"),
        ] {
            assert_eq!(without_credentials(given), kept);
        }
        let source = SourceFile::new("Dockerfile", "ARG A\nFROM scratch\nARG B=1 C\n");
        let names = declared(&source);
        assert!(["A", "B", "C"].iter().all(|name| names.contains(*name)));
        assert!(!names.contains("HTTP_PROXY") && !names.contains("http_proxy"));
    }
}
