//! The stages of a plan, solved side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use praxis_layer::{Compression, Ownership, Timestamp, TreePath};
use praxis_oci::{Digest, Hasher};
use praxis_plan::{Operation, Origin, Plan, Stage, StageBase};
use praxis_store::Store;
use serde::{Deserialize, Serialize};

use crate::compress::Compressor;
use crate::event::{Event, Events};
use crate::files::{self, PreparedCopy};
use crate::images::{Images, NamedContext};
use crate::layers::{LayerHandle, Workshop};
use crate::mounts::{BindMaker, Origins};
use crate::numbers::{Numbers, stages_of};
use crate::output_lines::Lines;
use crate::remote::{Access, Context};
use crate::run::{Prepared, RunSettings};
use crate::site::SiteLoan;
use crate::source::SourceTree;
use crate::state::State;
use crate::step_cache::ImportedCache;
use crate::waiting::{Permits, Slot};
use crate::{ErrorKind, SolveError};

/// What a solver works with, besides the plan.
pub struct Workplace {
    /// The store.
    pub store: Arc<Store>,
    /// Whether inodes can have the owners that listings say.
    pub ownership: Ownership,
    /// Threads for hashing and compression.
    pub threads: usize,
    /// `--build-context`.
    pub named: BTreeMap<String, NamedContext>,
}

/// Names and settings of one build.
pub struct SolveSettings {
    /// Times later than this become this.
    pub epoch: Timestamp,
    /// What the machine lends to RUN.
    pub site: SiteLoan,
    /// Secrets by id.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// ssh agents' sockets by id.
    pub ssh: BTreeMap<String, PathBuf>,
    /// `--add-host`, name and address.
    pub add_hosts: Vec<(String, String)>,
    /// Whether `RUN --security=insecure` is allowed.
    pub allow_insecure: bool,
    /// Steps at once; 0 means as many as are ready.
    pub jobs: usize,
    /// Compression of new layers.
    pub compression: Compression,
    /// Whether the target's layers are wanted as blobs.
    pub blobs: bool,
    /// Find out what is cached, run nothing.
    pub dry_run: bool,
    /// What makes this build the same build as an earlier one, for reuse of compressed blocks.
    pub slot: String,
    /// Caches from elsewhere, asked in order for what the store has not.
    pub imports: Vec<Arc<ImportedCache>>,
}

/// A solver: base images and contexts of one build.
pub struct Solver {
    workshop: Arc<Workshop>,
    images: Images,
    context: Option<Context>,
    directories: BTreeMap<String, Context>,
}

/// What a plan became.
pub struct Solution {
    pub(crate) workshop: Arc<Workshop>,
    pub(crate) layers: Vec<Arc<LayerHandle>>,
    pub(crate) state: State,
    /// Steps that do something, and how many of them were in the store.
    pub steps: usize,
    /// Steps that were in the store.
    pub cached: usize,
    /// For a dry run: one line a step.
    pub outlook: Vec<String>,
    /// The result of each step.
    pub(crate) solved: Vec<SolvedStep>,
}

/// The result of one step.
pub(crate) struct SolvedStep {
    pub key: Digest,
    pub layer: Arc<LayerHandle>,
    /// Whether the layer is one of the image's.
    pub of_image: bool,
}

/// What the store records under a step's key.
#[derive(Serialize, Deserialize)]
pub(crate) struct StepRecord {
    pub layer: Digest,
}

impl Solver {
    /// A solver over `workplace`. `context` is the main build context, `directories` the named ones.
    pub fn new(
        workplace: Workplace,
        context: Option<Context>,
        directories: BTreeMap<String, Context>,
    ) -> Solver {
        let Workplace {
            store,
            ownership,
            threads,
            named,
        } = workplace;
        let workshop = Arc::new(Workshop {
            store,
            ownership,
            threads,
        });
        let images = Images::new(workshop.clone(), named);
        Solver {
            workshop,
            images,
            context,
            directories,
        }
    }

    /// What names in the Dockerfile stand for.
    pub fn bases(&self) -> &dyn praxis_plan::Bases {
        &self.images
    }

    /// Solves `plan`.
    ///
    /// # Errors
    /// The first error of any stage, with the line of its step. Finished steps stay in the store.
    pub fn solve(
        &self,
        plan: &Plan,
        settings: SolveSettings,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<Solution, SolveError> {
        let run = RunSettings {
            site: settings.site.clone(),
            secrets: settings.secrets.clone(),
            ssh: settings.ssh.clone(),
            add_hosts: settings.add_hosts.clone(),
            epoch: settings.epoch,
            allow_insecure: settings.allow_insecure,
        };
        let numbers = Numbers::of(plan);
        events.event(Event::Planned {
            steps: numbers.infos.clone(),
        });
        let chain = chain_of(plan);
        let compressor = Compressor::new(settings.compression);
        let work = Work {
            solver: self,
            plan,
            settings: &settings,
            run,
            numbers,
            events,
            cancel,
            failed: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            slots: plan.stages.iter().map(|_| Slot::default()).collect(),
            permits: Permits::new(settings.jobs),
            compressor: (settings.blobs && !settings.dry_run).then_some(&compressor),
            chain,
            cached: AtomicUsize::new(0),
            pending: Mutex::default(),
            outlook: Mutex::default(),
            keys: Mutex::default(),
            solved: Mutex::default(),
        };
        let outcome = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| work.watch());
            let _watching = Watching(&work.finished, watcher.thread().clone());
            let workers: Vec<_> = (0..2)
                .map(|_| spawn_deep(scope, || compressor.work(&work.failed)))
                .collect();
            let stages: Vec<_> = (0..plan.stages.len())
                .map(|index| {
                    let work = &work;
                    spawn_deep(scope, move || work.stage(index))
                })
                .collect();
            let mut errors = Vec::new();
            for stage in stages {
                errors.extend(stage.join().expect("a stage does not panic"));
            }
            compressor.close();
            for worker in workers {
                errors.extend(worker.join().expect("a compressor does not panic"));
            }
            // What was only stopped because of another error says nothing.
            let cause = errors.iter().position(|error| error.kind != ErrorKind::Cancelled);
            (!errors.is_empty()).then(|| errors.swap_remove(cause.unwrap_or(0)))
        });
        work.record_pending();
        work.warn_of_imports();
        if let Some(error) = outcome {
            return Err(error);
        }
        let state = match &*work.slots[plan.target].value.lock().expect("no panic while held") {
            Some(Ok(state)) => state.clone(),
            _ if work.settings.dry_run => State::default(),
            _ => return Err(SolveError::cancelled()),
        };
        let mut outlook = work.outlook.into_inner().expect("no panic while held");
        outlook.sort();
        Ok(Solution {
            workshop: self.workshop.clone(),
            layers: state.layers().to_vec(),
            state,
            steps: work.numbers.infos.len(),
            cached: work.cached.load(Ordering::Relaxed),
            outlook: outlook.into_iter().map(|(_, line)| line).collect(),
            solved: work.solved.into_inner().expect("no panic while held"),
        })
    }
}

/// Stages whose layers end up in the target: the target and the stages it starts from.
fn chain_of(plan: &Plan) -> Vec<bool> {
    let mut chain = vec![false; plan.stages.len()];
    let mut next = Some(plan.target);
    while let Some(index) = next {
        chain[index] = true;
        next = match plan.stages[index].base {
            StageBase::Stage(base) => Some(base),
            _ => None,
        };
    }
    chain
}

/// Ends the watch when dropped, also by a panic.
struct Watching<'a>(&'a AtomicBool, std::thread::Thread);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.unpark();
    }
}

struct Work<'a> {
    solver: &'a Solver,
    plan: &'a Plan,
    settings: &'a SolveSettings,
    run: RunSettings,
    numbers: Numbers,
    events: &'a dyn Events,
    cancel: &'a AtomicBool,
    /// Set by the first failure: the others stop at their next step.
    failed: AtomicBool,
    /// All stages have ended.
    finished: AtomicBool,
    slots: Vec<Slot>,
    permits: Permits,
    compressor: Option<&'a Compressor>,
    chain: Vec<bool>,
    cached: AtomicUsize,
    /// Results that may be recorded once their layer has a blob or a snapshot.
    pending: Mutex<Vec<(Digest, Arc<LayerHandle>)>>,
    outlook: Mutex<Vec<(usize, String)>>,
    /// Keys of steps by number, as they become known.
    keys: Mutex<BTreeMap<usize, Digest>>,
    solved: Mutex<Vec<SolvedStep>>,
}

impl Origins for Work<'_> {
    fn tree(&self, origin: &Origin) -> Result<Box<dyn SourceTree + '_>, SolveError> {
        Ok(match origin {
            Origin::Context => match &self.solver.context {
                Some(context) => Box::new(context.clone()),
                None => Box::new(State::default().source("the build context, which is empty".into())?),
            },
            Origin::Stage(index) => {
                let name = format!("stage {}", self.plan.stages[*index].name);
                Box::new(self.stage_state(*index)?.source(name)?)
            }
            Origin::Image(image) => {
                let mut state = State::default();
                for layer in self.solver.images.layers(image)? {
                    state.push(layer)?;
                }
                Box::new(state.source(format!("image {}", image.reference))?)
            }
            Origin::Directory(name) => Box::new(self.solver.directory(name)?),
            Origin::Scratch => Box::new(State::default().source("scratch".into())?),
        })
    }
}

impl Solver {
    fn directory(&self, name: &str) -> Result<Context, SolveError> {
        let found = self.directories.get(name).cloned();
        found.ok_or_else(|| SolveError::internal(format!("the context {name} was not opened")))
    }
}

/// Starts a thread whose stack is large enough for the deepest paths there can be (2,048 components).
fn spawn_deep<'scope, T: Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> std::thread::ScopedJoinHandle<'scope, T> {
    let builder = std::thread::Builder::new().stack_size(32 << 20);
    builder
        .spawn_scoped(scope, work)
        .expect("the machine lets us start a thread")
}

impl Work<'_> {
    fn stage_state(&self, index: usize) -> Result<State, SolveError> {
        self.slots[index].wait()
    }

    fn access(&self) -> Access<'_> {
        Access {
            site: &self.run.site,
            secrets: &self.run.secrets,
            ssh: &self.run.ssh,
            stop: &self.failed,
        }
    }

    fn stopped(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    /// Until the work is finished, passes on that somebody asked to stop to all that looks at `failed`.
    fn watch(&self) {
        while !self.finished.load(Ordering::Relaxed) {
            if self.cancel.load(Ordering::Relaxed) {
                self.failed.store(true, Ordering::Relaxed);
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    fn stage(&self, index: usize) -> Option<SolveError> {
        // A panic must not leave the stages waiting that need this one.
        let solved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.solve_stage(index)));
        match solved.unwrap_or_else(|_| Err(SolveError::internal("a build step panicked"))) {
            Ok(state) => {
                self.slots[index].set(Ok(state));
                None
            }
            Err(error) if self.settings.dry_run && error.kind == ErrorKind::Cancelled => {
                self.slots[index].set(Err(()));
                self.foresee_rest(index);
                None
            }
            Err(error) => {
                self.failed.store(true, Ordering::Relaxed);
                self.slots[index].set(Err(()));
                Some(error)
            }
        }
    }

    fn solve_stage(&self, index: usize) -> Result<State, SolveError> {
        let stage = &self.plan.stages[index];
        let mut number = self.numbers.of_stage[index];
        if let StageBase::Stage(below) = stage.base {
            self.stage_state(below)?;
        }
        let started = Instant::now();
        self.events.event(Event::Started { step: number });
        let mut state = self
            .base(stage)
            .map_err(|error| self.step_failed(number, error, stage.base_line))?;
        self.cached.fetch_add(1, Ordering::Relaxed);
        if !matches!(stage.base, StageBase::Stage(_)) {
            state
                .layers()
                .iter()
                .for_each(|layer| self.note_base(number, layer));
        }
        self.events.event(Event::Finished {
            step: number,
            cached: true,
            took: started.elapsed(),
        });
        self.compress(index, state.layers());
        let mut known = true;
        for step in stage
            .steps
            .iter()
            .filter(|step| step.operation != Operation::Metadata)
        {
            number += 1;
            if self.stopped() {
                return Err(SolveError::cancelled());
            }
            // What a step waits for is not its own time.
            for source in stages_of(&step.operation) {
                self.stage_state(source)?;
            }
            let started = Instant::now();
            self.events.event(Event::Started { step: number });
            if self.settings.dry_run && !known {
                self.foresee(number, false);
                continue;
            }
            let no_cache = step.no_cache;
            let result = self.step(index, &step.operation, no_cache, number, &mut state);
            let (cached, layer) = result.map_err(|error| self.step_failed(number, error, step.line))?;
            if cached {
                self.cached.fetch_add(1, Ordering::Relaxed);
            }
            match layer {
                Some(layer) => {
                    if !cached {
                        self.warn_of_removals(&layer, number)?;
                    }
                    self.compress(index, std::slice::from_ref(&layer));
                    self.note_solved(index, number, &layer);
                    state.push(layer)?;
                }
                None => known = false,
            }
            if self.settings.dry_run {
                self.foresee(number, cached);
            }
            self.events.event(Event::Finished {
                step: number,
                cached,
                took: started.elapsed(),
            });
        }
        if self.settings.dry_run && !known {
            // What comes from this stage is not known: its users would run too.
            return Err(SolveError::cancelled());
        }
        Ok(state)
    }

    fn foresee(&self, number: usize, cached: bool) {
        let info = &self.numbers.infos[number];
        let what = if cached { "cached" } else { "run   " };
        let line = format!(
            "{what}  [{} {}/{}] {}",
            info.stage, info.position, info.count, info.name
        );
        self.outlook
            .lock()
            .expect("no panic while held")
            .push((number, line));
    }

    /// Steps of a stage that nothing was said about would run.
    fn foresee_rest(&self, index: usize) {
        let first = self.numbers.of_stage[index];
        for number in first + 1..first + self.numbers.infos[first].count {
            let said = |(known, _): &(usize, String)| *known == number;
            if !self.outlook.lock().expect("no panic while held").iter().any(said) {
                self.foresee(number, false);
            }
        }
    }

    fn step_failed(&self, number: usize, error: SolveError, line: usize) -> SolveError {
        if error.kind != ErrorKind::Cancelled {
            self.events.event(Event::Failed {
                step: number,
                error: error.message.clone(),
            });
        }
        error.at_line(line)
    }

    fn base(&self, stage: &Stage) -> Result<State, SolveError> {
        let mut state = State::default();
        match &stage.base {
            StageBase::Scratch => {}
            StageBase::Stage(index) => state = self.stage_state(*index)?,
            StageBase::Image(image) => {
                for layer in self.solver.images.layers(image)? {
                    state.push(layer)?;
                }
            }
            StageBase::Directory(name) => {
                let directory = self.solver.directory(name)?;
                let layer =
                    crate::directory_base::layer(&self.solver.workshop, &directory, self.settings.epoch)?;
                state.push(Arc::new(layer))?;
            }
        }
        Ok(state)
    }

    fn compress(&self, stage: usize, layers: &[Arc<LayerHandle>]) {
        if let Some(compressor) = self.compressor.filter(|_| self.chain[stage]) {
            layers.iter().for_each(|layer| compressor.add(layer.clone()));
        }
    }

    /// Does one step: whether it was cached, and its layer (none if a dry run would have to make it).
    fn step(
        &self,
        stage: usize,
        operation: &Operation,
        no_cache: bool,
        number: usize,
        state: &mut State,
    ) -> Result<(bool, Option<Arc<LayerHandle>>), SolveError> {
        let (workshop, epoch) = (&self.solver.workshop, self.settings.epoch);
        match operation {
            Operation::Run(run) => {
                let binds = BindMaker {
                    workshop,
                    origins: self,
                };
                let prepared = Prepared::new(run, &binds)?;
                let key = prepared.key(state, &self.run);
                self.note_key(number, key);
                if let Some(found) = self.found(&key, no_cache) {
                    return Ok((true, Some(found)));
                }
                if self.settings.dry_run {
                    return Ok((false, None));
                }
                let mut lines = Lines::new(self.events, number);
                let made = self.permits.with(|| {
                    let stop = &self.failed;
                    prepared.execute(
                        workshop,
                        state,
                        &self.run,
                        no_cache,
                        &mut |stream, bytes| lines.take(stream, bytes),
                        stop,
                    )
                });
                lines.finish();
                let made = Arc::new(made?);
                workshop
                    .store
                    .put_record(&key, &StepRecord { layer: made.id() })?;
                Ok((false, Some(made)))
            }
            Operation::Copy(copy) => {
                let mut prepared = PreparedCopy::new(workshop, copy, self, &self.access(), epoch)?;
                let key = prepared.key(state, epoch);
                self.note_key(number, key);
                let found = self.found(&key, no_cache);
                if found.is_some() || self.settings.dry_run {
                    self.warn(&prepared.warnings, number);
                    return Ok((found.is_some(), found));
                }
                let (listing, content) = self.permits.with(|| prepared.build(workshop, state, epoch))?;
                self.warn(&prepared.warnings, number);
                let slot = self.slot_key(stage, number);
                let like = workshop
                    .store
                    .record::<StepRecord>(&slot)
                    .map(|record| record.layer);
                let made = Arc::new(LayerHandle::made(workshop, listing, content, like)?);
                let mut pending = self.pending.lock().expect("no panic while held");
                pending.push((key, made.clone()));
                pending.push((slot, made.clone()));
                Ok((false, Some(made)))
            }
            Operation::MakeDirectory(workdir) => {
                let key = files::workdir_key(workdir, state, epoch);
                self.note_key(number, key);
                let found = self.found(&key, no_cache);
                if found.is_some() || self.settings.dry_run {
                    return Ok((found.is_some(), found));
                }
                let listing = files::workdir(workdir, state, epoch)?;
                let made = Arc::new(LayerHandle::made(workshop, listing, Default::default(), None)?);
                self.pending
                    .lock()
                    .expect("no panic while held")
                    .push((key, made.clone()));
                Ok((false, Some(made)))
            }
            Operation::Metadata => Err(SolveError::internal("a step without work")),
        }
    }

    fn warn_of_removals(&self, layer: &LayerHandle, number: usize) -> Result<(), SolveError> {
        let says = |path: TreePath| {
            format!(
                "{path}: a file whose name begins with .wh. removes another when the image is unpacked; rename it"
            )
        };
        let warnings: Vec<String> = layer.removals_in_disguise()?.into_iter().map(says).collect();
        self.warn(&warnings, number);
        Ok(())
    }

    fn warn(&self, warnings: &[String], number: usize) {
        for message in warnings {
            self.events.event(Event::Warning {
                code: "Unsafe".into(),
                message: message.clone(),
                line: self.numbers.infos[number].line,
            });
        }
    }

    fn slot_key(&self, stage: usize, number: usize) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(b"slot");
        hasher.field(self.settings.slot.as_bytes());
        hasher.field(self.plan.stages[stage].name.as_bytes());
        hasher.field(&(number - self.numbers.of_stage[stage]).to_le_bytes());
        hasher.finish()
    }

    fn found(&self, key: &Digest, no_cache: bool) -> Option<Arc<LayerHandle>> {
        if no_cache {
            return None;
        }
        let workshop = &self.solver.workshop;
        if let Some(record) = workshop.store.record::<StepRecord>(key) {
            let handle = LayerHandle::stored(workshop, record.layer);
            if handle.is_recoverable() {
                return Some(Arc::new(handle));
            }
            workshop.store.remove_record(key);
        }
        let mut imports = self.settings.imports.iter();
        imports.find_map(|cache| cache.find(workshop, key)).map(Arc::new)
    }

    fn note_key(&self, number: usize, key: Digest) {
        self.keys.lock().expect("no panic while held").insert(number, key);
    }

    fn note_base(&self, number: usize, layer: &LayerHandle) {
        self.events.event(Event::Layer {
            step: number,
            key: None,
            layer: layer.id(),
        });
    }

    fn note_solved(&self, stage: usize, number: usize, layer: &Arc<LayerHandle>) {
        let key = self
            .keys
            .lock()
            .expect("no panic while held")
            .get(&number)
            .copied();
        self.events.event(Event::Layer {
            step: number,
            key,
            layer: layer.id(),
        });
        if let Some(key) = key {
            self.solved.lock().expect("no panic while held").push(SolvedStep {
                key,
                layer: layer.clone(),
                of_image: self.chain[stage],
            });
        }
    }

    fn warn_of_imports(&self) {
        let imports = self.settings.imports.iter();
        for message in imports.flat_map(|cache| cache.take_warnings()) {
            let code = "Cache".into();
            self.events.event(Event::Warning {
                code,
                message,
                line: None,
            });
        }
    }

    fn record_pending(&self) {
        for (key, layer) in self.pending.lock().expect("no panic while held").drain(..) {
            if layer.is_recoverable() {
                // A record that cannot be written only costs time later.
                let _ = self
                    .solver
                    .workshop
                    .store
                    .put_record(&key, &StepRecord { layer: layer.id() });
            }
        }
    }
}
