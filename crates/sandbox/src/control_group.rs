//! Limits through a control group of version 2, where the caller may make one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::step::Limits;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A control group for one step; removed when dropped.
pub(crate) struct ControlGroup {
    directory: PathBuf,
}

impl ControlGroup {
    /// Makes a group with the limits, or nothing when no limit asks for one or no place allows it.
    pub(crate) fn new(limits: &Limits) -> Option<Self> {
        if limits.pids.is_none() && limits.memory.is_none() {
            return None;
        }
        let own = own_group()?;
        let candidates = [own.parent().map(Path::to_path_buf), Some(own)];
        candidates
            .into_iter()
            .flatten()
            .find_map(|parent| Self::below(&parent, limits).ok())
    }

    fn below(parent: &Path, limits: &Limits) -> io::Result<Self> {
        let enabled = fs::read_to_string(parent.join("cgroup.subtree_control"))?;
        let needed = [
            ("pids", limits.pids.is_some()),
            ("memory", limits.memory.is_some()),
        ];
        for (controller, wanted) in needed {
            if wanted && !enabled.split_whitespace().any(|name| name == controller) {
                return Err(io::ErrorKind::Unsupported.into());
            }
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = parent.join(format!("praxis-{}-{number}", std::process::id()));
        fs::create_dir(&directory)?;
        let group = Self { directory };
        group.set("pids.max", limits.pids)?;
        group.set("memory.max", limits.memory)?;
        if limits.memory.is_some() {
            // Without swap accounting the file is absent and the memory limit alone holds.
            let _ = fs::write(group.directory.join("memory.swap.max"), "0");
        }
        Ok(group)
    }

    fn set(&self, file: &str, limit: Option<u64>) -> io::Result<()> {
        limit.map_or(Ok(()), |limit| {
            fs::write(self.directory.join(file), limit.to_string())
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the kernel killed a process of the step for want of memory.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(self.directory.join("memory.events")).unwrap_or_default();
        events
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .any(|count| count.trim() != "0")
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // Every process of the step is gone; a group that stays costs a directory and holds nobody.
        let _ = fs::remove_dir(&self.directory);
    }
}

fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let relative = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mount = mount_point(&fs::read_to_string("/proc/self/mountinfo").ok()?)?;
    Some(mount.join(relative))
}

pub(crate) fn mount_point(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let is_second_version = kind.split(' ').next() == Some("cgroup2");
        is_second_version.then(|| PathBuf::from(place.split(' ').nth(4).unwrap_or("/sys/fs/cgroup")))
    })
}

/// Whether a group with both limits can be made; the reason otherwise.
pub(crate) fn available() -> Result<(), String> {
    let limits = Limits {
        pids: Some(100_000),
        memory: Some(1 << 40),
        ..Limits::default()
    };
    if own_group().is_none() {
        return Err("no control groups of version 2 are mounted".into());
    }
    ControlGroup::new(&limits)
        .map(drop)
        .ok_or_else(|| "the group of this process is not delegated to it".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_version_two_is_found_among_others() {
        let table = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(table), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mount_point("31 23 0:28 / /sys rw - sysfs sysfs rw\n"), None);
    }
}
