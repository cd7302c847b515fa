//! `praxis store`.

use std::time::Duration;

use super::{Surroundings, result};
use crate::arguments::StoreCommand;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::progress::units;

/// Runs `praxis store …`.
pub fn run(command: &StoreCommand, surroundings: &Surroundings) -> Result<(), Failure> {
    let (engine, _) = surroundings.engine()?;
    match command {
        StoreCommand::Du(format) => {
            let usage = engine.store_usage()?;
            result(format.json, &usage, || usage_table(&usage))
        }
        StoreCommand::Gc(options) => {
            let keep = if options.all { Duration::ZERO } else { options.keep };
            let collected = engine.collect(keep)?;
            result(options.format.json, &collected, || {
                format!(
                    "removed {} entries, {} freed\n",
                    collected.entries,
                    units::bytes(collected.bytes)
                )
            })
        }
        StoreCommand::Verify(format) => {
            let verified = engine.verify()?;
            let lines = || {
                let problems = verified
                    .problems
                    .iter()
                    .map(|line| format!("{}\n", sanitize(line)));
                problems
                    .chain([format!("{} entries checked\n", verified.checked)])
                    .collect()
            };
            result(format.json, &verified, lines)?;
            match verified.problems.len() {
                0 => Ok(()),
                number => Err(
                    Failure::failed(format!("{number} entries of the store are damaged")).with_hint(
                        "build again: damaged entries are removed and made anew when they are needed",
                    ),
                ),
            }
        }
    }
}

fn usage_table(usage: &crate::backend::StoreUsage) -> String {
    let mut text = String::new();
    for part in &usage.parts {
        text.push_str(&format!(
            "{:12} {:>8}  {:>10}\n",
            part.name,
            part.entries,
            units::bytes(part.bytes)
        ));
    }
    let total: u64 = usage.parts.iter().map(|part| part.bytes).sum();
    text + &format!("{:12} {:>8}  {:>10}\n", "total", "", units::bytes(total))
}
