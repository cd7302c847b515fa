//! # The runtime has no toolchain
//!
//! The final stage installs no compiler, no build tool and no `-dev` package, unless the same `RUN` removes it.
//!
//! # Why
//! A compiler in the image turns a bug into a way to build an exploit in place; headers and build tools are weight
//! that every scan reports.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN apt-get update && apt-get install -y --no-install-recommends gcc libpq-dev
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN apt-get update && apt-get install -y --no-install-recommends libpq5
//! ```
//! # Fix
//! Build in a stage of its own and copy the result; install the library itself instead of its `-dev` package.

use super::packages;
use crate::command::commands;
use crate::rule::Report;
use crate::Repository;

const TOOLS: [&str; 22] = [
    "gcc", "g++", "cpp", "make", "cmake", "ninja-build", "build-essential", "build-base", "binutils", "clang", "llvm",
    "rustc", "cargo", "golang", "go", "automake", "autoconf", "libtool", "bison", "flex", "gdb", "patch",
];

/// Whether a package is a compiler, a build tool or headers.
pub(crate) fn is_toolchain(name: &str) -> bool {
    TOOLS.contains(&name) || name.ends_with("-dev") || name.ends_with("-devel")
}

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.runtime() {
            let commands = commands(instruction);
            if commands.iter().any(packages::removes) {
                continue;
            }
            for package in commands.iter().flat_map(packages::installed) {
                let name = packages::name(package);
                if is_toolchain(name) {
                    let span = view.place(instruction.span, package);
                    report.add(&view.path, span, format!("{name} is installed in the image that runs"));
                }
            }
        }
    }
}
