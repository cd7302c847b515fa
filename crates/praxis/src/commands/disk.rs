//! `praxis store du`, `caches` and `prune`: what the disk holds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use praxis_engine::BuildHolding;
use praxis_store::{CacheMount, PruneOptions, PruneReport, Usage};
use serde::Serialize;

use super::ago;
use crate::arguments::{PruneCommand, PruneFilter};
use crate::progress::sanitize::sanitize;
use crate::progress::units;

/// `praxis store du` as JSON.
#[derive(Serialize)]
pub struct Disk {
    #[serde(flatten)]
    pub usage: Usage,
    /// What each build on record holds.
    pub builds: Vec<BuildHolding>,
}

/// Builds shown without `--verbose`.
const SHOWN: usize = 10;

/// What each build holds; with `verbose` each step of all builds.
pub fn holdings(builds: &[BuildHolding], verbose: bool) -> String {
    if builds.is_empty() {
        return String::new();
    }
    let shown = if verbose {
        builds.len()
    } else {
        SHOWN.min(builds.len())
    };
    let mut text = format!(
        "\n{:16}  {:28} {:>10} {:>10} {:>10}\n",
        "BUILD", "NAME", "UNIQUE", "SHARED", "TOTAL"
    );
    for build in &builds[..shown] {
        text.push_str(&format!(
            "{:16}  {} {:>10} {:>10} {:>10}\n",
            sanitize(&build.id),
            units::pad(&sanitize(&build.name), 28),
            units::bytes(build.unique),
            units::bytes(build.shared),
            units::bytes(build.total)
        ));
        for step in build.steps.iter().filter(|_| verbose) {
            let name = step.name.split_whitespace().collect::<Vec<_>>().join(" ");
            let label = sanitize(&format!("[{}] {name}", step.stage)).replace("[] ", "");
            let size = units::bytes(step.bytes);
            text.push_str(&format!(
                "{:>16}  {} {size:>10}\n",
                step.number,
                units::pad(&label, 50)
            ));
        }
    }
    if shown < builds.len() {
        text.push_str(&format!(
            "… {} older builds: see --verbose\n",
            builds.len() - shown
        ));
    }
    text
}

/// The table of cache mounts.
pub fn mounts(mounts: &[CacheMount], now: SystemTime) -> String {
    let mut text = format!(
        "{:30} {:>10}  {:8} {:14}  {:16} {}\n",
        "ID", "SIZE", "SHARING", "LAST USED", "BUILD", "STEP"
    );
    for mount in mounts {
        let id = match mount.last.id.as_str() {
            "" => &mount.identity[..12.min(mount.identity.len())],
            id => id,
        };
        let step = mount.last.step.split_whitespace().collect::<Vec<_>>().join(" ");
        let used = UNIX_EPOCH + Duration::from_secs(mount.last_used);
        text.push_str(&format!(
            "{} {:>10}  {:8} {:14}  {:16} {}\n",
            units::pad(&sanitize(id), 30),
            units::bytes(mount.bytes),
            sanitize(&mount.last.sharing),
            ago(used, now),
            sanitize(&mount.last.build),
            units::fit(&sanitize(&step), 60)
        ));
    }
    let total: u64 = mounts.iter().map(|mount| mount.bytes).sum();
    text + &format!("{} cache mounts, {}\n", mounts.len(), units::bytes(total))
}

/// What the options ask for.
pub fn prune_options(command: &PruneCommand) -> PruneOptions {
    let mut options = PruneOptions {
        all: command.all,
        max_used: command.max_used_space,
        reserved: command.reserved_space,
        min_free: command.min_free_space,
        ..PruneOptions::default()
    };
    for filter in &command.filters {
        match filter {
            PruneFilter::UnusedFor(age) => options.unused_for = options.unused_for.max(Some(*age)),
            PruneFilter::Kind(kind) => options.kinds.push(*kind),
        }
    }
    options
}

/// What was pruned, in words.
pub fn pruned(report: &PruneReport, verbose: bool) -> String {
    let mut text = String::new();
    for it in report.removed.iter().filter(|_| verbose) {
        let kind = serde_json::to_value(it.kind).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default().to_string();
        text.push_str(&format!(
            "{kind:15} {}  {:>10}\n",
            units::pad(units::short_digest(&it.id), 12),
            units::bytes(it.bytes)
        ));
    }
    text + &format!(
        "pruned {} entries: {} freed, {} in use\n",
        report.removed.len(),
        units::bytes(report.bytes),
        units::bytes(report.used)
    )
}
