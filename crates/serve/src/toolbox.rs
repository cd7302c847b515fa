//! What the tools work with.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use praxis_engine::{BuildRecord, Engine, Events, Pull, RegistryAccess, Site};
use praxis_registry::{CredentialSources, Settings};
use schemars::JsonSchema;
use serde::Serialize;

use crate::contexts::Contexts;
use crate::jobs::{Job, Jobs};
use crate::others::Followed;
use crate::tally::Tally;
use crate::{Builders, Policy, Tier, ToolError, ToolErrorKind, Verifier};

/// The engine, the server's policy, and what the machine lends.
pub struct Toolbox {
    pub(crate) engine: Engine,
    pub(crate) policy: Policy,
    pub(crate) machine: Machine,
    pub(crate) tally: Tally,
    pub(crate) jobs: Jobs,
    pub(crate) contexts: Contexts,
    /// Builds of others that are to be followed.
    pub(crate) asked: Mutex<Vec<Followed>>,
    places: Arc<AtomicUsize>,
    flags: Mutex<Vec<Weak<AtomicBool>>>,
    pub(crate) builders: Option<Box<dyn Builders>>,
}

/// What the machine lends to builds, and says of itself.
pub struct Machine {
    /// Certificates, proxies and mirrors for RUN steps.
    pub site: Site,
    /// How registries are talked to. Only callers of the tier `open` use its credentials.
    pub registries: Settings,
    /// What is demanded of images; nobody is believed without it.
    pub verifier: Option<Box<dyn Verifier>>,
    /// What the machine allows.
    pub doctor: Box<dyn Fn() -> Vec<DoctorFinding> + Send + Sync>,
}

/// One thing that was looked at on the machine.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DoctorFinding {
    /// What was looked at.
    pub name: String,
    /// `available`, `limited` or `missing`.
    pub state: String,
    /// What was seen.
    pub detail: String,
    /// What follows from it, if something is amiss.
    pub consequence: String,
    /// What would help.
    pub remedy: String,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name, for records.
    pub name: String,
    /// What it may have done.
    pub tier: Tier,
}

/// One call of a tool.
pub struct Call<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// Told what happens during a build.
    pub events: &'a dyn Events,
    /// Set when nobody waits for the result any more.
    pub cancel: Arc<AtomicBool>,
}

/// A build as it stands.
pub(crate) struct Seen {
    /// What is known of it.
    pub record: BuildRecord,
    /// The job, while it runs.
    pub running: Option<Arc<Job>>,
}

impl Seen {
    /// `waiting` for somebody to make it, `running`, or how it ended.
    pub fn status(&self) -> &'static str {
        match &self.running {
            Some(job) if job.is_waiting() => "waiting",
            Some(_) => "running",
            None => crate::tools::status(self.record.status),
        }
    }
}

/// A place among the jobs of a server; given back when dropped.
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Toolbox {
    /// A toolbox on an open engine.
    pub fn new(engine: Engine, policy: Policy, machine: Machine) -> Toolbox {
        Toolbox {
            engine,
            policy,
            machine,
            tally: Tally::default(),
            jobs: Jobs::default(),
            contexts: Contexts::default(),
            asked: Mutex::default(),
            places: Arc::default(),
            flags: Mutex::default(),
            builders: None,
        }
    }

    /// The same, with demands on images.
    #[must_use]
    pub fn with_verifier(mut self, verifier: Box<dyn Verifier>) -> Toolbox {
        self.machine.verifier = Some(verifier);
        self
    }

    /// The same, with builds made by others.
    #[must_use]
    pub fn with_builders(self, builders: Box<dyn Builders>) -> Toolbox {
        Toolbox {
            builders: Some(builders),
            ..self
        }
    }

    /// How many builds and tests run now.
    pub fn running(&self) -> usize {
        self.places.load(Ordering::Acquire)
    }

    /// How many calls of any kind run now.
    pub(crate) fn calls(&self) -> usize {
        let flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        flags.iter().filter(|known| known.strong_count() > 0).count()
    }

    /// A flag that stops one call, also when the whole server stops.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        let mut flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        flags.retain(|known| known.strong_count() > 0);
        flags.push(Arc::downgrade(&flag));
        flag
    }

    /// Stops all calls.
    pub(crate) fn stop(&self) {
        let flags = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        for flag in flags.iter().filter_map(Weak::upgrade) {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// All builds: those that run, then those on record, the latest first.
    pub(crate) fn builds(&self) -> Result<Vec<Seen>, ToolError> {
        let running = self.jobs.all_running().into_iter().map(|(job, record)| Seen {
            record,
            running: Some(job),
        });
        let mut builds: Vec<Seen> = running.collect();
        for record in self.engine.history()? {
            if !builds.iter().any(|known| known.record.id == record.id) {
                builds.push(Seen {
                    record,
                    running: None,
                });
            }
        }
        Ok(builds)
    }

    /// A build that runs or is on record: its id, the beginning or end of one, or `latest` on record.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub(crate) fn build(&self, text: &str) -> Result<Seen, ToolError> {
        if let Some((job, record)) = self.jobs.running(text) {
            return Ok(Seen {
                record,
                running: Some(job),
            });
        }
        let missing = |error: praxis_engine::EngineError| {
            ToolError::new(ToolErrorKind::Missing, error.message)
                .with_hint("history lists the builds on record")
        };
        let record = self.engine.build_record(text);
        Ok(Seen {
            record: record.or_else(|error| self.jobs.left(text).ok_or_else(|| missing(error)))?,
            running: None,
        })
    }

    /// Takes a place for a build or a test.
    ///
    /// # Errors
    /// If all are taken.
    pub(crate) fn place(&self) -> Result<Place, ToolError> {
        let most = self.policy.most_jobs;
        let taken = self
            .places
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                (now < most).then_some(now + 1)
            });
        match taken {
            Ok(_) => Ok(Place(self.places.clone())),
            Err(now) => Err(ToolError::new(
                ToolErrorKind::Busy,
                format!("{now} builds and tests are running, and this server takes no more at once"),
            )
            .with_hint("try again when one has ended")),
        }
    }

    /// The real path of what a request names.
    ///
    /// # Errors
    /// If it is outside of the roots and the caller is held to them.
    pub(crate) fn path(&self, caller: &Caller, path: &str) -> Result<PathBuf, ToolError> {
        if path.is_empty() || path.contains('\0') {
            return Err(ToolError::arguments("a path is empty or holds a zero byte"));
        }
        match caller.tier {
            Tier::Open if Path::new(path).is_absolute() => std::fs::canonicalize(path)
                .map_err(|error| ToolError::new(ToolErrorKind::Missing, format!("{path}: {error}"))),
            _ => self.policy.roots.contain(Path::new(path)),
        }
    }

    /// An image as the engine takes it: a name or digest of the store, or an archive or layout in a root.
    ///
    /// # Errors
    /// If it is a path outside of the roots, or no image has this name.
    pub(crate) fn image(&self, caller: &Caller, text: &str) -> Result<String, ToolError> {
        for prefix in ["oci-archive:", "docker-archive:", "oci-layout:", "oci:"] {
            if let Some(rest) = text.strip_prefix(prefix) {
                let rest = rest.strip_prefix("//").unwrap_or(rest);
                return Ok(format!("{prefix}{}", self.path_with_tag(caller, rest)?));
            }
        }
        if ["/", "./", "../"].iter().any(|start| text.starts_with(start)) || text == "." {
            return self.shown_path(caller, text);
        }
        let reference: Option<praxis_oci::Reference> = text.parse().ok();
        let is_digest = text.parse::<praxis_oci::Digest>().is_ok();
        if !is_digest && reference.is_none() {
            return Err(ToolError::arguments(format!("{text:?} is no name of an image")));
        }
        // A file of the server's own directory with this name is not meant.
        match Path::new(text).exists() {
            true => Err(ToolError::arguments(format!(
                "{text:?} could be a file: write ./{text}"
            ))),
            false => Ok(text.into()),
        }
    }

    /// `PATH` or `PATH:TAG`, with the real path.
    pub(crate) fn path_with_tag(&self, caller: &Caller, text: &str) -> Result<String, ToolError> {
        let whole = self.shown_path(caller, text);
        if whole
            .as_ref()
            .is_err_and(|error| error.kind == ToolErrorKind::Missing)
            && let Some((path, tag)) = text.rsplit_once([':', '@'])
            && let Ok(path) = self.shown_path(caller, path)
        {
            let separator = &text[text.len() - tag.len() - 1..text.len() - tag.len()];
            return Ok(format!("{path}{separator}{tag}"));
        }
        whole
    }

    fn shown_path(&self, caller: &Caller, text: &str) -> Result<String, ToolError> {
        let path = self.path(caller, text)?;
        let shown = path.to_str().map(String::from);
        shown.ok_or_else(|| ToolError::arguments(format!("{}: the path is not UTF-8", path.display())))
    }

    /// What the machine lends, within the policy.
    pub(crate) fn site(&self) -> Site {
        Site {
            reach: self.policy.reach.clone(),
            bounds: self.policy.bounds,
            ..self.machine.site.clone()
        }
    }

    /// What this caller's requests may do with registries.
    pub(crate) fn registries(&self, caller: &Caller, cancel: &Arc<AtomicBool>) -> RegistryAccess {
        let mut settings = self.machine.registries.clone();
        if caller.tier < Tier::Open {
            settings.credentials = CredentialSources::default();
        }
        settings.reach = self.policy.reach.clone();
        settings.stop = cancel.clone();
        RegistryAccess {
            settings,
            offline: caller.tier == Tier::Readonly,
            pull: Pull::Missing,
        }
    }
}
