//! One build, or several as one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_solve::{Crew, ErrorKind, Event, Events, Job, Promise, Solution, SolveError, Turns};
use praxis_store::Store;

use crate::caches::Caching;
use crate::history::Recorder;
use crate::outputs::Outputs;
use crate::registry::{Remote, missing_images};
use crate::target::Target;
use crate::{BuildRequest, BuildResponse, Engine, EngineError};

/// One of several builds that are made as one.
#[derive(Clone, Debug)]
pub struct BuildTarget {
    /// Its name: for display, and for other targets. A context of another target with the value `target:NAME`
    /// (in [`BuildRequest::build_contexts`]) is the result of this one, for `FROM`, `COPY --from` and mounts.
    pub name: String,
    /// What to build.
    pub request: BuildRequest,
}

impl Engine {
    /// Builds an image, for one or several platforms.
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
        let mut responses = self.build_all(&[(None, request)], events, cancel)?;
        responses
            .pop()
            .ok_or_else(|| SolveError::internal("a build without a result").into())
    }

    /// Builds several targets as one build: steps that targets have in common are made once, all share the places of
    /// `jobs` (the most that any of the requests asks for), and a target that uses others waits for no more of them
    /// than it takes. Everything is planned before anything runs, and all is solved before outputs are written, in the
    /// order of the targets. Responses are in that order too.
    ///
    /// # Errors
    /// The first failure of any target, which stops the others; the message begins with the target's name. Also if
    /// targets use each other in a circle, or one uses a target that is not there.
    pub fn build_group(
        &self,
        targets: &[BuildTarget],
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<Vec<BuildResponse>, EngineError> {
        let named = targets.iter();
        let named: Vec<_> = named
            .map(|target| (Some(target.name.as_str()), &target.request))
            .collect();
        self.build_all(&named, events, cancel)
    }

    fn build_all(
        &self,
        requests: &[(Option<&str>, &BuildRequest)],
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<Vec<BuildResponse>, EngineError> {
        let order = in_order(requests)?;
        let begin = |(_, request): &(_, &BuildRequest)| Recorder::begin(request, events);
        let recorders: Vec<Recorder<'_>> = requests.iter().map(begin).collect();
        let outcome = self.build_recorded(requests, &order, &recorders, cancel);
        for (index, (recorder, (_, request))) in recorders.into_iter().zip(requests).enumerate() {
            let own = match &outcome {
                Ok(responses) => Ok(responses[index].clone()),
                Err(failure) if failure.target == Some(index) => Err(failure.error.clone()),
                Err(_) => Err(SolveError::cancelled().into()),
            };
            if !request.dry_run {
                let record = recorder.finish(&own);
                self.keep_record(&record, events);
                self.record_build(&record, own.ok().and_then(|response| response.digest), events);
            }
        }
        outcome.map_err(|failure| failure.error)
    }

    pub(crate) fn build_recorded(
        &self,
        requests: &[(Option<&str>, &BuildRequest)],
        order: &[usize],
        recorders: &[Recorder<'_>],
        cancel: &AtomicBool,
    ) -> Result<Vec<BuildResponse>, Failure> {
        let store = self.store()?;
        let turns = Arc::<Turns>::default();
        let mut targets: Vec<Option<Target>> = requests.iter().map(|_| None).collect();
        let mut remotes: Vec<Option<Arc<Remote>>> = requests.iter().map(|_| None).collect();
        for &index in order {
            let mut workplace = self.workplace(store.clone());
            workplace.turns = turns.clone();
            let registries = &requests[index].1.registries;
            workplace.pull = registries.pull;
            let remote = registries.remote(&store);
            remotes[index] = Some(remote.clone());
            workplace.remote = Some(remote);
            for target in targets.iter().flatten() {
                let promises: Vec<Arc<Promise>> = target.promises().collect();
                workplace
                    .promised
                    .insert(target.name.unwrap_or_default().to_string(), promises);
            }
            let (name, request) = requests[index];
            let opened = Target::open(name, request, workplace, &recorders[index], cancel);
            match opened {
                Ok(target) => targets[index] = Some(target),
                Err(error) => {
                    refuse_missing(&targets)?;
                    return Err(Failure::of(index, error, name.map(String::from)));
                }
            }
        }
        refuse_missing(&targets)?;
        let group = Group {
            targets: targets.into_iter().flatten().collect(),
            store,
        };
        let outcome = group.run(cancel);
        for (index, target) in group.targets.iter().enumerate() {
            let warnings = remotes[index].iter().flat_map(|remote| remote.take_warnings());
            for message in warnings {
                let code = "Registry".into();
                target.events.event(Event::Warning {
                    code,
                    message,
                    line: None,
                });
            }
        }
        group
            .targets
            .iter()
            .for_each(|target| target.remember(&group.store));
        outcome
    }
}

/// An error, and the position of the target it is about.
pub(crate) struct Failure {
    target: Option<usize>,
    pub error: EngineError,
}

impl Failure {
    /// An error of one of several builds says which.
    fn of(target: usize, mut error: EngineError, label: Option<String>) -> Failure {
        if let Some(label) = label.filter(|_| error.kind != ErrorKind::Cancelled) {
            error.message = format!("{label}: {}", error.message);
        }
        Failure {
            target: Some(target),
            error,
        }
    }
}

impl<E: Into<EngineError>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            target: None,
            error: error.into(),
        }
    }
}

/// Without registries, all that is missing is told at once.
fn refuse_missing(targets: &[Option<Target>]) -> Result<(), EngineError> {
    let missing: BTreeMap<String, String> = targets
        .iter()
        .flatten()
        .flat_map(|target| target.solver.missing())
        .collect();
    missing_images(&missing)
}

/// The order in which targets can be planned: each after those it uses.
fn in_order(requests: &[(Option<&str>, &BuildRequest)]) -> Result<Vec<usize>, EngineError> {
    let position = |name: &str| requests.iter().position(|(known, _)| *known == Some(name));
    let mut order: Vec<usize> = Vec::new();
    let mut needs = Vec::new();
    for (name, request) in requests {
        let shown = name.unwrap_or_default();
        let used = request.build_contexts.values();
        let used = used.filter_map(|value| value.strip_prefix("target:"));
        let found = used.map(|used| {
            position(used).ok_or_else(|| {
                EngineError::user(format!(
                    "{shown}: target:{used}: there is no such target in this build"
                ))
                .with_hint("only targets of `praxis bake` can be used as contexts")
            })
        });
        needs.push(found.collect::<Result<Vec<usize>, EngineError>>()?);
    }
    while order.len() < requests.len() {
        let ready = |index: &usize| {
            !order.contains(index) && needs[*index].iter().all(|needed| order.contains(needed))
        };
        let Some(next) = (0..requests.len()).find(ready) else {
            let stuck = (0..requests.len()).filter(|index| !order.contains(index));
            let names: Vec<&str> = stuck.filter_map(|index| requests[index].0).collect();
            return Err(EngineError::user(format!(
                "the targets {} use each other in a circle",
                names.join(", ")
            )));
        };
        order.push(next);
    }
    Ok(order)
}

/// Targets that are built as one.
struct Group<'a> {
    targets: Vec<Target<'a>>,
    store: Arc<Store>,
}

/// Attempts of one build: each that fails over damage has removed it.
const TRIES: usize = 16;

fn worth_another_try(error: &EngineError) -> bool {
    error.kind != ErrorKind::Cancelled && error.exit_code.is_none()
}

impl Group<'_> {
    /// Solves, assembles and exports. What is found damaged meanwhile is removed from the store, so that a further
    /// attempt makes it anew.
    fn run(&self, cancel: &AtomicBool) -> Result<Vec<BuildResponse>, Failure> {
        let mut tries = TRIES;
        loop {
            let before = self.store.evictions();
            let built = self.attempt(cancel);
            tries -= 1;
            match &built {
                Err(failure)
                    if tries > 0 && worth_another_try(&failure.error) && self.store.evictions() > before => {}
                _ => return built,
            }
        }
    }

    fn attempt(&self, cancel: &AtomicBool) -> Result<Vec<BuildResponse>, Failure> {
        let solved = self.solve(cancel)?;
        let mut rest = solved.as_slice();
        let builds = self.targets.iter().map(|target| {
            let (own, others) = rest.split_at(target.variants.len());
            rest = others;
            (target.request, own)
        });
        let builds: Vec<Caching<'_>> = builds.collect();
        let mut responses = Vec::new();
        for (index, target) in self.targets.iter().enumerate() {
            let outputs = Outputs {
                target,
                solutions: builds[index].1,
                index,
                builds: &builds,
                store: &self.store,
            };
            let response = outputs.write();
            responses
                .push(response.map_err(|error| Failure::of(index, error, target.name.map(String::from)))?);
        }
        Ok(responses)
    }

    /// The solutions of all targets' platforms, one after the other.
    fn solve(&self, cancel: &AtomicBool) -> Result<Vec<Solution>, Failure> {
        let mut settings = Vec::new();
        for (index, target) in self.targets.iter().enumerate() {
            target.promises().for_each(|promise| promise.reset());
            for variant in &target.variants {
                let label = || target.name.map(String::from);
                let made = target.solve_settings(variant);
                let made = made.map_err(|error| Failure::of(index, error, label()))?;
                settings.push((index, target, variant, made));
            }
        }
        let most = self.targets.iter().map(|target| match target.request.jobs {
            0 => usize::MAX,
            jobs => jobs,
        });
        let most = most.max().filter(|most| *most < usize::MAX).unwrap_or(0);
        let solved = Crew::gather(most, cancel, |crew| {
            let taken_on = settings.iter();
            let jobs: Vec<Job<'_>> = taken_on
                .map(|(_, target, variant, settings)| {
                    target.solver.job(&variant.plan, settings, crew, target.events)
                })
                .collect();
            crew.solve(jobs)
        });
        let mut failures = Vec::new();
        let mut solutions = Vec::new();
        for (solution, (index, target, variant, _)) in solved.into_iter().zip(&settings) {
            match solution {
                Ok(solution) => solutions.push(solution),
                Err(error) => failures.push(Failure::of(*index, target.placed(error), target.label(variant))),
            }
        }
        if failures.is_empty() {
            return Ok(solutions);
        }
        // What was only stopped because of another error says nothing.
        let cause = failures
            .iter()
            .position(|failure| failure.error.kind != ErrorKind::Cancelled);
        Err(failures.swap_remove(cause.unwrap_or(0)))
    }
}
