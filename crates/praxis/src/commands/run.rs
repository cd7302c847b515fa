//! `praxis run`.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use praxis_engine::{Exit, Input, Limits, RunRequest};

use super::{Outcome, Surroundings};
use crate::arguments::RunOptions;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::sanitize::sanitize;

/// The status of a command that took too long, as of timeout(1).
const OUT_OF_TIME: u8 = 124;

/// Runs a command in an image and ends with its status.
pub fn run(options: &RunOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let request = request(options)?;
    let (engine, warning) = surroundings.engine_for(&[])?;
    if let Some(warning) = warning {
        eprintln!("warning: {warning}");
    }
    let cancel = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    let mut output = |stream: u8, bytes: &[u8]| {
        // Whoever does not want to read any more does not end the command.
        let _ = match stream {
            1 => std::io::stdout()
                .write_all(bytes)
                .and_then(|()| std::io::stdout().flush()),
            _ => std::io::stderr().write_all(bytes),
        };
    };
    let end = engine.0.run(request, &mut output, &cancel)?;
    for limit in &end.exit.unenforced {
        eprintln!("warning: not enforced here: {}", sanitize(limit));
    }
    Ok(Outcome::Status(status(&end.exit)))
}

fn status(exit: &Exit) -> u8 {
    match (exit.code, exit.signal) {
        _ if exit.timed_out => OUT_OF_TIME,
        (Some(code), _) => u8::try_from(code & 255).unwrap_or(1),
        (None, Some(signal)) => u8::try_from(128 + signal).unwrap_or(1),
        (None, None) => 1,
    }
}

fn request(options: &RunOptions) -> Result<RunRequest, Failure> {
    let command = options.entrypoint.as_ref().map(|program| {
        let arguments = options.arguments.iter().cloned();
        std::iter::once(program.clone()).chain(arguments).collect()
    });
    let input = match options.interactive {
        true => Input::Stream(
            std::io::stdin()
                .as_fd()
                .try_clone_to_owned()
                .map_err(|error| Failure::failed(format!("standard input cannot be given: {error}")))?,
        ),
        false => Input::Nothing,
    };
    Ok(RunRequest {
        image: options.image.clone(),
        platform: options.platform.platform.clone(),
        command,
        arguments: (!options.arguments.is_empty()).then(|| options.arguments.clone()),
        environment: options.environment.clone(),
        directory: options.workdir.clone(),
        user: options.user.clone(),
        tmpfs: options.tmpfs.clone(),
        network: options.network,
        writable: options.writable,
        limits: Limits {
            pids: options.pids_limit,
            memory: options.memory,
            wall_clock: options.timeout.map(Duration::from_secs),
            ..Limits::default()
        },
        input,
    })
}
