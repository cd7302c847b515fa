use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_layer::{Compression as LayerCompression, Timestamp};
use praxis_oci::{Digest, Hasher, ImageConfig, Platform, Reference};
use praxis_plan::{NetworkMode, Plan, PlanRequest};
use praxis_solve::{
    Access, BuiltImage, Destination, ErrorKind, Event, Events, ExportKind, ImageSettings, ImportedCache,
    SiteLoan, Solution, SolveSettings, Solver, export, rfc3339,
};
use praxis_source::{Diagnostic, Severity, SourceFile};
use praxis_store::{Store, StoredImage};

use crate::caches;
use crate::contexts::Opener;
use crate::history::Recorder;
use crate::sources::Epoch;
use crate::{
    BuildRequest, BuildResponse, Compression, ContextSource, Engine, EngineError, Output, OutputKind, Site,
};

impl Engine {
    /// Builds an image.
    ///
    /// # Errors
    /// With the place in the Dockerfile where there is one. Nothing half-written stays; finished steps stay in the
    /// store.
    pub fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, EngineError> {
        let recorder = Recorder::begin(request, events);
        let outcome = self.build_with(request, &recorder, cancel);
        if !request.dry_run {
            self.keep_record(&recorder.finish(&outcome), events);
        }
        outcome
    }

    fn build_with(
        &self,
        request: &BuildRequest,
        events: &Recorder<'_>,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, EngineError> {
        let compression = compression(&request.outputs)?;
        let tags = tags(&request.tags)?;
        let store = self.store()?;
        let mut workplace = self.workplace(store.clone());
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
        let (source, epoch) = (main.source, main.epoch);
        events.note_source(&source);
        let solver = Solver::new(workplace, main.context, named.contexts);
        let build = Build {
            request,
            source: &source,
            solver: &solver,
            epoch,
            compression,
            tags: &tags,
            store: &store,
            imports: caches::imports(request, events),
        };
        let outcome = build.run(events, cancel);
        for open in main.open.iter().chain(&named.open) {
            open.remember(&store);
        }
        outcome
    }
}

struct Build<'a> {
    request: &'a BuildRequest,
    source: &'a SourceFile,
    solver: &'a Solver,
    epoch: Epoch,
    compression: LayerCompression,
    tags: &'a [String],
    store: &'a Store,
    imports: Vec<Arc<ImportedCache>>,
}

/// Attempts of one build: each that fails over damage has removed it.
const TRIES: usize = 16;

fn worth_another_try(error: &EngineError) -> bool {
    error.kind != ErrorKind::Cancelled && error.exit_code.is_none()
}

impl Build<'_> {
    fn run(&self, events: &dyn Events, cancel: &AtomicBool) -> Result<BuildResponse, EngineError> {
        let plan = self.plan(events)?;
        let mut tries = TRIES;
        loop {
            let before = self.store.evictions();
            let built = self.attempt(&plan, events, cancel);
            tries -= 1;
            match &built {
                Err(error) if tries > 0 && worth_another_try(error) && self.store.evictions() > before => {}
                _ => return built,
            }
        }
    }

    /// Solves, assembles and exports. What is found damaged meanwhile is removed from the store, so that a further
    /// attempt makes it anew.
    fn attempt(
        &self,
        plan: &Plan,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, EngineError> {
        let wants_image = self.request.outputs.is_empty()
            || !self.tags.is_empty()
            || self
                .request
                .outputs
                .iter()
                .any(|output| matches!(output.kind, OutputKind::Oci | OutputKind::Docker));
        let settings = self.solve_settings(wants_image)?;
        let solution = self
            .solver
            .solve(plan, settings, events, cancel)
            .map_err(|error| {
                let line = error.line;
                let mut made = EngineError::from(error);
                made.excerpt = line.and_then(|line| self.excerpt(line, &made.message));
                made
            });
        let solution = match solution {
            Err(error) if self.request.dry_run && error.kind == ErrorKind::Cancelled => {
                return Ok(dry(Vec::new()));
            }
            other => other?,
        };
        if self.request.dry_run {
            return Ok(BuildResponse {
                steps: solution.steps,
                cached: solution.cached,
                ..dry(solution.outlook)
            });
        }
        let stage = &plan.stages[plan.target];
        let image = if wants_image {
            Some(self.image(&solution, &stage.config, events)?)
        } else {
            None
        };
        for output in &self.request.outputs {
            self.export(output, &solution, image.as_ref(), events)?;
        }
        if let Some(image) = &image {
            self.name(image)?;
        }
        caches::export(self.request, &[&solution], self.compression, events)?;
        Ok(BuildResponse {
            digest: image.as_ref().map(|image| image.manifest.digest),
            config_digest: image.as_ref().map(|image| image.config.digest),
            size: image.as_ref().map_or(0, |image| image.manifest.size),
            media_type: image
                .as_ref()
                .map_or_else(String::new, |image| image.manifest.media_type.clone()),
            steps: solution.steps,
            cached: solution.cached,
            plan: None,
        })
    }

    fn plan(&self, events: &dyn Events) -> Result<Plan, EngineError> {
        let (tree, errors) = praxis_dockerfile::parse(self.source);
        if !errors.is_empty() {
            return Err(self.diagnosed(errors));
        }
        let mut wanted = PlanRequest::new(self.platform()?);
        wanted.build_platform = Platform::host();
        wanted.target.clone_from(&self.request.target);
        wanted.build_args.clone_from(&self.request.build_args);
        wanted.labels.clone_from(&self.request.labels);
        wanted.no_cache = self.request.no_cache;
        wanted.no_cache_filter.clone_from(&self.request.no_cache_filter);
        wanted.network = network(self.request.network.as_deref())?;
        wanted.created = rfc3339(Timestamp::seconds(self.epoch.seconds));
        if self.epoch.given {
            let epoch = self.epoch.seconds.to_string();
            wanted
                .build_args
                .entry("SOURCE_DATE_EPOCH".into())
                .or_insert(epoch);
        } else {
            wanted.source_date_epoch_for_run = Some(self.epoch.seconds);
        }
        let plan = praxis_plan::plan(self.source, &tree, &wanted, self.solver.bases())
            .map_err(|errors| self.diagnosed(errors))?;
        for warning in &plan.warnings {
            let code = warning.code.clone().unwrap_or_else(|| "warning".into());
            let line = warning.span.map(|span| self.source.position(span.start).line);
            events.event(Event::Warning {
                code,
                message: warning.message.clone(),
                line,
            });
        }
        Ok(plan)
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
            .map(|one| praxis_source::render(one, self.source))
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
            self.source,
        ))
    }

    fn platform(&self) -> Result<Platform, EngineError> {
        match self.request.platforms.as_slice() {
            [] => Ok(Platform::host()),
            [one] => Ok(one.clone()),
            _ => Err(
                EngineError::user("several platforms at once are not supported yet")
                    .with_hint("build each platform by itself"),
            ),
        }
    }

    fn solve_settings(&self, blobs: bool) -> Result<SolveSettings, EngineError> {
        let add_hosts = self.request.add_hosts.iter().map(|text| {
            let pair = text.split_once('=').or_else(|| text.split_once(':'));
            let pair =
                pair.ok_or_else(|| EngineError::user(format!("--add-host {text}: expected NAME:ADDRESS")))?;
            Ok((pair.0.to_string(), pair.1.trim_matches(['[', ']']).to_string()))
        });
        let mut hasher = Hasher::new();
        match &self.request.context {
            ContextSource::Directory(path) => {
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                hasher.field(path.as_os_str().as_encoded_bytes());
            }
            ContextSource::Remote(address) => hasher.field(address.as_bytes()),
            ContextSource::Stdin => {}
        }
        hasher.field(self.source.name().as_bytes());
        Ok(SolveSettings {
            epoch: Timestamp::seconds(self.epoch.seconds),
            site: loan(&self.request.site),
            secrets: secrets(self.request),
            ssh: self.request.ssh.clone(),
            add_hosts: add_hosts.collect::<Result<_, EngineError>>()?,
            allow_insecure: self.request.allow_insecure,
            jobs: self.request.jobs,
            compression: self.compression,
            blobs,
            dry_run: self.request.dry_run,
            slot: hasher.finish().to_string(),
            imports: self.imports.clone(),
        })
    }

    fn image(
        &self,
        solution: &Solution,
        config: &ImageConfig,
        events: &dyn Events,
    ) -> Result<BuiltImage, EngineError> {
        let settings = ImageSettings {
            annotations: self.request.annotations.clone(),
            compression: self.compression,
            created: Timestamp::seconds(self.epoch.seconds),
        };
        Ok(solution.image(config, &settings, events)?)
    }

    fn export(
        &self,
        output: &Output,
        solution: &Solution,
        image: Option<&BuiltImage>,
        events: &dyn Events,
    ) -> Result<(), EngineError> {
        let kind = match output.kind {
            OutputKind::Oci => ExportKind::Oci,
            OutputKind::Docker => ExportKind::Docker,
            OutputKind::Local => ExportKind::Local,
            OutputKind::Tar => ExportKind::Tar,
        };
        let destination = match (&output.destination, kind) {
            (Some(path), ExportKind::Local) => Destination::Directory(path.clone()),
            (Some(path), ExportKind::Oci | ExportKind::Docker) if !output.tar => {
                Destination::Directory(path.clone())
            }
            (Some(path), _) => Destination::File(path.clone()),
            (None, ExportKind::Local) => return Err(EngineError::user("--output type=local needs dest=DIR")),
            (None, _) => Destination::StandardOutput,
        };
        Ok(export(solution, image, self.tags, kind, &destination, events)?)
    }

    fn name(&self, image: &BuiltImage) -> Result<(), EngineError> {
        for name in self.tags {
            self.store.put_image(&StoredImage {
                name: name.clone(),
                descriptor: image.manifest.clone(),
            })?;
        }
        Ok(())
    }
}

fn dry(outlook: Vec<String>) -> BuildResponse {
    BuildResponse {
        digest: None::<Digest>,
        config_digest: None,
        size: 0,
        media_type: String::new(),
        steps: outlook.len(),
        cached: 0,
        plan: Some(outlook.join("\n") + "\n"),
    }
}

/// Names, normalised and with a tag.
fn tags(given: &[String]) -> Result<Vec<String>, EngineError> {
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

fn compression(outputs: &[Output]) -> Result<LayerCompression, EngineError> {
    let mut wanted = outputs
        .iter()
        .filter(|output| matches!(output.kind, OutputKind::Oci | OutputKind::Docker));
    let first = wanted
        .next()
        .map_or(Compression::Gzip, |output| output.compression);
    if wanted.any(|output| output.compression != first) {
        return Err(EngineError::user(
            "outputs with different compressions cannot be made in one build",
        ));
    }
    Ok(layer_compression(first))
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
fn secrets(request: &BuildRequest) -> BTreeMap<String, Vec<u8>> {
    let secrets = request.secrets.iter();
    secrets
        .map(|(id, secret)| (id.clone(), secret.bytes.clone()))
        .collect()
}

/// What the site lends, in the solver's terms.
pub(crate) fn loan(site: &Site) -> SiteLoan {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for line in &site.apt_mirrors {
        if let Some((archive, uri)) = line.split_once(' ') {
            let path = format!("/etc/apt/mirrors/{archive}.list");
            files
                .entry(path)
                .or_default()
                .extend(format!("{uri}\n").into_bytes());
        }
    }
    let resolv_conf = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let resolv_conf = if resolv_conf.trim().is_empty() {
        "# no name servers\n".into()
    } else {
        resolv_conf
    };
    SiteLoan {
        ca_bundle: site.ca_bundle.as_ref().and_then(|path| path.canonicalize().ok()),
        known_hosts: site.known_hosts.clone(),
        proxies: site.proxies.clone(),
        variables: site.variables.clone(),
        files,
        resolv_conf,
    }
}
