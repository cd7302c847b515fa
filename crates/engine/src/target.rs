//! One target of a build, opened and planned for each of its platforms.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_layer::{Compression as LayerCompression, Timestamp};
use praxis_oci::{Digest, Hasher, Platform, Reference};
use praxis_plan::{NetworkMode, Plan, PlanRequest};
use praxis_solve::{
    Access, Event, Events, ImportedCache, Label, Promise, SolveError, SolveSettings, Solver, Workplace,
    rfc3339,
};
use praxis_source::{Diagnostic, Severity, SourceFile};
use praxis_store::Store;

use crate::caches;
use crate::contexts::Opener;
use crate::emulation::refuse_foreign_steps;
use crate::govern::{self, Origin};
use crate::history::Recorder;
use crate::loan::loan;
use crate::origin::Built;
use crate::sources::{EPOCH_ARGUMENT, Epoch, OpenContext};
use crate::{BuildRequest, Compression, ContextSource, EngineError, Output, OutputKind};

/// Said of a step that failed where the policy of a server cut its network.
const NO_NETWORK: &str = "RUN steps have no network on this server; if this one needs it, the operator may start the server with \
                          --allow-network";

/// One target.
pub(crate) struct Target<'a> {
    /// Its name, if it is one of several.
    pub name: Option<&'a str>,
    pub request: &'a BuildRequest,
    /// Where what happens is told, and kept on record.
    pub events: &'a Recorder<'a>,
    pub solver: Solver,
    pub epoch: Epoch,
    /// Normalised names for the image.
    pub tags: Vec<String>,
    /// One for each platform, in the order they were asked for.
    pub variants: Vec<Variant>,
    /// What is known about where it comes from.
    pub origin: Origin,
    source: SourceFile,
    /// Where the Dockerfile is, and the commit of its repository.
    written: (Option<PathBuf>, Option<String>),
    open: Vec<OpenContext>,
    /// Whether there is no main context.
    is_alone: bool,
    /// Whether the first of them is the main context.
    opened_main: bool,
    imports: Vec<Arc<ImportedCache>>,
    /// Id of the build.
    id: String,
}

/// A target for one platform.
pub(crate) struct Variant {
    pub platform: Platform,
    pub plan: Plan,
    /// What targets that use this one wait for.
    promise: Option<Arc<Promise>>,
}

impl<'a> Target<'a> {
    /// Opens the contexts and plans every platform.
    pub fn open(
        name: Option<&'a str>,
        request: &'a BuildRequest,
        mut workplace: Workplace,
        events: &'a Recorder<'a>,
        cancel: &AtomicBool,
    ) -> Result<Target<'a>, EngineError> {
        let tags = tags(&request.tags)?;
        caches::refuse_levels(request)?;
        let (site, secrets) = (loan(&request.site), secrets(request));
        let access = Access {
            site: &site,
            secrets: &secrets,
            ssh: &request.ssh,
            stop: cancel,
        };
        let opener = Opener {
            request,
            workplace: &workplace,
            access: &access,
        };
        let main = opener.main()?;
        let named = opener.named(&main.epoch)?;
        for message in main.warnings.into_iter().chain(named.warnings) {
            let code = "BuildContext".into();
            events.event(Event::Warning {
                code,
                message,
                line: None,
            });
        }
        workplace.named = named.names;
        let imports = caches::imports(request, &workplace.store, events);
        events.note_source(&main.source);
        let is_alone = main.context.is_none();
        let mut target = Target {
            name,
            request,
            events,
            solver: Solver::new(workplace, main.context, named.contexts),
            epoch: main.epoch,
            tags,
            variants: Vec::new(),
            origin: Origin::of(request)?,
            source: main.source,
            written: (main.path, main.commit),
            is_alone,
            opened_main: main.open.is_some(),
            open: main.open.into_iter().chain(named.open).collect(),
            imports,
            id: events.id(),
        };
        target.plan_all()?;
        Ok(target)
    }

    fn plan_all(&mut self) -> Result<(), EngineError> {
        let mut said: Vec<Diagnostic> = Vec::new();
        for platform in platforms(self.request) {
            let plan = match self.plan(&platform) {
                // What could not be planned may be due to what is missing.
                Err(_) if !self.solver.missing().is_empty() => continue,
                plan => plan?,
            };
            for warning in plan.warnings.iter().filter(|warning| !said.contains(warning)) {
                self.warn(warning);
            }
            said.extend(plan.warnings.iter().cloned());
            let config = &plan.stages[plan.target].config;
            let promise = self
                .name
                .map(|name| Arc::new(Promise::new(name, &platform, config)));
            self.variants.push(Variant {
                platform,
                plan,
                promise,
            });
        }
        Ok(())
    }

    fn warn(&self, warning: &Diagnostic) {
        self.events.event(Event::Warning {
            code: warning.code.clone().unwrap_or_else(|| "warning".into()),
            message: warning.message.clone(),
            line: warning.span.map(|span| self.source.position(span.start).line),
        });
    }

    /// What other targets may wait for.
    pub fn promises(&self) -> impl Iterator<Item = Arc<Promise>> {
        self.variants.iter().filter_map(|variant| variant.promise.clone())
    }

    /// Keeps what was learned of the contexts' files.
    pub fn remember(&self, store: &Store) {
        self.open.iter().for_each(|open| open.remember(store));
    }

    /// Notes what an image was made from, for `explain` and `reproduce`.
    pub fn note_origin(
        &self,
        store: &Store,
        variant: &Variant,
        manifest: &Digest,
        output: &Output,
        annotations: BTreeMap<String, String>,
    ) -> Result<(), EngineError> {
        let main = self.open.first().filter(|_| self.opened_main);
        let built = Built {
            request: self.request,
            source: &self.source,
            path: self.written.0.as_deref(),
            commit: self.written.1.as_deref(),
            is_alone: self.is_alone,
            used: main.and_then(|open| open.directory.used()),
            epoch: self.epoch,
            plan: &variant.plan,
            platform: variant.platform.clone(),
            output,
            annotations,
        };
        let mut origin = built.origin();
        // The commit that the context was is not the one that its directory has later.
        let labels = &variant.plan.stages[variant.plan.target].config.config.labels;
        for key in [govern::REVISION, govern::SOURCE] {
            if let Some(value) = labels.get(key) {
                origin.labels.insert(key.into(), value.clone());
            }
        }
        origin.base = store.origin(manifest);
        // An image that adds nothing to its base is the base: what is known of that says more.
        let is_base = origin.bases.iter().any(|base| base.manifest == *manifest);
        if is_base && store.origin::<crate::origin::Origin>(manifest).is_some() {
            return Ok(());
        }
        Ok(store.put_origin(manifest, &origin)?)
    }

    /// How messages tell one of several from the others.
    pub fn label(&self, variant: &Variant) -> Option<String> {
        let platform = (self.variants.len() > 1).then(|| variant.platform.to_string());
        let parts: Vec<String> = self.name.map(String::from).into_iter().chain(platform).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// Outputs that are images.
    pub fn image_outputs(&self) -> impl Iterator<Item = &'a Output> {
        let outputs = self.request.outputs.iter();
        outputs.filter(|output| matches!(output.kind, OutputKind::Oci | OutputKind::Docker))
    }

    /// Whether an image is made, or only files of the root file system.
    pub fn wants_image(&self) -> bool {
        let is_kept = self.request.outputs.is_empty() || !self.tags.is_empty();
        is_kept || self.image_outputs().next().is_some()
    }

    /// The compression of the image that has the names: the first output's.
    pub fn compression(&self) -> LayerCompression {
        let first = self.image_outputs().next();
        layer_compression(first.map_or(Compression::Gzip, |output| output.compression))
    }

    /// Every compression that layers are wanted in.
    fn compressions(&self) -> Vec<LayerCompression> {
        let mut compressions = Vec::new();
        if self.wants_image() {
            compressions.push(self.compression());
        }
        for output in self.image_outputs() {
            let compression = layer_compression(output.compression);
            if !compressions.contains(&compression) {
                compressions.push(compression);
            }
        }
        compressions
    }

    fn plan(&self, platform: &Platform) -> Result<Plan, EngineError> {
        let (tree, errors) = praxis_dockerfile::parse(&self.source);
        if !errors.is_empty() {
            return Err(self.diagnosed(errors));
        }
        let mut wanted = PlanRequest::new(platform.clone());
        wanted.build_platform = Platform::host();
        wanted.target.clone_from(&self.request.target);
        wanted.build_args.clone_from(&self.request.build_args);
        wanted.labels.clone_from(&self.request.labels);
        wanted.no_cache = self.request.no_cache;
        wanted.no_cache_filter.clone_from(&self.request.no_cache_filter);
        wanted.allow_insecure = self.request.allow_insecure;
        wanted.allow_host_network =
            self.request.allow_host_network || self.request.network.as_deref() == Some("host");
        wanted.network = network(self.request.network.as_deref())?;
        wanted.created = rfc3339(Timestamp::seconds(self.epoch.seconds));
        if self.epoch.given {
            let epoch = self.epoch.seconds.to_string();
            wanted.build_args.insert(EPOCH_ARGUMENT.into(), epoch);
        } else {
            wanted.build_args.remove(EPOCH_ARGUMENT);
            wanted.source_date_epoch_for_run = Some(self.epoch.seconds);
        }
        let mut plan = praxis_plan::plan(&self.source, &tree, &wanted, self.solver.bases())
            .map_err(|errors| self.diagnosed(errors))?;
        self.origin
            .label(&mut plan, self.request, &tree, &self.source)
            .map_err(|error| self.diagnosed(vec![error]))?;
        if self.request.confinement.no_network {
            plan.cut_network();
        }
        if !self.request.dry_run {
            refuse_foreign_steps(&plan).map_err(|error| self.diagnosed(vec![error]))?;
        }
        Ok(plan)
    }

    /// The error with the lines of the Dockerfile it is about.
    pub fn placed(&self, error: SolveError) -> EngineError {
        let line = error.line;
        let mut made = EngineError::from(error);
        made.excerpt = line.and_then(|line| self.excerpt(line, &made.message));
        let ended = made.exit_code.is_some_and(|code| !(126..=127).contains(&code));
        match ended && self.request.confinement.no_network {
            true => made.with_hint(NO_NETWORK),
            false => made,
        }
    }

    /// The first error as the message, all of them in the excerpt.
    fn diagnosed(&self, diagnostics: Vec<Diagnostic>) -> EngineError {
        let errors: Vec<&Diagnostic> = diagnostics
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .collect();
        let first = errors.first().copied().or(diagnostics.first());
        let message = first.map_or_else(
            || "the Dockerfile is not valid".into(),
            |first| self.located(first),
        );
        let shown: Vec<String> = diagnostics
            .iter()
            .take(10)
            .map(|one| praxis_source::render(one, &self.source))
            .collect();
        EngineError {
            excerpt: Some(shown.join("\n")),
            hint: first.and_then(|first| first.help.clone()),
            line: first.and_then(|first| first.span.map(|span| self.source.position(span.start).line)),
            ..EngineError::user(message)
        }
    }

    fn located(&self, diagnostic: &Diagnostic) -> String {
        let code = diagnostic
            .code
            .as_ref()
            .map_or_else(String::new, |code| format!("{code}: "));
        match diagnostic.span {
            Some(span) => {
                let at = self.source.position(span.start);
                format!(
                    "{}:{}:{}: {code}{}",
                    self.source.name(),
                    at.line,
                    at.column,
                    diagnostic.message
                )
            }
            None => format!("{code}{}", diagnostic.message),
        }
    }

    fn excerpt(&self, line: usize, message: &str) -> Option<String> {
        let span = self.source.line_span(line)?;
        Some(praxis_source::render(
            &Diagnostic::error(message, span),
            &self.source,
        ))
    }

    /// How a platform is solved.
    pub fn solve_settings(&self, variant: &Variant) -> Result<SolveSettings, EngineError> {
        let add_hosts = self.request.add_hosts.iter().map(|text| {
            let pair = text.split_once('=').or_else(|| text.split_once(':'));
            let pair =
                pair.ok_or_else(|| EngineError::user(format!("--add-host {text}: expected NAME:ADDRESS")))?;
            Ok((pair.0.to_string(), pair.1.trim_matches(['[', ']']).to_string()))
        });
        Ok(SolveSettings {
            epoch: Timestamp::seconds(self.epoch.seconds),
            site: loan(&self.request.site),
            secrets: secrets(self.request),
            ssh: self.request.ssh.clone(),
            ssh_keys: keys(self.request),
            limits: praxis_solve::StepLimits {
                shared_memory: self.request.shared_memory,
                resources: self.request.resource_limits.clone(),
            },
            add_hosts: add_hosts.collect::<Result<_, EngineError>>()?,
            allow_insecure: self.request.allow_insecure,
            on_error: self.request.on_error.clone(),
            blobs: self.compressions(),
            dry_run: self.request.dry_run,
            slot: self.slot(variant),
            imports: self.imports.clone(),
            build: self.id.clone(),
            label: Label {
                target: self.name.map(String::from),
                platform: (self.variants.len() > 1).then(|| variant.platform.clone()),
            },
            promise: variant.promise.clone(),
        })
    }

    /// The same for the same build of another day.
    fn slot(&self, variant: &Variant) -> String {
        let mut hasher = Hasher::new();
        match &self.request.context {
            ContextSource::Directory(path) => {
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                hasher.field(path.as_os_str().as_encoded_bytes());
            }
            ContextSource::Remote(address) => hasher.field(address.as_bytes()),
            ContextSource::Received(received) => hasher.field(received.client().as_bytes()),
            ContextSource::Stdin => {}
        }
        hasher.field(self.source.name().as_bytes());
        hasher.field(self.name.unwrap_or_default().as_bytes());
        hasher.field(variant.platform.to_string().as_bytes());
        hasher.finish().to_string()
    }
}

/// The platforms that are asked for, each once; this machine's if there are none.
fn platforms(request: &BuildRequest) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    for platform in &request.platforms {
        if !platforms.contains(platform) {
            platforms.push(platform.clone());
        }
    }
    if platforms.is_empty() {
        platforms.push(Platform::host());
    }
    platforms
}

/// Names, normalised and with a tag.
pub(crate) fn tags(given: &[String]) -> Result<Vec<String>, EngineError> {
    given
        .iter()
        .map(|text| {
            let reference: Reference = text
                .parse()
                .map_err(|error| EngineError::user(format!("--tag: {error}")))?;
            if reference.digest().is_some() {
                return Err(EngineError::user(format!(
                    "--tag {text}: a name to give cannot hold a digest"
                )));
            }
            Ok(reference.with_default_tag().to_string())
        })
        .collect()
}

/// A compression in the layers' terms.
pub(crate) fn layer_compression(compression: Compression) -> LayerCompression {
    match compression {
        Compression::Gzip => LayerCompression::Gzip,
        Compression::Zstd => LayerCompression::Zstd,
        Compression::Uncompressed => LayerCompression::None,
    }
}

fn network(text: Option<&str>) -> Result<Option<NetworkMode>, EngineError> {
    match text {
        None => Ok(None),
        Some("default") => Ok(Some(NetworkMode::Default)),
        Some("host") => Ok(Some(NetworkMode::Host)),
        Some("none") => Ok(Some(NetworkMode::None)),
        Some(other) => Err(EngineError::user(format!(
            "--network {other}: expected default, host or none"
        ))),
    }
}

/// The secrets' bytes by id.
fn keys(request: &BuildRequest) -> BTreeMap<String, Vec<Vec<u8>>> {
    let bytes = |keys: &Vec<crate::SecretSource>| keys.iter().map(|key| key.bytes.clone()).collect();
    request
        .ssh_keys
        .iter()
        .map(|(id, keys)| (id.clone(), bytes(keys)))
        .collect()
}

fn secrets(request: &BuildRequest) -> BTreeMap<String, Vec<u8>> {
    let secrets = request.secrets.iter();
    secrets
        .map(|(id, secret)| (id.clone(), secret.bytes.clone()))
        .collect()
}
