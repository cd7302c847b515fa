//! The command line of praxis: arguments, printer, exit status. A thin face over the engine.

mod arguments;
mod backend;
mod ci;
mod commands;
mod doctor;
mod environment;
mod failure;
mod graph;
mod history;
mod identities;
mod interrupt;
mod keys;
mod logs;
mod look;
mod metadata;
mod progress;
mod publishing;
mod registries;
mod request;
mod root;
mod site;
mod svg;
mod timestamps;

use std::process::ExitCode;

use clap::Parser;

use commands::Outcome;
use environment::Environment;
use failure::{Failure, FailureKind};

fn main() -> ExitCode {
    if praxis_sandbox::is_child() {
        praxis_sandbox::init_main();
    }
    let arguments = match arguments::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome = std::panic::catch_unwind(|| commands::run(arguments, Environment::of_process()));
    match outcome {
        Ok(Ok(Outcome::Done)) => ExitCode::SUCCESS,
        Ok(Ok(Outcome::Found)) => ExitCode::FAILURE,
        Ok(Ok(Outcome::Status(status))) => ExitCode::from(status),
        Ok(Ok(Outcome::Shown(failure))) => failure.exit_code(),
        Ok(Err(failure)) => show(&failure),
        Err(_) => show(&Failure {
            kind: FailureKind::Internal,
            ..Failure::failed(
                "a defect in praxis, described above; please report it with the command that led to it",
            )
        }),
    }
}

fn show(failure: &Failure) -> ExitCode {
    eprint!("{}", progress::explain(failure, None));
    failure.exit_code()
}
