//! What has to run in an unpacked root so that its packages are configured, and nothing of the run stays.

use crate::Recipe;
use crate::database::database_name;
use crate::deb::Unpacked;

/// A program to run inside the root, as root, with exactly this environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCommand {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
}

/// Removes what differs from run to run, or is of no use in an image.
const CLEAN: &str = r#"set -eu
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/ldconfig/*
# What the sandbox itself has mounted there cannot go, and is no part of the image.
rm -rf /tmp/* /var/tmp/* /run/* 2> /dev/null || true
mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
rm -f /var/lib/dpkg/*-old /var/lib/dpkg/lock /var/lib/dpkg/lock-frontend /var/lib/dpkg/triggers/Lock
rm -f /var/cache/debconf/*-old /var/backups/* /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- /etc/subuid- /etc/subgid-
rm -f /etc/.pwd.lock /etc/ld.so.cache~ /var/lib/systemd/random-seed
find /var/log -type f -delete
[ ! -e /etc/machine-id ] || : > /etc/machine-id
[ ! -e /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
day=$((SOURCE_DATE_EPOCH / 86400))
awk -F: -v OFS=: -v day="$day" '{ if ($3 != "") $3 = day; print }' /etc/shadow > /tmp/shadow
cat /tmp/shadow > /etc/shadow
rm -f /tmp/shadow
"#;

/// The commands, in order: scripts that must run before packages are configured, base-passwd first; dpkg; the
/// recipe's users; cleaning.
pub(crate) fn script_commands(recipe: &Recipe, packages: &[Unpacked], epoch: i64) -> Vec<ScriptCommand> {
    let environment = environment(epoch);
    let command = |arguments: &[&str]| ScriptCommand {
        arguments: arguments.iter().map(|argument| argument.to_string()).collect(),
        environment: environment.clone(),
    };
    let mut commands = Vec::new();
    let mut with_preinst: Vec<&Unpacked> = packages
        .iter()
        .filter(|package| package.members.contains_key("preinst"))
        .collect();
    with_preinst.sort_by_key(|package| package.package.name != "base-passwd");
    for package in with_preinst {
        let script = format!("/var/lib/dpkg/info/{}.preinst", database_name(package));
        let mut one = command(&[&script, "install"]);
        one.environment.extend([
            format!("DPKG_MAINTSCRIPT_PACKAGE={}", package.package.name),
            format!("DPKG_MAINTSCRIPT_ARCH={}", package.package.architecture),
            "DPKG_MAINTSCRIPT_NAME=preinst".to_string(),
            "DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1".to_string(),
        ]);
        commands.push(one);
    }
    let dpkg = ["dpkg", "--force-depends", "--force-confnew", "--configure"];
    if packages
        .iter()
        .any(|package| package.package.name == "base-passwd")
    {
        commands.push(command(&[&dpkg[..], &["base-passwd"]].concat()));
    }
    commands.push(command(&[&dpkg[..], &["-a"]].concat()));
    for group in &recipe.groups {
        commands.push(command(&["groupadd", "-g", &group.gid.to_string(), &group.name]));
    }
    for user in &recipe.users {
        let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
        commands.push(command(&[
            "useradd",
            "-M",
            "-u",
            &uid,
            "-g",
            &gid,
            "-d",
            &user.home,
            "-s",
            &user.shell,
            &user.name,
        ]));
    }
    for group in &recipe.groups {
        commands.extend(
            group
                .members
                .iter()
                .map(|member| command(&["gpasswd", "-a", member, &group.name])),
        );
    }
    commands.push(command(&["sh", "-c", CLEAN]));
    commands
}

fn environment(epoch: i64) -> Vec<String> {
    [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME=/root",
        "LC_ALL=C.UTF-8",
        "TZ=UTC",
        "DEBIAN_FRONTEND=noninteractive",
        "DEBCONF_NONINTERACTIVE_SEEN=true",
        "DPKG_ROOT=",
        // Sets in byte-compiled Python are in the order of hashes.
        "PYTHONHASHSEED=0",
    ]
    .map(String::from)
    .into_iter()
    .chain([format!("SOURCE_DATE_EPOCH={epoch}")])
    .collect()
}
