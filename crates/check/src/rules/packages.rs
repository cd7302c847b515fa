//! Packages that RUN installs, and whether it removes them again.

use crate::command::SimpleCommand;

/// The packages that a command installs with the system's package manager.
pub(super) fn installed(command: &SimpleCommand) -> Vec<&str> {
    let managers = ["apt-get", "apt", "apk", "dnf", "microdnf", "yum", "zypper"];
    if !managers.contains(&command.program()) {
        return Vec::new();
    }
    let verbs = ["install", "add"];
    if !command
        .operands()
        .next()
        .is_some_and(|verb| verbs.contains(&verb))
    {
        return Vec::new();
    }
    let mut words = command.words.iter().skip(1).map(String::as_str);
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "-t" | "--virtual" | "-c" | "-o" | "--repository" | "-X" => _ = words.next(),
            word if word.starts_with(['-', '$', '.', '/', '>', '<']) || verbs.contains(&word) => {}
            word => found.push(word),
        }
    }
    found
}

/// Whether a command removes packages.
pub(super) fn removes(command: &SimpleCommand) -> bool {
    let managers = ["apt-get", "apt", "apk", "dnf", "microdnf", "yum", "zypper"];
    let verbs = ["purge", "remove", "del", "erase", "autoremove"];
    managers.contains(&command.program())
        && command
            .operands()
            .next()
            .is_some_and(|verb| verbs.contains(&verb))
}

/// The name of a package without its version.
pub(super) fn name(package: &str) -> &str {
    package.split(['=', '~', '<', '>', ':']).next().unwrap_or(package)
}
