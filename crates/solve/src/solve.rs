//! The stages of a plan, solved side by side.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use praxis_layer::{Compression, Ownership, Timestamp, TreePath};
use praxis_oci::{Digest, Hasher, Platform};
use praxis_plan::{Operation, Origin, Plan, Stage, StageBase};
use praxis_store::Store;
use serde::{Deserialize, Serialize};

use crate::crew::{Crew, spawn_deep};
use crate::event::{Event, Events};
use crate::files::{self, PreparedCopy};
use crate::images::{Images, NamedContext, Pull, RemoteImages};
use crate::layers::{LayerHandle, Workshop};
use crate::mounts::{BindMaker, Origins};
use crate::numbers::{Numbers, origins_of};
use crate::output_lines::Lines;
use crate::promise::Promise;
use crate::remote::{Access, Context};
use crate::run::{Prepared, RunSettings, StepLimits};
use crate::site::SiteLoan;
use crate::source::SourceTree;
use crate::state::State;
use crate::step_cache::ImportedCache;
use crate::waiting::{Slot, Turns};
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
    /// What other plans of the same build become, by the names of [`NamedContext::Promised`].
    pub promised: BTreeMap<String, Vec<Arc<Promise>>>,
    /// Images that are not in the store; `None`: there are none.
    pub remote: Option<Arc<dyn RemoteImages>>,
    /// Whether registries are asked also for names that the store has.
    pub pull: Pull,
    /// Shared by all that work at the same time: what one makes, another waits for.
    pub turns: Arc<Turns>,
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
    /// Private keys by id, as their files hold them.
    pub ssh_keys: BTreeMap<String, Vec<Vec<u8>>>,
    /// `--shm-size` and `--ulimit`.
    pub limits: StepLimits,
    /// `--add-host`, name and address.
    pub add_hosts: Vec<(String, String)>,
    /// Whether `RUN --security=insecure` is allowed.
    pub allow_insecure: bool,
    /// Who looks at RUN steps that fail.
    pub on_error: Option<crate::OnError>,
    /// Compressions in which the target's layers are wanted as blobs.
    pub blobs: Vec<Compression>,
    /// Find out what is cached, run nothing.
    pub dry_run: bool,
    /// What makes this build the same build as an earlier one, for reuse of compressed blocks.
    pub slot: String,
    /// Caches from elsewhere, asked in order for what the store has not.
    pub imports: Vec<Arc<ImportedCache>>,
    /// Id of the build; empty for one that leaves no record.
    pub build: String,
    /// Which of several plans this is, for display: stands before the names of its stages.
    pub label: Label,
    /// What others were promised of this plan.
    pub promise: Option<Arc<Promise>>,
}

/// Which of several plans that are solved at once this is.
#[derive(Clone, Debug, Default)]
pub struct Label {
    /// A target of bake.
    pub target: Option<String>,
    /// One of several platforms.
    pub platform: Option<Platform>,
}

impl Label {
    /// `api linux/arm64`; a stage for another platform than the image's has both.
    fn of_stage(&self, stage: &Stage) -> String {
        let platform = self.platform.as_ref().map(|platform| {
            if stage.platform == *platform {
                return platform.to_string();
            }
            let to = platform.to_string();
            let same = to.strip_prefix(&format!("{}/", stage.platform.os));
            format!("{}->{}", stage.platform, same.unwrap_or(&to))
        });
        [self.target.clone(), platform]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" ")
    }
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
        let workshop = Workshop::of(&workplace);
        let images = Images::new(workshop.clone(), workplace.named, workplace.promised)
            .with_remote(workplace.remote, workplace.pull);
        Solver {
            workshop,
            images,
            context,
            directories,
        }
    }

    /// Images that a plan needs, that are not in the store and may not be fetched, with the reason for each.
    pub fn missing(&self) -> BTreeMap<String, String> {
        self.images.missing()
    }

    /// What names in the Dockerfile stand for.
    pub fn bases(&self) -> &dyn praxis_plan::Bases {
        &self.images
    }

    /// Takes on `plan` for `crew` and announces its steps. Plans that are solved at once are taken on one after the
    /// other, so that their steps have the same numbers every time.
    pub fn job<'a>(
        &'a self,
        plan: &'a Plan,
        settings: &'a SolveSettings,
        crew: &'a Crew<'a>,
        events: &'a dyn Events,
    ) -> Job<'a> {
        let label = |stage: &Stage| settings.label.of_stage(stage);
        let count = Numbers::of(plan, 0, &label).infos.len();
        let numbers = Numbers::of(plan, crew.take_numbers(count), &label);
        events.event(Event::Planned {
            first: numbers.first,
            steps: numbers.infos.clone(),
        });
        Job {
            solver: self,
            plan,
            settings,
            crew,
            events,
            run: RunSettings {
                site: settings.site.clone(),
                secrets: settings.secrets.clone(),
                ssh: settings.ssh.clone(),
                ssh_keys: settings.ssh_keys.clone(),
                limits: settings.limits.clone(),
                add_hosts: settings.add_hosts.clone(),
                epoch: settings.epoch,
                allow_insecure: settings.allow_insecure,
                build: settings.build.clone(),
                on_error: settings.on_error.clone(),
            },
            numbers,
            slots: plan.stages.iter().map(|_| Slot::default()).collect(),
            chain: chain_of(plan),
            cached: AtomicUsize::new(0),
            pending: Mutex::default(),
            outlook: Mutex::default(),
            keys: Mutex::default(),
            solved: Mutex::default(),
        }
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

/// One plan with those who solve it.
pub struct Job<'a> {
    solver: &'a Solver,
    plan: &'a Plan,
    settings: &'a SolveSettings,
    crew: &'a Crew<'a>,
    events: &'a dyn Events,
    run: RunSettings,
    numbers: Numbers,
    slots: Vec<Slot>,
    chain: Vec<bool>,
    cached: AtomicUsize,
    /// Results that may be recorded once their layer has a blob or a snapshot.
    pending: Mutex<Vec<(Digest, Arc<LayerHandle>)>>,
    outlook: Mutex<Vec<(usize, String)>>,
    /// Keys of steps by number, as they become known.
    keys: Mutex<BTreeMap<usize, Digest>>,
    solved: Mutex<Vec<SolvedStep>>,
}

impl Job<'_> {
    pub(crate) fn promise(&self) -> Option<Arc<Promise>> {
        self.settings.promise.clone()
    }

    /// Solves the plan.
    ///
    /// # Errors
    /// The first error of any stage, with the line of its step; then the whole crew is stopped. Finished steps stay in
    /// the store. What was only stopped because of an error elsewhere says [`ErrorKind::Cancelled`].
    pub(crate) fn solve(self) -> Result<Solution, SolveError> {
        let mut errors = std::thread::scope(|scope| {
            let stages: Vec<_> = (0..self.plan.stages.len())
                .map(|index| {
                    let job = &self;
                    spawn_deep(scope, move || job.stage(index))
                })
                .collect();
            let mut errors = Vec::new();
            for stage in stages {
                errors.extend(stage.join().expect("a stage does not panic"));
            }
            errors
        });
        if errors.is_empty() {
            errors.extend(self.blobs().err());
        }
        errors.extend(self.crew.compression_error());
        self.record_pending();
        self.warn_of_imports();
        if !errors.is_empty() {
            self.crew.stop();
            // What was only stopped because of another error says nothing.
            let cause = errors.iter().position(|error| error.kind != ErrorKind::Cancelled);
            return Err(errors.swap_remove(cause.unwrap_or(0)));
        }
        let state = match &*self.slots[self.plan.target]
            .value
            .lock()
            .expect("no panic while held")
        {
            Some(Ok(state)) => state.clone(),
            _ if self.settings.dry_run => State::default(),
            _ => return Err(SolveError::cancelled()),
        };
        let mut outlook = self.outlook.into_inner().expect("no panic while held");
        outlook.sort();
        Ok(Solution {
            workshop: self.solver.workshop.clone(),
            layers: state.layers().to_vec(),
            state,
            steps: self.numbers.infos.len(),
            cached: self.cached.load(Ordering::Relaxed),
            outlook: outlook.into_iter().map(|(_, line)| line).collect(),
            solved: self.solved.into_inner().expect("no panic while held"),
        })
    }

    /// Waits for the blobs of the target's layers, or makes those that nobody has begun.
    fn blobs(&self) -> Result<(), SolveError> {
        if self.settings.dry_run || self.settings.blobs.is_empty() {
            return Ok(());
        }
        let state = self.stage_state(self.plan.target)?;
        for layer in state.layers() {
            for compression in &self.settings.blobs {
                if self.stopped() {
                    return Err(SolveError::cancelled());
                }
                layer.blob(*compression)?;
            }
        }
        Ok(())
    }
}

impl Origins for Job<'_> {
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
                    state.push(layer);
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

impl Job<'_> {
    fn stage_state(&self, index: usize) -> Result<State, SolveError> {
        self.slots[index].wait()
    }

    fn access(&self) -> Access<'_> {
        Access {
            site: &self.run.site,
            secrets: &self.run.secrets,
            ssh: &self.run.ssh,
            stop: &self.crew.stop,
        }
    }

    fn stopped(&self) -> bool {
        self.crew.is_stopped()
    }

    fn set(&self, index: usize, value: Result<State, ()>) {
        if let Some(promise) = self
            .settings
            .promise
            .as_ref()
            .filter(|_| index == self.plan.target)
        {
            match &value {
                Ok(state) => promise.keep(state.clone()),
                Err(()) => promise.give_up(),
            }
        }
        self.slots[index].set(value);
    }

    fn stage(&self, index: usize) -> Option<SolveError> {
        // A panic must not leave the stages waiting that need this one.
        let solved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.solve_stage(index)));
        match solved.unwrap_or_else(|_| Err(SolveError::internal("a build step panicked"))) {
            Ok(state) => {
                self.set(index, Ok(state));
                None
            }
            Err(error) if self.settings.dry_run && error.kind == ErrorKind::Cancelled => {
                self.set(index, Err(()));
                self.foresee_rest(index);
                None
            }
            Err(error) => {
                self.crew.stop();
                self.set(index, Err(()));
                Some(error)
            }
        }
    }

    fn solve_stage(&self, index: usize) -> Result<State, SolveError> {
        let stage = &self.plan.stages[index];
        let mut number = self.numbers.of_stage[index];
        match &stage.base {
            StageBase::Stage(below) => drop(self.stage_state(*below)?),
            StageBase::Image(image) => self.solver.images.wait(image)?,
            _ => {}
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
            let (stages, images) = origins_of(&step.operation);
            for source in stages {
                self.stage_state(source)?;
            }
            for image in images {
                self.solver.images.wait(image)?;
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
                    state.push(layer);
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
        let what = if cached { "cached" } else { "run   " };
        let line = format!("{what}  {}", self.shown(number));
        self.outlook
            .lock()
            .expect("no panic while held")
            .push((number, line));
    }

    /// A step as people know it.
    fn shown(&self, number: usize) -> String {
        let info = self.numbers.info(number);
        let stage = if info.stage.is_empty() {
            String::new()
        } else {
            format!("{} ", info.stage)
        };
        format!("[{stage}{}/{}] {}", info.position, info.count, info.name)
    }

    /// Steps of a stage that nothing was said about would run.
    fn foresee_rest(&self, index: usize) {
        let first = self.numbers.of_stage[index];
        for number in first + 1..first + self.numbers.info(first).count {
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
                    state.push(layer);
                }
            }
            StageBase::Directory(name) => {
                let directory = self.solver.directory(name)?;
                let layer =
                    crate::directory_base::layer(&self.solver.workshop, &directory, self.settings.epoch)?;
                state.push(Arc::new(layer));
            }
        }
        Ok(state)
    }

    fn compress(&self, stage: usize, layers: &[Arc<LayerHandle>]) {
        if self.settings.dry_run || !self.chain[stage] {
            return;
        }
        for compression in &self.settings.blobs {
            let add = |layer: &Arc<LayerHandle>| self.crew.compressor.add(layer.clone(), *compression);
            layers.iter().for_each(add);
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
                let prepared = Prepared::new(run, &binds)?.named(self.shown(number));
                let key = prepared.key(state, &self.run);
                self.note_key(number, key);
                self.once(key, no_cache, || {
                    let mut lines = Lines::new(self.events, number);
                    let made = self.crew.permits.with(|| {
                        prepared.execute(
                            workshop,
                            state,
                            &self.run,
                            no_cache,
                            &mut |stream, bytes| lines.take(stream, bytes),
                            &self.crew.stop,
                        )
                    });
                    lines.finish();
                    let made = Arc::new(made?);
                    let record = StepRecord { layer: made.id() };
                    workshop.store.put_record(&key, &record)?;
                    Ok(made)
                })
            }
            Operation::Copy(copy) => {
                let mut prepared = PreparedCopy::new(workshop, copy, self, &self.access(), epoch)?;
                let key = prepared.key(state, epoch);
                self.note_key(number, key);
                let made = self.once(key, no_cache, || {
                    let (listing, content) = self
                        .crew
                        .permits
                        .with(|| prepared.build(workshop, state, epoch))?;
                    let slot = self.slot_key(stage, number);
                    let like = workshop
                        .store
                        .record::<StepRecord>(&slot)
                        .map(|record| record.layer);
                    let made = Arc::new(LayerHandle::made(workshop, listing, content, like)?);
                    let mut pending = self.pending.lock().expect("no panic while held");
                    pending.push((key, made.clone()));
                    pending.push((slot, made.clone()));
                    Ok(made)
                });
                self.warn(&prepared.warnings, number);
                made
            }
            Operation::MakeDirectory(workdir) => {
                let key = files::workdir_key(workdir, state, epoch);
                self.note_key(number, key);
                self.once(key, no_cache, || {
                    let listing = files::workdir(workdir, state, epoch)?;
                    let made = Arc::new(LayerHandle::made(workshop, listing, Default::default(), None)?);
                    let mut pending = self.pending.lock().expect("no panic while held");
                    pending.push((key, made.clone()));
                    Ok(made)
                })
            }
            Operation::Metadata => Err(SolveError::internal("a step without work")),
        }
    }

    /// The layer of the step `key`: from this build, where another plan or stage may have come first, or from the store,
    /// or else made now. Whoever makes it lets the others wait; when that fails they try themselves.
    fn once(
        &self,
        key: Digest,
        no_cache: bool,
        make: impl FnOnce() -> Result<Arc<LayerHandle>, SolveError>,
    ) -> Result<(bool, Option<Arc<LayerHandle>>), SolveError> {
        let mut hasher = Hasher::new();
        hasher.field(b"step");
        hasher.update(key.as_bytes());
        // A step that may not come from the cache takes nothing from one that may.
        hasher.field(&[u8::from(no_cache)]);
        let turn = hasher.finish();
        self.solver.workshop.turns.with(turn, || {
            if self.stopped() {
                return Err(SolveError::cancelled());
            }
            let found = self.crew.result(&turn).or_else(|| self.found(&key, no_cache));
            if let Some(found) = found {
                self.crew.keep_result(turn, found.clone());
                return Ok((true, Some(found)));
            }
            if self.settings.dry_run {
                return Ok((false, None));
            }
            let made = make()?;
            self.crew.keep_result(turn, made.clone());
            Ok((false, Some(made)))
        })
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
                line: self.numbers.info(number).line,
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
