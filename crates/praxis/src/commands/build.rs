//! `praxis build`.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use praxis_engine::{BuildResponse, ContextSource, Event, Events, InputStream, OnError};
use praxis_registry::Settings;
use praxis_serve::RemoteServer;

use super::{Outcome, Surroundings, write_file, write_stdout};
use crate::arguments::{BuildCommand, BuildOptions, ProgressMode, RemoteOptions};
use crate::failure::{Failure, FailureKind};
use crate::look::{Gate, Gated, Look};
use crate::progress::{Ending, Printer, printer};
use crate::request::build_request;
use crate::{interrupt, metadata, registries};

/// Counts warnings on their way to the printer.
pub struct Counting<'a> {
    /// Where they go.
    pub printer: &'a dyn Printer,
    /// How many there were.
    pub warnings: AtomicUsize,
}

impl Events for Counting<'_> {
    fn event(&self, event: Event) {
        if matches!(event, Event::Warning { .. }) {
            self.warnings.fetch_add(1, Ordering::Relaxed);
        }
        self.printer.event(event);
    }
}

/// Builds and shows it.
pub fn run(command: &BuildCommand, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let options = &command.build;
    refuse_terminal(options)?;
    let gathered = surroundings.site();
    let mut stdin = std::io::stdin().lock();
    let mut request = build_request(options, &surroundings.environment, gathered.site, &mut stdin)?;
    drop(stdin);
    if request.context == ContextSource::Stdin {
        request.stdin_rest = Some(InputStream::new(std::io::stdin()));
    }
    request.registries = registries::access(options, surroundings)?;
    let (engine, warning) = match command.remote.remote {
        None => surroundings.engine_for(&request.platforms_in_sight())?,
        // Nothing runs here: what this machine allows does not matter.
        Some(_) => (surroundings.engine()?.0, None),
    };
    let cancel = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    request.registries.settings.stop = cancel.clone();
    let server = server(&command.remote, &request.registries.settings)?;
    let mode = if options.quiet {
        ProgressMode::Quiet
    } else {
        options.progress
    };
    let printer = printer(mode, &surroundings.environment);
    let events = Counting {
        printer: printer.as_ref(),
        warnings: AtomicUsize::new(0),
    };
    let gate = Arc::new(Gate::default());
    if options.on_error.is_some() {
        let kind = surroundings.environment.text("TERM");
        let look = Look::new(printer.clone(), gate.clone(), kind)?;
        request.on_error = Some(OnError(Arc::new(look)));
    }
    let gated = Gated {
        gate: &gate,
        events: &events,
    };
    warn(printer.as_ref(), &gathered.withheld, warning);
    let built = match &server {
        None => engine.build(&request, &gated, &cancel),
        Some(server) => server
            .build(&engine.0, &request, &gated, &cancel)
            .map_err(Failure::from),
    };
    let built = built
        .and_then(|response| deliver(options, &request.tags, response))
        .and_then(|response| {
            judge(
                options.is_check(),
                response,
                events.warnings.load(Ordering::Relaxed),
            )
        });
    Ok(close(printer.as_ref(), &cancel, built))
}

/// The server that is to build, if one is.
fn server(options: &RemoteOptions, settings: &Settings) -> Result<Option<RemoteServer>, Failure> {
    let (Some(url), Some(token)) = (&options.remote, &options.remote_token_file) else {
        return Ok(None);
    };
    let server = RemoteServer::new(url, token, options.remote_ca.clone(), settings);
    Ok(Some(server?))
}

/// Says before a build what it will do without.
pub fn warn(printer: &dyn Printer, withheld: &[String], warning: Option<&str>) {
    for name in withheld {
        let message = format!("{name} holds credentials and is not passed to RUN steps: use --secret");
        printer.event(Event::Warning {
            code: "site".into(),
            message,
            line: None,
        });
    }
    if let Some(message) = warning {
        printer.event(Event::Warning {
            code: "user-namespace".into(),
            message: message.into(),
            line: None,
        });
    }
}

/// Shows how a build ended. A failure after an interrupt is an interruption, whatever it says.
pub fn close(printer: &dyn Printer, cancel: &AtomicBool, built: Result<BuildResponse, Failure>) -> Outcome {
    match built {
        Ok(response) => {
            printer.close(&Ending::Built(&response));
            Outcome::Done
        }
        Err(mut failure) => {
            if cancel.load(Ordering::Relaxed) {
                failure = Failure {
                    kind: FailureKind::Cancelled,
                    ..Failure::failed("interrupted")
                };
            }
            printer.close(&Ending::Failed(&failure));
            Outcome::Shown(failure)
        }
    }
}

fn refuse_terminal(options: &BuildOptions) -> Result<(), Failure> {
    if options.outputs.iter().any(|output| output.is_stdout()) && std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "an archive is not written to a terminal: give dest=FILE or redirect standard output",
        ));
    }
    Ok(())
}

/// Writes what the options ask for beside the outputs.
fn deliver(
    options: &BuildOptions,
    tags: &[String],
    response: BuildResponse,
) -> Result<BuildResponse, Failure> {
    if let Some(plan) = response.plan.as_ref().filter(|_| !options.is_check()) {
        write_stdout(plan.as_bytes())?;
    }
    if let (Some(path), Some(digest)) = (
        &options.iidfile,
        response.config_digest.as_ref().or(response.digest.as_ref()),
    ) {
        write_file(path, "--iidfile", &digest.to_string())?;
    }
    if let Some(path) = &options.metadata_file {
        let text = serde_json::to_string_pretty(&metadata::of(&response, tags)).unwrap_or_default();
        write_file(path, "--metadata-file", &text)?;
    }
    if let Some(digest) = response.digest.as_ref().filter(|_| options.quiet)
        && !options.outputs.iter().any(|output| output.is_stdout())
    {
        write_stdout(format!("{digest}\n").as_bytes())?;
    }
    Ok(response)
}

/// Warnings are findings of a check.
pub fn judge(is_check: bool, response: BuildResponse, warnings: usize) -> Result<BuildResponse, Failure> {
    match warnings {
        1.. if is_check => Err(Failure::failed(format!(
            "the check has {warnings} finding(s), see above"
        ))),
        _ => Ok(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id");
        write_file(&path, "--iidfile", "sha256:a").unwrap();
        write_file(&path, "--iidfile", "sha256:b").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "sha256:b");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let failure = write_file(&folder.path().join("no/id"), "--iidfile", "x").unwrap_err();
        assert!(failure.message.starts_with("--iidfile "), "{failure}");
    }
}
