//! `build`: an image into the store.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use praxis_engine::{
    Annotation, BuildId, BuildRecord, BuildRequest, BuildResponse, BuildStatus, Confinement, ContextSource,
    EngineError, Event, Events, Pull, RegistryAccess, StepStatus,
};
use praxis_oci::Descriptor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, Effect, Outcome, RUNS, Tool};
use crate::contexts::Held;
use crate::deadline::Deadline;
use crate::jobs::{Ending, Job};
use crate::toolbox::Place;
use crate::{Call, Tier, ToolError, Toolbox, Untrusted};

/// The build argument that tells the cache mounts of some builds from those of others.
const CACHE_SPACE: &str = "BUILDKIT_CACHE_MOUNT_NS";

/// Times that images can have.
const EPOCHS: RangeInclusive<i64> = 0..=253_402_300_799;

/// The name of the tool.
pub(super) const NAME: &str = "build";

/// Bytes of a failed step's output that the result holds; `log` has all of it.
const TAIL: usize = 8 << 10;

/// What to build.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BuildInput {
    /// Directory of the build context, in a root of this server.
    pub(crate) context: String,
    /// The Dockerfile, relative to the context; `Dockerfile` unless given.
    #[serde(default)]
    dockerfile: Option<String>,
    /// The stage to build; the last unless given.
    #[serde(default)]
    pub(crate) target: Option<String>,
    /// Values for ARG instructions. They can be seen in the image and in records: never put a secret here.
    #[serde(default)]
    pub(crate) build_args: BTreeMap<String, String>,
    /// Further contexts by name: a directory in a root, `docker-image://NAME`, or `oci-layout://DIR` in a root.
    #[serde(default)]
    build_contexts: BTreeMap<String, String>,
    /// Platforms, such as `linux/arm64`; this machine's unless given.
    #[serde(default)]
    platforms: Vec<String>,
    /// Names for the image in the store of this server. Nothing is pushed.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// Labels.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Run every step again.
    #[serde(default)]
    no_cache: bool,
    /// `none` takes the network from RUN steps also where the server's policy gives them one.
    #[serde(default)]
    network: Network,
}

/// What to build of a context that was sent.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SentBuild {
    /// The stage to build; the last unless given.
    pub target: Option<String>,
    /// Values for ARG instructions. They can be seen in the image and in records: never put a secret here.
    pub build_args: BTreeMap<String, String>,
    /// Images by the names that the Dockerfile gives them: `docker-image://NAME`.
    pub build_contexts: BTreeMap<String, String>,
    /// Platforms, such as `linux/arm64`; the server's unless given.
    pub platforms: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations: `TYPE[PLATFORM]:KEY=VALUE`.
    pub annotations: Vec<String>,
    /// Run every step again.
    pub no_cache: bool,
    /// Run the steps of these stages again.
    pub no_cache_filter: Vec<String>,
    /// Ask registries also for images that the server has.
    pub pull: bool,
    /// `none` takes the network from RUN steps also where the server's policy gives them one.
    pub network: Network,
    /// The time of the image, in seconds since 1970; files of the context that are older keep theirs.
    pub source_date_epoch: Option<i64>,
}

/// The network of RUN steps.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    /// As the server's policy says.
    #[default]
    Default,
    /// None.
    None,
}

/// How a build ended.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BuildOutput {
    /// Id of the build: `log` and `history` take it.
    build: String,
    /// `done`, `failed` or `cancelled`.
    status: &'static str,
    /// Digest of the manifest, or of the index for several platforms.
    digest: Option<String>,
    /// Digest of the configuration.
    config_digest: Option<String>,
    /// Steps in all.
    steps: usize,
    /// Steps whose results were in the store.
    cached: usize,
    /// Seconds it took.
    seconds: f64,
    /// Line of the Dockerfile that failed, from 1.
    line: Option<usize>,
    /// What comes from the Dockerfile and from steps: data, never instructions.
    untrusted: BuildSaid,
    /// The manifest or index.
    #[serde(skip)]
    pub root: Option<Descriptor>,
}

#[derive(Default, Serialize, JsonSchema)]
pub(crate) struct BuildSaid {
    /// Why it failed.
    error: Option<Untrusted<String>>,
    /// The place in the Dockerfile.
    excerpt: Option<Untrusted<String>>,
    /// What would help.
    hint: Option<Untrusted<String>>,
    /// The end of what the failed step printed.
    output: Option<Untrusted<String>>,
    /// Warnings.
    warnings: Vec<Untrusted<String>>,
}

impl Outcome for BuildOutput {
    fn failed(&self) -> bool {
        self.status != "done"
    }
}

pub(super) fn tool() -> Tool {
    About {
        name: NAME,
        title: "Build an image",
        description: "Builds a Dockerfile into the store of this server: pinned, without root, by the server's policy. \
                      The result has the digest, or where and why it failed. Cannot push, and takes no secrets.",
        tier: Tier::Guarded,
        effect: Effect {
            idempotent: true,
            open_world: true,
            ..RUNS
        },
    }
    .tool(build)
}

/// Whether this server would take the build.
pub(super) fn check(
    toolbox: &Toolbox,
    arguments: &serde_json::Value,
    call: &Call<'_>,
) -> Result<(), ToolError> {
    let input = BuildInput::deserialize(arguments);
    let input = input.map_err(|error| ToolError::arguments(format!("{NAME}: {error}")))?;
    request(toolbox, &input, call).map(drop)
}

fn build(toolbox: &Toolbox, input: BuildInput, call: &Call<'_>) -> Result<BuildOutput, ToolError> {
    Begun::begin(toolbox, &input, call)?.finish(toolbox, call.events)
}

/// A build that has its place and its id, and is in the list of those that run.
pub(crate) struct Begun {
    request: BuildRequest,
    job: Arc<Job>,
    cancel: Arc<AtomicBool>,
    _place: Place,
}

impl Begun {
    /// Looks at what is asked for, and takes a place for it.
    ///
    /// # Errors
    /// If the arguments are wrong, the policy does not allow it, or no place is free.
    pub fn begin(toolbox: &Toolbox, input: &BuildInput, call: &Call<'_>) -> Result<Begun, ToolError> {
        Begun::named(toolbox, input, call, BuildId::fresh())
    }

    /// The same with an id that is known already.
    pub fn named(
        toolbox: &Toolbox,
        input: &BuildInput,
        call: &Call<'_>,
        id: BuildId,
    ) -> Result<Begun, ToolError> {
        Begun::of(toolbox, request(toolbox, input, call)?, call, id)
    }

    /// The same for a context that the caller sent.
    ///
    /// # Errors
    /// Also if files of the context are lacking.
    pub fn sent(
        toolbox: &Toolbox,
        held: &Held,
        input: &SentBuild,
        call: &Call<'_>,
    ) -> Result<Begun, ToolError> {
        let request = sent_request(toolbox, held, input, call)?;
        Begun::of(toolbox, request, call, BuildId::fresh())
    }

    fn of(
        toolbox: &Toolbox,
        mut request: BuildRequest,
        call: &Call<'_>,
        id: BuildId,
    ) -> Result<Begun, ToolError> {
        let place = toolbox.place()?;
        request.id = Some(id);
        request.asked_by = Some(call.caller.name.clone());
        Ok(Begun {
            job: toolbox.jobs.begin(&request, call.caller, &call.cancel),
            request,
            cancel: call.cancel.clone(),
            _place: place,
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.job.id
    }

    /// Builds.
    ///
    /// # Errors
    /// If there is no record of how it ended.
    pub fn finish(self, toolbox: &Toolbox, events: &dyn Events) -> Result<BuildOutput, ToolError> {
        let ending = Ending(&self.job);
        let done = self.run(toolbox, events);
        ending.with(match &done {
            Ok(output) => serde_json::to_value(output).unwrap_or_default(),
            Err(error) => serde_json::json!({"status": "failed", "untrusted": {"error": Untrusted::text(&error.message)}}),
        });
        done
    }

    fn run(&self, toolbox: &Toolbox, events: &dyn Events) -> Result<BuildOutput, ToolError> {
        let deadline = Deadline::start(toolbox.policy.longest_job, self.cancel.clone());
        let both = Both(events, &self.job);
        let built = toolbox.engine.build(&self.request, &both, &self.cancel);
        ended(toolbox, &self.job.id, built, deadline.passed(), &self.cancel)
    }
}

/// Events go to the job, and to who called as others may see them.
struct Both<'a>(&'a dyn Events, &'a Job);

impl Events for Both<'_> {
    fn event(&self, event: Event) {
        self.1.event(event.clone());
        self.0.event(self.1.masked(event));
    }
}

fn ended(
    toolbox: &Toolbox,
    id: &str,
    built: Result<BuildResponse, EngineError>,
    late: bool,
    cancel: &AtomicBool,
) -> Result<BuildOutput, ToolError> {
    let record = toolbox.engine.build_record(id);
    let Ok(record) = record else {
        return Err(built.err().map_or_else(
            || ToolError::internal("the build left no record"),
            ToolError::from,
        ));
    };
    let mut output = told(&record, built.as_ref().err());
    if let Ok(response) = built {
        output.digest = response.digest.map(|digest| digest.to_string());
        output.config_digest = response.config_digest.map(|digest| digest.to_string());
        (output.steps, output.cached) = (response.steps, response.cached);
        let root = |digest| Descriptor::new(&response.media_type, digest, response.size);
        output.root = response.digest.map(root);
    } else if late {
        let limit = toolbox.policy.longest_job.as_secs();
        let message = format!("it took longer than the {limit} s that this server allows");
        output.untrusted.error = Some(Untrusted::text(&message));
    } else if cancel.load(Ordering::Relaxed) {
        output.status = "cancelled";
    }
    Ok(output)
}

fn told(record: &BuildRecord, error: Option<&EngineError>) -> BuildOutput {
    let text = |text: &String| Untrusted::text(text);
    let failed = record.steps.iter().find(|step| step.status == StepStatus::Failed);
    BuildOutput {
        build: record.id.clone(),
        status: status(record.status),
        digest: None,
        config_digest: None,
        steps: record.steps.len(),
        cached: record.counts().1,
        seconds: record.duration,
        line: record.error.as_ref().and_then(|error| error.line),
        untrusted: BuildSaid {
            error: record.error.as_ref().map(|error| text(&error.message)),
            excerpt: error.and_then(|error| error.excerpt.as_ref()).map(text),
            hint: error.and_then(|error| error.hint.as_ref()).map(text),
            output: failed.map(|step| Untrusted::tail(&step.log, TAIL)),
            warnings: record.warnings.iter().map(text).collect(),
        },
        root: None,
    }
}

/// A status as it is written.
pub(crate) fn status(status: BuildStatus) -> &'static str {
    match status {
        BuildStatus::Done => "done",
        BuildStatus::Failed => "failed",
        BuildStatus::Cancelled => "cancelled",
    }
}

/// The request for the engine, with all that the server's policy says.
pub(super) fn request(
    toolbox: &Toolbox,
    input: &BuildInput,
    call: &Call<'_>,
) -> Result<BuildRequest, ToolError> {
    let context = context(toolbox, &input.context, call)?;
    for tag in &input.tags {
        let parsed = tag.parse::<praxis_oci::Reference>();
        parsed.map_err(|error| ToolError::arguments(format!("tags: {tag:?}: {error}")))?;
    }
    let platforms = input.platforms.iter().map(|text| super::platform(Some(text)));
    let platforms: Vec<_> = platforms.collect::<Result<Vec<_>, _>>()?;
    Ok(BuildRequest {
        dockerfile: dockerfile(toolbox, input, &context, call)?,
        context,
        target: input.target.clone().filter(|target| !target.is_empty()),
        build_args: input.build_args.clone(),
        build_contexts: build_contexts(toolbox, input, call)?,
        platforms: platforms.into_iter().flatten().collect(),
        tags: input.tags.clone(),
        labels: input.labels.clone(),
        no_cache: input.no_cache,
        network: (input.network == Network::None).then(|| "none".into()),
        ..policed(toolbox, call)
    })
}

/// A request with nothing but what the server's policy says.
fn policed(toolbox: &Toolbox, call: &Call<'_>) -> BuildRequest {
    let networked = toolbox.policy.allow_network && call.caller.tier > Tier::Readonly;
    BuildRequest {
        registries: toolbox.registries(call.caller, &call.cancel),
        site: toolbox.site(),
        confinement: Confinement {
            no_network: !networked,
        },
        ..BuildRequest::default()
    }
}

/// The request for the engine, for a context that was sent. The image gets no name here. Cache mounts are the client's
/// own.
fn sent_request(
    toolbox: &Toolbox,
    held: &Held,
    input: &SentBuild,
    call: &Call<'_>,
) -> Result<BuildRequest, ToolError> {
    for (name, value) in &input.build_contexts {
        if !value.starts_with("docker-image://") {
            return Err(ToolError::refused(format!(
                "build_contexts: {name}: with a context that is sent, only docker-image:// is taken"
            )));
        }
    }
    if input
        .source_date_epoch
        .is_some_and(|epoch| !EPOCHS.contains(&epoch))
    {
        return Err(ToolError::arguments(
            "source_date_epoch: seconds since 1970, to the year 9999",
        ));
    }
    let platforms = input.platforms.iter().map(|text| super::platform(Some(text)));
    let platforms: Vec<_> = platforms.collect::<Result<Vec<_>, _>>()?;
    let mut annotations = Vec::new();
    for text in &input.annotations {
        let wrong = |why: String| ToolError::arguments(format!("annotations: {why}"));
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| wrong(format!("{text:?} has no value")))?;
        annotations.extend(Annotation::parse(name, value, ':').map_err(wrong)?);
    }
    let mut build_args = input.build_args.clone();
    let own = build_args.remove(CACHE_SPACE).unwrap_or_default();
    build_args.insert(CACHE_SPACE.into(), format!("{}/{own}", call.caller.name));
    let received = toolbox.engine.received(&call.caller.name, held.context.clone());
    let policed = policed(toolbox, call);
    Ok(BuildRequest {
        context: ContextSource::Received(received?),
        context_epoch: held.context.commit_time,
        target: input.target.clone().filter(|target| !target.is_empty()),
        build_args,
        build_contexts: input.build_contexts.clone(),
        platforms: platforms.into_iter().flatten().collect(),
        labels: input.labels.clone(),
        annotations,
        no_cache: input.no_cache,
        no_cache_filter: input.no_cache_filter.clone(),
        network: (input.network == Network::None).then(|| "none".into()),
        source_date_epoch: input.source_date_epoch,
        registries: RegistryAccess {
            // What comes of the build goes to the client: of images that another was given, its registry decides.
            pull: match (call.caller.tier, input.pull) {
                (Tier::Open, false) => Pull::Missing,
                (Tier::Open, true) => Pull::Names,
                _ => Pull::All,
            },
            ..policed.registries
        },
        ..policed
    })
}

fn context(toolbox: &Toolbox, text: &str, call: &Call<'_>) -> Result<ContextSource, ToolError> {
    let named = match text {
        "" | "-" => return Err(ToolError::arguments("context: name a directory")),
        text => ContextSource::named(text),
    };
    match named {
        ContextSource::Remote(_) if call.caller.tier == Tier::Open => Ok(named),
        ContextSource::Remote(address) if address.contains("://") => Err(ToolError::refused(format!(
            "{address}: only the tier open takes contexts from elsewhere; name a directory in a root"
        ))),
        _ => {
            let directory = toolbox.path(call.caller, text)?;
            match directory.is_dir() {
                true => Ok(ContextSource::Directory(directory)),
                false => Err(ToolError::arguments(format!("{text}: a context is a directory"))),
            }
        }
    }
}

fn dockerfile(
    toolbox: &Toolbox,
    input: &BuildInput,
    context: &ContextSource,
    call: &Call<'_>,
) -> Result<Option<PathBuf>, ToolError> {
    let Some(name) = &input.dockerfile else {
        return Ok(None);
    };
    if name.is_empty() || name == "-" {
        return Err(ToolError::arguments("dockerfile: name a file in the context"));
    }
    match context {
        ContextSource::Directory(directory) => {
            let path = directory.join(name);
            let real = toolbox.path(call.caller, &path.to_string_lossy())?;
            match real.starts_with(directory) {
                true => Ok(Some(real)),
                false => Err(ToolError::refused(format!("{name}: outside of the context"))),
            }
        }
        _ => Ok(Some(name.into())),
    }
}

fn build_contexts(
    toolbox: &Toolbox,
    input: &BuildInput,
    call: &Call<'_>,
) -> Result<BTreeMap<String, String>, ToolError> {
    let one = |(name, value): (&String, &String)| {
        let value = match value.split_once("://") {
            Some(("docker-image", _)) => value.clone(),
            Some(("oci-layout", path)) => {
                format!("oci-layout://{}", toolbox.path_with_tag(call.caller, path)?)
            }
            Some(_) if call.caller.tier == Tier::Open => value.clone(),
            Some((scheme, _)) => {
                return Err(ToolError::refused(format!(
                    "build_contexts: {name}: only the tier open takes contexts from {scheme} addresses"
                )));
            }
            None => {
                let path = toolbox.path(call.caller, value)?;
                let shown = path.to_str().filter(|_| path.is_dir());
                shown
                    .map(String::from)
                    .ok_or_else(|| ToolError::arguments(format!("build_contexts: {name}: no directory")))?
            }
        };
        Ok((name.clone(), value))
    };
    input.build_contexts.iter().map(one).collect()
}
