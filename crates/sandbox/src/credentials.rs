//! What the command may do: identity, capabilities, privileges it can gain, resource limits.

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::error::{During, Failure};
use crate::filter;
use crate::wire::Specification;

/// What root inside a step may do. `MKNOD` comes on top for the machine's real root, where the mounts of the step make
/// device nodes inert; in a user namespace the kernel refuses it anyway.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SYS_CHROOT);

/// Gives the step's output pipes to its user, so that `/dev/stdout` can be opened.
pub(crate) fn own_output(specification: &Specification) -> Result<(), Failure> {
    let (uid, gid) = (specification.uid, specification.gid);
    if uid == 0 {
        return Ok(());
    }
    let (owner, group) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    if specification.terminal {
        // The terminal's group is not mapped in every user namespace; its name then stays another user's.
        let _ = rustix::fs::fchown(rustix::stdio::stdout(), owner, None);
        return Ok(());
    }
    for stream in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
        rustix::fs::fchown(stream, owner, group).during("give the output pipes to the step's user").map_err(|failure| {
            failure.remedy(format!(
                "user {uid} or group {gid} may not be mapped in the user namespace; `praxis doctor` shows the ranges"
            ))
        })?;
    }
    Ok(())
}

/// Limits processes by user where no control group can; says what cannot be enforced.
pub(crate) fn limit_processes(specification: &Specification) -> Option<String> {
    let limit = specification.process_limit?;
    let set = Rlimit {
        current: Some(limit),
        maximum: Some(limit),
    };
    let enforced = rustix::process::setrlimit(Resource::Nproc, set).is_ok()
        && (specification.uid != 0 || !is_initial_user_namespace());
    (!enforced).then(|| "the process limit (no writable control group; it does not bind root)".to_owned())
}

/// The resources that can be limited, by the names of ulimit options.
pub(crate) const RESOURCES: [(&str, Resource); 14] = [
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// The names of resources that [`crate::Limits::resources`] can limit.
pub fn limited_resources() -> impl Iterator<Item = &'static str> {
    RESOURCES.iter().map(|(name, _)| *name)
}

fn limit_resources(specification: &Specification) -> Result<(), Failure> {
    for (name, soft, hard) in &specification.resources {
        let Some((_, resource)) = RESOURCES.iter().find(|(known, _)| known == name) else {
            continue;
        };
        let bound = |value: u64| (value != u64::MAX).then_some(value);
        let limit = Rlimit {
            current: bound(*soft),
            maximum: bound(*hard),
        };
        rustix::process::setrlimit(*resource, limit)
            .during_with(|| format!("set the limit {name} of the step"))
            .map_err(|failure| {
                failure
                    .remedy("an ordinary user cannot raise a hard limit: give a smaller one, see ulimit -aH")
            })?;
    }
    Ok(())
}

/// Whether ids are the machine's own.
pub(crate) fn is_initial_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Everything that cannot be taken back, right before the command is executed.
pub(crate) fn drop_privileges(specification: &Specification) -> Result<(), Failure> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    rustix::process::setrlimit(Resource::Core, none).during("forbid core dumps")?;
    limit_resources(specification)?;
    let kept = kept_capabilities(specification);
    if !specification.insecure {
        bound(kept).during("drop capabilities")?;
    }
    rustix::thread::clear_ambient_capability_set().during("clear the ambient capabilities")?;
    let single = groups_are_forbidden();
    if !specification.insecure {
        crate::kernel::install_filter(&filter::program(single))
            .during("install the system call filter")
            .map_err(|failure| failure.remedy("the kernel needs CONFIG_SECCOMP_FILTER"))?;
    }
    take_identity(specification, single)?;
    let effective = if specification.uid == 0 {
        kept
    } else {
        CapabilitySet::empty()
    };
    let sets = CapabilitySets {
        effective,
        permitted: effective,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).during("set the capabilities")?;
    if specification.no_new_privileges {
        rustix::thread::set_no_new_privs(true).during("forbid new privileges")?;
    }
    // Changing the user made the kernel forget it.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .during("tie the step to its parent")
}

fn kept_capabilities(specification: &Specification) -> CapabilitySet {
    let available = rustix::thread::capabilities(None).map_or(KEPT, |sets| sets.permitted);
    if specification.insecure {
        return available;
    }
    if specification.powerless {
        return CapabilitySet::empty();
    }
    let mut kept = KEPT;
    if is_initial_user_namespace() {
        kept |= CapabilitySet::MKNOD;
    }
    kept & available
}

fn bound(kept: CapabilitySet) -> Result<(), Errno> {
    for number in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(capability) {
            continue;
        }
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn groups_are_forbidden() -> bool {
    std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny")
}

fn take_identity(specification: &Specification, single: bool) -> Result<(), Failure> {
    let (uid, gid) = (Uid::from_raw(specification.uid), Gid::from_raw(specification.gid));
    let unmapped = |failure: Failure| {
        failure.remedy(
            "the id is not mapped in the user namespace: give the user a range in /etc/subuid and /etc/subgid and \
             install the package with newuidmap (uidmap or shadow-utils)",
        )
    };
    let groups: Vec<Gid> = specification
        .groups
        .iter()
        .map(|&group| Gid::from_raw(group))
        .collect();
    if !single {
        rustix::thread::set_thread_groups(&groups)
            .during("set the supplementary groups")
            .map_err(unmapped)?;
    } else if groups.iter().any(|&group| group != gid) {
        return Err(Failure::refused(
            b"USER",
            "supplementary groups need a range in /etc/subgid",
        ));
    }
    rustix::thread::set_thread_res_gid(gid, gid, gid)
        .during_with(|| format!("become group {}", specification.gid))
        .map_err(unmapped)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
        .during_with(|| format!("become user {}", specification.uid))
        .map_err(unmapped)
}
