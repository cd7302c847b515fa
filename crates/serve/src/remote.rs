//! The other side of the API: a build that is made by a server, from a context of this machine (decision 49).

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use praxis_engine::{
    Annotation, AnnotationKind, BuildRequest, BuildResponse, Engine, EngineError, ErrorKind, Event, Events,
    Output, OutputKind, Parcel, Pull,
};
use praxis_oci::{Descriptor, Digest, Platform};
use praxis_registry::{
    BlobSource, Client, ContentSource, FetchedManifest, RegistryError, Secret, Service, Settings,
};
use serde::Deserialize;
use serde_json::Value;

use crate::ServeError;
use crate::http::read_private;
use crate::tools::{Network, SentBuild};

/// Answers that are not streams are not larger.
const LARGEST_ANSWER: u64 = 32 << 20;
/// No event is longer.
const LONGEST_EVENT: u64 = 4 << 20;
/// No build has more steps.
const MOST_STEPS: usize = 10_000;
/// How often somebody looks whether the build is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// How long a build that is to stop may take for it.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A server that makes builds for others.
pub struct RemoteServer {
    url: String,
    token: Secret,
    settings: Settings,
}

impl RemoteServer {
    /// A server at `url`. `settings` says how it is reached, with `ca` instead of the usual certificates if that is
    /// given. The token is in a file that others cannot read.
    ///
    /// # Errors
    /// If the file cannot be read, others can, or it holds no token.
    pub fn new(
        url: &str,
        token: &Path,
        ca: Option<PathBuf>,
        settings: &Settings,
    ) -> Result<RemoteServer, ServeError> {
        let shown = token.display();
        let text = read_private("--remote-token-file", token)?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ServeError::Refused(format!(
                "--remote-token-file {shown}: it holds one token and nothing else"
            )));
        }
        let mut settings = settings.clone();
        settings.ca_bundle = ca.or(settings.ca_bundle);
        settings.registries = Default::default();
        settings.credentials = Default::default();
        Ok(RemoteServer {
            url: url.into(),
            token: Secret::new(token),
            settings,
        })
    }

    /// Has the request built by the server as if it were built here: the context is sent, what happens is told, the image
    /// comes into the store, gets its names, and is written where the request says. The engine's store keeps the record.
    ///
    /// # Errors
    /// What the same build here would say, what the server says no with, or that the request asks for what does not leave
    /// this machine or is the server's to decide. Nothing half-written stays on either side.
    pub fn build(
        &self,
        engine: &Engine,
        request: &BuildRequest,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, EngineError> {
        refuse(request)?;
        engine.record_elsewhere(request, events, |events| {
            let client = Client::new(self.settings.clone());
            // What ends things has to reach the server also when everything is to stop.
            let calm = Client::new(Settings {
                stop: Arc::default(),
                retries: 0,
                ..self.settings.clone()
            });
            let work = Work {
                engine,
                request,
                events,
                cancel,
                service: self.service(&client)?,
                calm: self.service(&calm)?,
                url: &self.url,
            };
            work.done()
        })
    }

    fn service<'c>(&self, client: &'c Client) -> Result<Service<'c>, RegistryError> {
        client.service(&self.url, &self.token)
    }
}

/// What a server says of a context.
#[derive(Deserialize)]
struct Known {
    context: String,
    lacking: Vec<Digest>,
    bytes: u64,
}

/// How a build ended.
#[derive(Deserialize)]
struct Ended {
    result: EndedResult,
    image: Option<Descriptor>,
}

#[derive(Deserialize)]
struct EndedResult {
    status: String,
    #[serde(default)]
    steps: usize,
    #[serde(default)]
    cached: usize,
    line: Option<usize>,
    #[serde(default)]
    untrusted: EndedSaid,
}

#[derive(Default, Deserialize)]
struct EndedSaid {
    error: Option<String>,
    excerpt: Option<String>,
    hint: Option<String>,
}

struct Work<'a> {
    engine: &'a Engine,
    request: &'a BuildRequest,
    events: &'a dyn Events,
    cancel: &'a AtomicBool,
    service: Service<'a>,
    calm: Service<'a>,
    url: &'a str,
}

impl Work<'_> {
    fn done(&self) -> Result<BuildResponse, EngineError> {
        let parcel = self.engine.parcel(self.request)?;
        let list = serde_json::to_vec(&parcel.context)
            .map_err(|error| error_of(ErrorKind::Internal, error.to_string()))?;
        let known: Known =
            self.asked(
                self.service
                    .ask("POST", "/v1/contexts", Some(&list), LARGEST_ANSWER)?,
            )?;
        if known.context.is_empty()
            || !known
                .context
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(self.lie("it gave no id for the context"));
        }
        let path = format!("/v1/contexts/{}", known.context);
        let done = self.built(&path, &parcel, &known);
        // Of a context that is not forgotten the server says so itself, after some time.
        let _ = self.calm.ask("DELETE", &path, None, LARGEST_ANSWER);
        done
    }

    fn built(&self, path: &str, parcel: &Parcel, known: &Known) -> Result<BuildResponse, EngineError> {
        self.send(path, parcel, known)?;
        let arguments = serde_json::to_vec(&arguments(self.request)).unwrap_or_default();
        let stream = self.service.follow(&format!("{path}/build"), &arguments)?;
        let ended = self.follow(stream)?;
        let said = ended.result.untrusted;
        match (ended.result.status.as_str(), ended.image) {
            ("done", Some(image)) => {
                let parts = Parts {
                    service: &self.service,
                    path,
                };
                let taken =
                    self.engine
                        .take_result(&image, &parts, self.request, self.events, self.cancel)?;
                Ok(BuildResponse {
                    steps: ended.result.steps,
                    cached: ended.result.cached,
                    ..taken
                })
            }
            ("cancelled", _) => Err(error_of(
                ErrorKind::Cancelled,
                format!("{}: the build was stopped there", self.url),
            )),
            _ => Err(EngineError {
                excerpt: said.excerpt,
                hint: said.hint,
                line: ended.result.line,
                ..error_of(
                    ErrorKind::User,
                    said.error
                        .unwrap_or_else(|| format!("{}: the build failed", self.url)),
                )
            }),
        }
    }

    /// Sends the files that the server lacks.
    fn send(&self, path: &str, parcel: &Parcel, known: &Known) -> Result<(), EngineError> {
        let contents = parcel.context.check()?;
        let sized = |digest: &Digest| Some((*digest, *contents.get(digest)?));
        let files: Option<Vec<(Digest, u64)>> = known.lacking.iter().map(sized).collect();
        let files = files.filter(|files| files.iter().map(|(_, size)| size).sum::<u64>() == known.bytes);
        let files = files.ok_or_else(|| self.lie("it asks for files that are not in the context"))?;
        if !files.is_empty() {
            let source = Files {
                parcel,
                files: &files,
            };
            self.service
                .upload(&format!("{path}/files"), &source, known.bytes)?;
        }
        self.events.event(Event::Note {
            message: format!(
                "{}: {} of {} files of the context were sent, {} bytes",
                self.url,
                files.len(),
                contents.len(),
                known.bytes
            ),
        });
        Ok(())
    }

    /// Passes on what happens, until the build has ended.
    fn follow(&self, stream: impl Read + Send + 'static) -> Result<Ended, EngineError> {
        let lines = lines(stream);
        let mut steps = Steps(0);
        let mut build = None;
        let mut until: Option<Instant> = None;
        loop {
            if until.is_none() && self.cancel.load(Ordering::Relaxed) {
                until = Some(Instant::now() + LAST_WORDS);
                if let Some(id) = &build {
                    let _ = self
                        .calm
                        .ask("DELETE", &format!("/v1/builds/{id}"), None, LARGEST_ANSWER);
                }
            }
            if until.is_some_and(|until| Instant::now() > until) {
                return Err(error_of(ErrorKind::Cancelled, "interrupted"));
            }
            let value = match lines.recv_timeout(LOOK) {
                Ok(Ok(value)) => value,
                Ok(Err(why)) => return Err(self.lie(&why)),
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(self.lie("the connection ended before the build did"));
                }
            };
            match value["event"].as_str() {
                Some("begun") => {
                    let id = value["build"].as_str().unwrap_or_default();
                    let plain = id
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
                    build = Some(id.to_string()).filter(|_| plain);
                }
                Some("ended") => {
                    let ended = serde_json::from_value(value);
                    return ended.map_err(|error| self.lie(&error.to_string()));
                }
                // What a later server says more is not understood here.
                _ => {
                    let event = serde_json::from_value(value).ok();
                    if let Some(event) = event.filter(|event| steps.fits(event)) {
                        self.events.event(event);
                    }
                }
            }
        }
    }

    fn asked<T: for<'de> Deserialize<'de>>(&self, answer: Vec<u8>) -> Result<T, EngineError> {
        serde_json::from_slice(&answer).map_err(|error| self.lie(&error.to_string()))
    }

    fn lie(&self, why: &str) -> EngineError {
        error_of(
            ErrorKind::Environment,
            format!("{}: it does not answer as a build server does: {why}", self.url),
        )
    }
}

fn error_of(kind: ErrorKind, message: impl Into<String>) -> EngineError {
    EngineError {
        kind,
        ..EngineError::refused(message)
    }
}

/// How many steps are known: events about others are none of a build.
struct Steps(usize);

impl Steps {
    fn fits(&mut self, event: &Event) -> bool {
        match event {
            Event::Planned { first, steps } => {
                let end = first.saturating_add(steps.len());
                let needs = steps.iter().flat_map(|step| &step.needs);
                // Further plans come behind the first.
                let fits = *first <= self.0 && end <= MOST_STEPS && needs.clone().all(|step| *step < end);
                if fits {
                    self.0 = end.max(self.0);
                }
                fits
            }
            Event::Started { step }
            | Event::Output { step, .. }
            | Event::Progress { step, .. }
            | Event::Finished { step, .. }
            | Event::Failed { step, .. }
            | Event::Layer { step, .. } => *step < self.0,
            Event::Warning { .. } | Event::Note { .. } | Event::Image { .. } | Event::Exported { .. } => true,
        }
    }
}

/// The events of a stream, read on a thread of its own: whoever waits for them can look at other things too.
fn lines(stream: impl Read + Send + 'static) -> Receiver<Result<Value, String>> {
    let (sender, receiver) = sync_channel(1024);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            let read = (&mut reader).take(LONGEST_EVENT).read_until(b'\n', &mut line);
            let event = match read {
                Ok(0) => return,
                Ok(_) if line.last() != Some(&b'\n') => Err("an event is too long".into()),
                Ok(_) => match line.strip_prefix(b"data: ") {
                    None => continue,
                    Some(data) => serde_json::from_slice(data).map_err(|error| error.to_string()),
                },
                Err(error) => Err(error.to_string()),
            };
            let failed = event.is_err();
            if sender.send(event).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// Files of a context, one after the other.
struct Files<'a> {
    parcel: &'a Parcel,
    files: &'a [(Digest, u64)],
}

impl BlobSource for Files<'_> {
    fn open(&self, _: u64) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(Joined {
            parcel: self.parcel,
            files: self.files,
            current: None,
        }))
    }
}

struct Joined<'a> {
    parcel: &'a Parcel,
    files: &'a [(Digest, u64)],
    current: Option<io::Take<Box<dyn Read + Send>>>,
}

impl Read for Joined<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(current) = &mut self.current {
                let count = current.read(buffer)?;
                if count > 0 || buffer.is_empty() {
                    return Ok(count);
                }
                if current.limit() > 0 {
                    return Err(io::Error::other(
                        "a file of the context changed while it was sent",
                    ));
                }
            }
            let Some(((digest, size), rest)) = self.files.split_first() else {
                return Ok(0);
            };
            self.files = rest;
            self.current = Some(self.parcel.open(digest)?.take(*size));
        }
    }
}

/// The parts of an image where it was built.
struct Parts<'a> {
    service: &'a Service<'a>,
    path: &'a str,
}

impl Parts<'_> {
    fn fetch(&self, descriptor: &Descriptor, out: &mut dyn io::Write) -> Result<(), RegistryError> {
        let path = format!("{}/parts/{}", self.path, descriptor.digest);
        self.service.fetch(&path, descriptor, out)
    }
}

impl ContentSource for Parts<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<FetchedManifest, RegistryError> {
        if descriptor.size > LARGEST_ANSWER {
            let digest = descriptor.digest;
            return Err(RegistryError::of_input(format!(
                "{digest}: no manifest is so large"
            )));
        }
        let mut bytes = Vec::new();
        self.fetch(descriptor, &mut bytes)?;
        FetchedManifest::verified(descriptor, bytes)
    }

    fn blob(&self, descriptor: &Descriptor, out: &mut dyn io::Write) -> Result<(), RegistryError> {
        self.fetch(descriptor, out)
    }

    fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        Ok(Vec::new())
    }
}

/// What the server is asked for.
fn arguments(request: &BuildRequest) -> SentBuild {
    // A build here without --platform is for this machine, whatever the server is.
    let platforms = match request.platforms.as_slice() {
        [] => vec![Platform::host()],
        platforms => platforms.to_vec(),
    };
    let of_images: BTreeMap<String, String> = request
        .build_contexts
        .iter()
        .filter(|(_, value)| value.starts_with("docker-image://"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    SentBuild {
        target: request.target.clone(),
        build_args: request.build_args.clone(),
        build_contexts: of_images,
        platforms: platforms.iter().map(Platform::to_string).collect(),
        labels: request.labels.clone(),
        annotations: request.annotations.iter().map(annotation).collect(),
        no_cache: request.no_cache,
        no_cache_filter: request.no_cache_filter.clone(),
        pull: request.registries.pull != Pull::Missing,
        network: match request.network.as_deref() {
            Some("none") => Network::None,
            _ => Network::Default,
        },
        source_date_epoch: request.source_date_epoch,
    }
}

fn annotation(annotation: &Annotation) -> String {
    let kind = match annotation.kind {
        AnnotationKind::Manifest => "manifest",
        AnnotationKind::Index => "index",
        AnnotationKind::ManifestDescriptor => "manifest-descriptor",
        AnnotationKind::IndexDescriptor => "index-descriptor",
    };
    let platform = annotation.platform.as_ref();
    let platform = platform
        .map(|platform| format!("[{platform}]"))
        .unwrap_or_default();
    format!("{kind}{platform}:{}={}", annotation.key, annotation.value)
}

/// Says no to what does not leave this machine, or is not a caller's to decide.
fn refuse(request: &BuildRequest) -> Result<(), EngineError> {
    const SECRET: &str = "secrets and keys never leave this machine";
    const POLICY: &str = "what steps may do and take is the policy of the server";
    let plain = |output: &Output| {
        let same = Output {
            kind: output.kind,
            destination: output.destination.clone(),
            tar: output.tar,
            platform_split: output.platform_split,
            ..Output::default()
        };
        matches!(output.kind, OutputKind::Local | OutputKind::Tar) || *output == same
    };
    let asked = [
        (!request.secrets.is_empty(), "--secret", SECRET),
        (
            !request.ssh.is_empty() || !request.ssh_keys.is_empty(),
            "--ssh",
            SECRET,
        ),
        (
            request.allow_insecure || request.allow_host_network,
            "--allow",
            POLICY,
        ),
        (
            request.network.as_deref() == Some("host"),
            "--network=host",
            POLICY,
        ),
        (!request.add_hosts.is_empty(), "--add-host", POLICY),
        (request.shared_memory.is_some(), "--shm-size", POLICY),
        (!request.resource_limits.is_empty(), "--ulimit", POLICY),
        (
            !request.cache_from.is_empty() || !request.cache_to.is_empty(),
            "--cache-from and --cache-to",
            "the server has a cache of its own",
        ),
        (
            !request.attestations.is_empty(),
            "--provenance, --sbom and --attest",
            "only who builds knows what they say; praxis attest signs what is known of the image here",
        ),
        (
            request.on_error.is_some(),
            "--on-error",
            "the sandbox of the step is not on this machine",
        ),
        (
            request.dry_run,
            "--dry-run and --check",
            "they build nothing and need no server",
        ),
        (
            request.registries.offline,
            "--offline",
            "whether registries are asked is the server's to decide",
        ),
        (
            !request.outputs.iter().all(plain),
            "--output with compression, media types or annotations",
            "the image is the one that the server has; praxis copy makes other forms of it",
        ),
    ];
    match asked.into_iter().find(|(asked, ..)| *asked) {
        Some((_, option, why)) => Err(EngineError {
            hint: Some(format!("leave {option} out, or build without --remote")),
            ..EngineError::refused(format!("{option} cannot be used with --remote: {why}"))
        }),
        None => Ok(()),
    }
}
