//! `praxis store`.

use std::time::SystemTime;

use praxis_engine::own_books;
use praxis_store::{CollectOptions, Usage, VerifyReport};

use super::disk::{self, Disk};
use super::{Surroundings, result};
use crate::arguments::StoreCommand;
use crate::backend;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::progress::units;

/// Runs `praxis store …`.
pub fn run(command: &StoreCommand, surroundings: &Surroundings) -> Result<(), Failure> {
    let (root, _) = surroundings.enter()?;
    match command {
        StoreCommand::Du { verbose, format } => {
            let usage = backend::store_usage(&root)?;
            let builds = backend::Engine::open(&root, true, own_books(&root))?.holdings()?;
            let disk = Disk { usage, builds };
            result(format.json, &disk, || {
                usage_table(&disk.usage) + &disk::holdings(&disk.builds, *verbose)
            })
        }
        StoreCommand::Caches(format) => {
            let mounts = backend::cache_mounts(&root)?;
            result(format.json, &mounts, || disk::mounts(&mounts, SystemTime::now()))
        }
        StoreCommand::Prune(command) => {
            let report = backend::prune(&root, &disk::prune_options(command))?;
            result(command.format.json, &report, || {
                disk::pruned(&report, command.verbose)
            })
        }
        StoreCommand::Gc(options) => {
            let older_than = (!options.all).then_some(options.keep);
            let collect = CollectOptions {
                all: options.all,
                older_than,
                caches: options.caches,
            };
            let report = backend::collect(&root, &collect)?;
            result(options.format.json, &report, || {
                format!(
                    "removed {} step results, {} layers, {} blobs: {} freed\n",
                    report.records,
                    report.layers,
                    report.blobs,
                    units::bytes(report.bytes)
                )
            })
        }
        StoreCommand::Verify(format) => {
            let report = backend::verify(&root)?;
            result(format.json, &report, || verify_lines(&report))?;
            match report.damage.len() {
                0 => Ok(()),
                number => Err(Failure::failed(format!(
                    "{number} damaged entries were removed from the store"
                ))
                .with_hint("build again: what is needed is made anew")),
            }
        }
    }
}

fn verify_lines(report: &VerifyReport) -> String {
    let damage = report
        .damage
        .iter()
        .map(|it| format!("{}: {}\n", sanitize(&it.what), sanitize(&it.why)));
    let checked = format!(
        "{} blobs, {} layers and {} step results checked\n",
        report.blobs, report.layers, report.records
    );
    damage.chain([checked]).collect()
}

fn usage_table(usage: &Usage) -> String {
    let parts = [
        ("blobs", usage.blobs),
        ("snapshots", usage.layers),
        ("step results", usage.records),
        ("archives", usage.exports),
        ("cache mounts", usage.caches),
        ("packages", usage.downloads),
        ("contexts", usage.contexts),
        ("history", usage.history),
        ("in progress", usage.temporary),
    ];
    let mut text = String::new();
    for (name, bytes) in parts {
        text.push_str(&format!("{name:13} {:>10}\n", units::bytes(bytes)));
    }
    let total = parts.iter().map(|(_, bytes)| bytes).sum();
    text.push_str(&format!("{:13} {:>10}\n", "total", units::bytes(total)));
    text + &format!(
        "{} layers, {} named images\n",
        usage.layer_count, usage.image_count
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up() {
        let usage = Usage {
            blobs: 1_000_000,
            layers: 2_000_000,
            layer_count: 3,
            ..Usage::default()
        };
        let text = usage_table(&usage);
        assert!(text.contains("total             3.0 MB\n"), "{text}");
        assert!(text.ends_with("3 layers, 0 named images\n"), "{text}");
    }
}
