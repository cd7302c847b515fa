//! `praxis base`.

use super::{Outcome, Surroundings, build::close, write_stdout};
use crate::arguments::{BaseCommand, ProgressMode};
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::printer;

/// Runs `praxis base …`.
pub fn run(command: &BaseCommand, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let cancel = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    let site = surroundings.site().site;
    let platforms = match command {
        BaseCommand::Lock(_) => &[][..],
        BaseCommand::Build(options) => &options.platforms,
        BaseCommand::Update(options) => &options.platforms,
    };
    let (engine, _) = surroundings.engine_for(platforms)?;
    let (printer, built) = match command {
        BaseCommand::Lock(options) => {
            let printer = printer(ProgressMode::Plain, &surroundings.environment);
            let path = engine.base_lock(options, site, printer.as_ref())?;
            write_stdout(format!("{path}\n").as_bytes())?;
            return Ok(Outcome::Done);
        }
        BaseCommand::Build(options) => {
            let printer = printer(options.progress, &surroundings.environment);
            let built = engine.base_build(options, site, printer.as_ref(), &cancel);
            (printer, built)
        }
        BaseCommand::Update(options) => {
            let printer = printer(options.progress, &surroundings.environment);
            let built = engine.base_update(options, site, printer.as_ref(), &cancel);
            (printer, built)
        }
    };
    let built = built.and_then(|response| {
        if let Some(digest) = &response.digest {
            write_stdout(format!("{digest}\n").as_bytes())?;
        }
        Ok(response)
    });
    Ok(close(printer.as_ref(), &cancel, built))
}
