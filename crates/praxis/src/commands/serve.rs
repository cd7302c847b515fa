//! `praxis serve`.

use std::sync::Arc;

use praxis_engine::Books;
use praxis_serve::{
    DoctorFinding, HttpServer, HttpSettings, Machine, Policy, Reach, Roots, ServeError, Toolbox, serve_stdio,
};

use praxis_engine::StepBounds;

use super::Surroundings;
use super::sign::Standing;
use crate::arguments::{RegistryOptions, ServeOptions};
use crate::doctor::{self, Finding, State};
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::registries;

/// Serves the engine to agents on standard input and output, or to many clients over HTTP.
pub fn run(options: &ServeOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let Some(settings) = http(options) else {
        let toolbox = toolbox(options, surroundings)?;
        return Ok(serve_stdio(toolbox, options.tier)?);
    };
    let server = HttpServer::open(settings)?;
    let url = server.url()?;
    let toolbox = toolbox(options, surroundings)?;
    eprintln!("listening on {url}");
    Ok(server.serve(toolbox)?)
}

fn http(options: &ServeOptions) -> Option<HttpSettings> {
    let mut settings = HttpSettings::new(options.http?);
    settings.tokens = options.tokens.clone();
    settings.publicly = options.listen_publicly;
    settings.tls = options.tls_certificate.clone().zip(options.tls_key.clone());
    settings.proxies = options.behind_proxy.clone();
    settings.hosts = options.allow_host.clone();
    settings.origins = options.allow_origin.clone();
    settings.otlp = options.otlp.clone();
    settings.limits.requests = options.max_requests.into();
    settings.limits.drain = options.drain_timeout;
    Some(settings)
}

/// The engine with what the options allow. An ordinary user enters a user namespace: no thread may run before.
fn toolbox(options: &ServeOptions, surroundings: &Surroundings) -> Result<Toolbox, Failure> {
    let usual = Policy::default();
    let policy = Policy {
        roots: Roots::open(&options.context_roots)?,
        allow_network: options.allow_network,
        bounds: StepBounds {
            processes: Some(options.step_processes),
            memory: options.step_memory,
            ..usual.bounds
        },
        reach: Reach::public(options.allow_address.clone()),
        most_sent: options.max_sent,
        most_jobs: options.max_jobs.into(),
        longest_job: options.job_timeout,
    };
    let verifier = options.verify_policy.as_deref().map(Standing::read).transpose()?;
    let mut toolbox = toolbox_with(policy, surroundings, None)?;
    if let Some(verifier) = verifier {
        toolbox = toolbox.with_verifier(Box::new(verifier));
    }
    match options.queue {
        true => Ok(toolbox.with_builders(super::queue::builders(surroundings)?)),
        false => Ok(toolbox),
    }
}

/// The same for a policy, and with books of the caller's if it has its own.
pub fn toolbox_with(
    policy: Policy,
    surroundings: &Surroundings,
    books: Option<Arc<dyn Books>>,
) -> Result<Toolbox, Failure> {
    let gathered = surroundings.site();
    let registries = registries::settings(&RegistryOptions::default(), surroundings)?;
    let root = surroundings.store_root()?;
    for name in &gathered.withheld {
        eprintln!(
            "warning: {} holds credentials and is not passed to RUN steps",
            sanitize(name)
        );
    }
    let (engine, warning) = surroundings.engine_that_writes_to(books)?;
    if let Some(warning) = warning {
        eprintln!("warning: {warning}");
    }
    let site = gathered.site.clone();
    let machine = Machine {
        site,
        registries,
        verifier: None,
        doctor: Box::new(move || doctor::findings(&gathered, &root).into_iter().map(told).collect()),
    };
    Ok(Toolbox::new(engine.0, policy, machine))
}

fn told(finding: Finding) -> DoctorFinding {
    let state = match finding.state {
        State::Available => "available",
        State::Limited => "limited",
        State::Missing => "missing",
    };
    DoctorFinding {
        name: finding.name,
        state: state.into(),
        detail: finding.detail,
        consequence: finding.consequence,
        remedy: finding.remedy,
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Failure {
        match error {
            ServeError::Refused(message) => Failure::usage(message),
            ServeError::Machine(message) => Failure::failed(message),
        }
    }
}
