//! Root without being root: the user namespace an ordinary user builds in.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use rustix::fs::{Gid, Uid};
use rustix::thread::UnshareFlags;

use crate::emulators::OWN_NAMESPACE;
use crate::error::{During, SandboxError};

/// Which ids the user namespace should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identities {
    /// The user as root and a range of subordinate ids, or an error that says what is missing.
    Range,
    /// The same, but the user as root alone where there is no range: files then cannot have other owners.
    RangeOrSingle,
    /// The user as root alone.
    Single,
    /// All ids that there are, each as it is: for root, whose user namespace then has handlers of its own
    /// ([`crate::register_emulators`]).
    All,
}

/// What [`enter_user_namespace`] gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserNamespace {
    /// Ids 0 to the given count are usable inside.
    Range(u32),
    /// Only id 0 is usable inside.
    Single,
}

impl UserNamespace {
    /// Whether this process must enter a user namespace before it can build.
    #[must_use]
    pub fn needed() -> bool {
        !rustix::process::geteuid().is_root()
            || !rustix::thread::capabilities(None)
                .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN))
    }
}

/// Moves this process into a user namespace in which it is root, and into a mount namespace of its own.
///
/// Must be called before the first thread is started. On return the process has id 0 inside; files it makes belong to the
/// user outside. On an error before the namespace was made nothing has changed; after it the process should end.
pub fn enter_user_namespace(identities: Identities) -> Result<UserNamespace, SandboxError> {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    if identities == Identities::All {
        return enter_with_all();
    }
    let range = match identities {
        Identities::Single | Identities::All => None,
        Identities::Range => Some(Subordinate::find(uid)?),
        Identities::RangeOrSingle => Subordinate::find(uid).ok(),
    };
    match range {
        Some(range) => {
            if let Err(refused) = enter_with_range(&range, uid, gid)? {
                // Without a range the namespace can still have the user alone, unless half a map was written.
                if identities != Identities::RangeOrSingle || map_single(uid, gid).is_err() {
                    return Err(refused);
                }
            }
        }
        None => {
            unshare()?;
            map_single(uid, gid)?;
        }
    }
    let count = range_count();
    become_root(count == 1)?;
    OWN_NAMESPACE.store(true, Ordering::Release);
    Ok(if count > 1 {
        UserNamespace::Range(count)
    } else {
        UserNamespace::Single
    })
}

/// Root's ids as they are. Whoever writes the maps must be root outside.
fn enter_with_all() -> Result<UserNamespace, SandboxError> {
    let (process, count) = (std::process::id(), range_count());
    let own = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}"));
    let same = |text: String| {
        let ranges = text.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (first, _, length) = (fields.next()?, fields.next()?, fields.next()?);
            Some(format!("{first} {first} {length}\n"))
        });
        ranges.collect::<String>()
    };
    let maps = [
        (
            "uid_map",
            own("uid_map").map(same).during("read the ids of this process")?,
        ),
        (
            "gid_map",
            own("gid_map").map(same).during("read the ids of this process")?,
        ),
    ];
    from_outside(move || {
        maps.iter().try_for_each(|(file, map)| {
            std::fs::write(format!("/proc/{process}/{file}"), map).map_err(|error| format!("{file}: {error}"))
        })
    })??;
    become_root(false)?;
    OWN_NAMESPACE.store(true, Ordering::Release);
    Ok(UserNamespace::Range(count))
}

fn range_count() -> u32 {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse::<u32>().ok())
        .fold(0, u32::saturating_add)
}

fn become_root(single: bool) -> Result<(), SandboxError> {
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    rustix::thread::set_thread_res_gid(gid, gid, gid).during("become group 0 in the user namespace")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).during("become user 0 in the user namespace")?;
    if !single {
        rustix::thread::set_thread_groups(&[]).during("leave the user's groups")?;
    }
    let root = crate::kernel::open_directory("/".as_ref()).during("open the root directory")?;
    crate::kernel::make_private(std::os::fd::AsFd::as_fd(&root)).during("make the mounts private")?;
    Ok(())
}

fn unshare() -> Result<(), SandboxError> {
    let flags = UnshareFlags::NEWUSER | UnshareFlags::NEWNS;
    // SAFETY: neither flag unshares the descriptor table.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(|error| {
        let (missing, remedy) = match error {
            rustix::io::Errno::INVAL => (
                "the process already has threads".to_owned(),
                "this is an error of the program".to_owned(),
            ),
            rustix::io::Errno::NOSPC | rustix::io::Errno::USERS => (
                "no more user namespaces are allowed".to_owned(),
                "raise the limit: sysctl user.max_user_namespaces".to_owned(),
            ),
            error => (
                format!(
                    "the kernel does not allow user namespaces ({})",
                    std::io::Error::from(error)
                ),
                restriction_remedy(),
            ),
        };
        SandboxError::UserNamespace { missing, remedy }
    })
}

pub(crate) fn restriction_remedy() -> String {
    let set = |name: &str, value: &str| {
        std::fs::read_to_string(format!("/proc/sys/{name}")).is_ok_and(|text| text.trim() == value)
    };
    if set("kernel/apparmor_restrict_unprivileged_userns", "1") {
        "allow it for praxis with an AppArmor profile, or for all: sysctl kernel.apparmor_restrict_unprivileged_userns=0".into()
    } else if set("kernel/unprivileged_userns_clone", "0") {
        "allow it: sysctl kernel.unprivileged_userns_clone=1".into()
    } else if set("user/max_user_namespaces", "0") {
        "allow it: sysctl user.max_user_namespaces=15000".into()
    } else {
        "a container's seccomp profile may forbid it; allow unshare there, or run praxis as root".into()
    }
}

fn map_single(uid: u32, gid: u32) -> Result<(), SandboxError> {
    let write = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text).during_with(|| format!("write /proc/self/{file}"))
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("0 {uid} 1\n"))?;
    write("gid_map", format!("0 {gid} 1\n"))?;
    Ok(())
}

/// The maps of a range are written by two set-uid helpers, which must run outside of the new namespace: a process started
/// before waits for the namespace and starts them. The inner result is theirs; the namespace exists then in any case.
fn enter_with_range(
    range: &Subordinate,
    uid: u32,
    gid: u32,
) -> Result<Result<(), SandboxError>, SandboxError> {
    let process = std::process::id();
    let (range, own) = (range.clone(), (uid, gid));
    from_outside(move || {
        map(&range.uid_helper, process, own.0, range.uids)
            .and_then(|()| map(&range.gid_helper, process, own.1, range.gids))
    })
}

/// Enters a user namespace whose maps are written by `write` in a process that stays outside.
fn from_outside(
    write: impl FnOnce() -> Result<(), String>,
) -> Result<Result<(), SandboxError>, SandboxError> {
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().during("make a socket")?;
    let helper = crate::kernel::fork().during("start a helper process")?;
    let Some(helper) = helper else {
        drop(ours);
        write_outside(write, theirs);
    };
    drop(theirs);
    let entered = unshare();
    if entered.is_ok() {
        ours.write_all(b"x").during("wake the helper process")?;
    }
    ours.shutdown(std::net::Shutdown::Write)
        .during("wake the helper process")?;
    let mut complaint = String::new();
    ours.read_to_string(&mut complaint)
        .during("hear the helper process")?;
    rustix::process::waitpid(Some(helper), rustix::process::WaitOptions::empty())
        .during("wait for the helper process")?;
    entered?;
    if complaint.is_empty() {
        return Ok(Ok(()));
    }
    Ok(Err(SandboxError::UserNamespace {
        missing: format!("the id range was refused: {complaint}"),
        remedy: "the entries in /etc/subuid and /etc/subgid must belong to this user, and newuidmap and newgidmap \
                 must be set-uid root or have file capabilities (reinstall the package uidmap or shadow-utils)"
            .into(),
    }))
}

fn write_outside(
    write: impl FnOnce() -> Result<(), String>,
    mut stream: std::os::unix::net::UnixStream,
) -> ! {
    let mut word = [0_u8; 1];
    if stream.read_exact(&mut word).is_ok()
        && let Err(complaint) = write()
    {
        // When the other side is gone nobody needs the complaint.
        let _ = stream.write_all(complaint.as_bytes());
    }
    drop(stream);
    std::process::exit(0)
}

fn map(helper: &Path, process: u32, own: u32, (first, count): (u32, u32)) -> Result<(), String> {
    let numbers = [process, 0, own, 1, 1, first, count];
    let output = Command::new(helper)
        .arg0(helper)
        .args(numbers.map(|number| number.to_string()))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", helper.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{}: {} ({})",
        helper.display(),
        said.trim(),
        output.status
    ))
}

/// The user's subordinate ids and the programs that map them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subordinate {
    pub uid_helper: PathBuf,
    pub gid_helper: PathBuf,
    pub uids: (u32, u32),
    pub gids: (u32, u32),
}

impl Subordinate {
    /// Finds them for the user, or says which file, package or line is missing.
    pub(crate) fn find(uid: u32) -> Result<Self, SandboxError> {
        let helper = |name: &str| {
            [
                "/usr/bin",
                "/bin",
                "/usr/local/bin",
                "/usr/sbin",
                "/run/wrappers/bin",
            ]
            .iter()
            .map(|directory| Path::new(directory).join(name))
            .find(|path| path.exists())
            .ok_or_else(|| SandboxError::UserNamespace {
                missing: format!("the program {name} is not installed"),
                remedy: "install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora, Alpine)".into(),
            })
        };
        let name = user_name(uid);
        let range = |file: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            range_of(&text, uid, name.as_deref()).ok_or_else(|| SandboxError::UserNamespace {
                missing: format!(
                    "{file} has no range of at least 1000 ids for user {}",
                    name.clone().unwrap_or_else(|| uid.to_string())
                ),
                remedy: format!(
                    "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}",
                    name.clone().unwrap_or_else(|| uid.to_string())
                ),
            })
        };
        Ok(Self {
            uid_helper: helper("newuidmap")?,
            gid_helper: helper("newgidmap")?,
            uids: range("/etc/subuid")?,
            gids: range("/etc/subgid")?,
        })
    }
}

/// The largest range of a user in the text of `/etc/subuid` or `/etc/subgid`; ranges under 1000 ids do not serve.
fn range_of(text: &str, uid: u32, name: Option<&str>) -> Option<(u32, u32)> {
    let own = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
            (owner == own || Some(owner) == name).then_some(range)
        })
        .filter(|&(first, count): &(u32, u32)| count >= 1000 && first.checked_add(count).is_some())
        .max_by_key(|&(_, count)| count)
}

fn user_name(uid: u32) -> Option<String> {
    let table = std::fs::read_to_string("/etc/passwd").ok()?;
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_range_of_the_user_is_taken() {
        let text = "other:100000:65536\nann:200000:2000\nann:300000:65536\n1000:900000:10\n";
        assert_eq!(range_of(text, 1000, Some("ann")), Some((300_000, 65_536)));
        assert_eq!(
            range_of(text, 1000, None),
            None,
            "a range of ten ids does not serve"
        );
    }

    #[test]
    fn damaged_lines_are_passed_over() {
        assert_eq!(
            range_of("ann\nann:x:y\nann:4294967295:65536\n:::\n", 1, Some("ann")),
            None
        );
    }
}
