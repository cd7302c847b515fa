//! What this machine can do, as facts for the reader of a report.

use rustix::fs::OFlags;

use crate::control_group;
use crate::error::SandboxError;
use crate::kernel::{open_directory, open_inside};
use crate::trial::{self, Findings};
use crate::user_namespace::{Subordinate, UserNamespace, restriction_remedy};

/// How well something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It works.
    Works,
    /// It is missing.
    Missing,
    /// It works in part.
    Limited,
}

/// One fact about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// What is looked at.
    pub name: &'static str,
    /// How well it works.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What it means for builds; empty when nothing is wrong.
    pub consequence: String,
    /// What to do; empty when nothing is wrong.
    pub remedy: String,
}

impl Capability {
    fn works(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            state: State::Works,
            detail: detail.into(),
            consequence: String::new(),
            remedy: String::new(),
        }
    }

    fn lacks(
        name: &'static str,
        state: State,
        detail: impl Into<String>,
        consequence: &str,
        remedy: &str,
    ) -> Self {
        Self {
            name,
            state,
            detail: detail.into(),
            consequence: consequence.into(),
            remedy: remedy.into(),
        }
    }
}

/// Looks at everything a build needs from this machine. Changes nothing: trials run in a process of their own, so the
/// program must call [`crate::is_child`] and [`crate::init_main`] first in its `main`.
#[must_use]
pub fn probe() -> Vec<Capability> {
    let findings = trial::findings();
    vec![
        user_namespaces(&findings),
        subordinate_ids(),
        namespaces(&findings),
        proc(&findings),
        mount_interface(&findings),
        overlay(&findings),
        filter(),
        contained_lookup(),
        control_groups(),
        network_namespaces(&findings),
        user_network(),
    ]
}

/// A fact from one stage of the trials.
fn from_trial(
    findings: &Findings,
    name: &'static str,
    worked: &str,
    state: State,
    consequence: &str,
    remedy: &str,
) -> Capability {
    match findings.get(name) {
        Some(None) => Capability::works(name, worked),
        Some(Some(reason)) => Capability::lacks(name, state, reason.clone(), consequence, remedy),
        None => Capability::lacks(
            name,
            state,
            "not tried: something it needs is missing",
            consequence,
            remedy,
        ),
    }
}

fn user_namespaces(findings: &Findings) -> Capability {
    if !UserNamespace::needed() {
        return Capability::works("user namespace", "not needed: praxis runs as root");
    }
    let consequence = "an ordinary user cannot run RUN steps";
    from_trial(
        findings,
        "user namespace",
        "can be made",
        State::Missing,
        consequence,
        &restriction_remedy(),
    )
}

fn subordinate_ids() -> Capability {
    let name = "subordinate ids";
    if !UserNamespace::needed() {
        return Capability::works(name, "not needed: praxis runs as root");
    }
    match Subordinate::find(rustix::process::getuid().as_raw()) {
        Ok(found) => Capability::works(
            name,
            format!("{} user ids, {} group ids", found.uids.1, found.gids.1),
        ),
        Err(SandboxError::UserNamespace { missing, remedy }) => {
            let consequence = "files can have one owner only, and USER works with uid 0 only";
            Capability::lacks(name, State::Missing, missing, consequence, &remedy)
        }
        Err(error) => Capability::lacks(name, State::Missing, error.to_string(), "", ""),
    }
}

fn namespaces(findings: &Findings) -> Capability {
    let remedy = "run on a machine or in a container that allows unshare(2)";
    from_trial(
        findings,
        "namespaces",
        "mount, process, ipc and host name",
        State::Missing,
        "RUN steps cannot run",
        remedy,
    )
}

fn proc(findings: &Findings) -> Capability {
    let remedy =
        "in a container: start it with unmasked system paths (docker: --security-opt systempaths=unconfined)";
    from_trial(
        findings,
        "proc",
        "can be mounted for a step",
        State::Missing,
        "RUN steps cannot run",
        remedy,
    )
}

fn mount_interface(findings: &Findings) -> Capability {
    let remedy =
        "Linux 5.12 or newer is needed; in a container its seccomp profile must allow the mount calls";
    from_trial(
        findings,
        "mount interface",
        "fsopen, mount_setattr",
        State::Missing,
        "RUN steps cannot run",
        remedy,
    )
}

fn overlay(findings: &Findings) -> Capability {
    let remedy = "load the kernel module overlay; an ordinary user needs Linux 5.13 or newer";
    from_trial(
        findings,
        "overlay",
        "can be mounted with user attributes",
        State::Missing,
        "RUN steps cannot run",
        remedy,
    )
}

fn network_namespaces(findings: &Findings) -> Capability {
    let consequence = "RUN --network=none cannot run";
    let remedy = "allow network namespaces: sysctl user.max_net_namespaces=15000";
    from_trial(
        findings,
        "network namespace",
        "can be made",
        State::Limited,
        consequence,
        remedy,
    )
}

fn filter() -> Capability {
    let name = "system call filter";
    if crate::kernel::filter_available() {
        return Capability::works(name, "seccomp with error answers");
    }
    let remedy = "use a kernel with CONFIG_SECCOMP_FILTER";
    Capability::lacks(
        name,
        State::Missing,
        "the kernel has no seccomp filters",
        "RUN steps cannot run",
        remedy,
    )
}

fn contained_lookup() -> Capability {
    let name = "contained lookup";
    match open_directory("/".as_ref()).and_then(|root| open_inside(root, b"/", OFlags::PATH)) {
        Ok(_) => Capability::works(name, "openat2"),
        Err(error) => {
            let detail = format!("openat2: {}", std::io::Error::from(error));
            Capability::lacks(
                name,
                State::Missing,
                detail,
                "RUN steps cannot run",
                "use Linux 5.6 or newer",
            )
        }
    }
}

fn control_groups() -> Capability {
    let name = "control groups";
    match control_group::available() {
        Ok(()) => Capability::works(name, "version 2, delegated"),
        Err(reason) => Capability::lacks(
            name,
            State::Limited,
            reason,
            "the memory limit of a step is not enforced, the process limit binds ordinary users only",
            "start praxis in a delegated group: systemd-run --user --scope -p Delegate=yes praxis ...",
        ),
    }
}

fn user_network() -> Capability {
    let name = "user-space network";
    let found = ["pasta", "slirp4netns"].into_iter().find_map(|program| {
        ["/usr/bin", "/usr/local/bin", "/bin"]
            .iter()
            .map(|directory| std::path::Path::new(directory).join(program))
            .find(|path| path.exists())
    });
    let consequence = "RUN steps share the host's network, or have none with --network=none";
    match found {
        Some(path) => {
            let detail = format!("{} is installed and not used by this version", path.display());
            Capability::lacks(name, State::Limited, detail, consequence, "")
        }
        None => {
            let detail = "neither pasta nor slirp4netns is installed; this version uses neither";
            Capability::lacks(name, State::Limited, detail, consequence, "")
        }
    }
}
