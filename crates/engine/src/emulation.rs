//! RUN steps whose programs are for another processor: the kernel starts them through an emulator that is registered
//! with it, or not at all.

use std::fs;
use std::path::Path;

use praxis_oci::Platform;
use praxis_plan::{Operation, Plan, StageBase};
use praxis_source::Diagnostic;

/// Where the kernel shows the handlers of foreign programs.
const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// Processors by their number in ELF files (`e_machine`) and by whether numbers are stored with the low byte first.
const MACHINES: &[(u16, bool, &str)] = &[
    (3, true, "386"),
    (62, true, "amd64"),
    (40, true, "arm"),
    (183, true, "arm64"),
    (243, true, "riscv64"),
    (258, true, "loong64"),
    (21, true, "ppc64le"),
    (22, false, "s390x"),
];

/// Processors of Linux programs, besides this machine's own, that RUN steps can have here.
///
/// Counted are handlers that keep their emulator open (flag `F`): only those work in the root of an image.
pub fn emulated_processors() -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(HANDLERS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| processor_of(&fs::read_to_string(entry.path()).ok()?))
        .map(String::from)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The processor that a handler, as the kernel shows it, is for.
fn processor_of(handler: &str) -> Option<&'static str> {
    let field = |name: &str| {
        let mut lines = handler.lines();
        lines.find_map(|line| line.strip_prefix(name).map(str::trim))
    };
    let works = handler.lines().next() == Some("enabled") && field("flags:")?.contains('F');
    if !works || field("offset")? != "0" {
        return None;
    }
    let magic = field("magic")?;
    let byte = |at: usize| u8::from_str_radix(magic.get(2 * at..2 * at + 2)?, 16).ok();
    let low_first = byte(5)? == 1;
    let pair = [byte(18)?, byte(19)?];
    let number = match low_first {
        true => u16::from_le_bytes(pair),
        false => u16::from_be_bytes(pair),
    };
    let is_elf = magic.starts_with("7f454c46");
    let known = MACHINES
        .iter()
        .find(|(machine, order, _)| is_elf && (*machine, *order) == (number, low_first));
    known.map(|(.., name)| *name)
}

/// An error for the first RUN step whose image has programs that this machine cannot start, before anything runs.
///
/// What counts is the image that a stage starts from. Of a stage from nothing or from a directory it is not known what
/// its programs are for: such a step is tried.
pub(crate) fn refuse_foreign_steps(plan: &Plan, emulated: &[String]) -> Result<(), Diagnostic> {
    let host = Platform::host();
    for stage in &plan.stages {
        let Some(platform) = platform_below(plan, &stage.base) else {
            continue;
        };
        if starts_here(&platform, &host, emulated) {
            continue;
        }
        let is_run = |operation: &Operation| matches!(operation, Operation::Run(_));
        if let Some(step) = stage.steps.iter().find(|step| is_run(&step.operation)) {
            let message = format!(
                "RUN needs a machine of {platform}: the image of this stage is for it, and this machine is {host} \
                 without an emulator for {}",
                platform.architecture
            );
            let help = "install qemu-user-static (Debian) or register qemu with binfmt_misc and the flag F, or let the \
                        stage run here with FROM --platform=$BUILDPLATFORM and cross-compile";
            return Err(Diagnostic::error(message, step.span).with_help(help));
        }
    }
    Ok(())
}

/// The platform of the image that a stage starts from in the end.
fn platform_below(plan: &Plan, base: &StageBase) -> Option<Platform> {
    match base {
        StageBase::Image(image) => Some(image.config.platform()),
        StageBase::Stage(index) => platform_below(plan, &plan.stages[*index].base),
        StageBase::Scratch | StageBase::Directory(_) => None,
    }
}

pub(crate) fn starts_here(platform: &Platform, host: &Platform, emulated: &[String]) -> bool {
    // The kernels of these start programs of their smaller relatives.
    let relative = matches!(
        (host.architecture.as_str(), platform.architecture.as_str()),
        ("amd64", "386") | ("arm64", "arm")
    );
    platform.runs_on(host) || relative || emulated.contains(&platform.architecture)
}

/// Whether handlers can be registered at all: the kernel's file for it is there.
pub fn has_handlers() -> bool {
    Path::new(HANDLERS).join("register").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARM64: &str = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\noffset 0\n\
                         magic 7f454c460201010000000000000000000200b700\nmask ffffffffffffff00fffffffffffffffffeffffff\n";

    #[test]
    fn handlers_are_known_by_what_they_match() {
        assert_eq!(processor_of(ARM64), Some("arm64"));
        let big = ARM64
            .replace("454c460201", "454c460202")
            .replace("0200b700", "00020016");
        assert_eq!(processor_of(&big), Some("s390x"));
    }

    #[test]
    fn a_handler_that_is_off_or_needs_its_emulator_in_the_image_does_not_count() {
        assert_eq!(processor_of(&ARM64.replace("enabled", "disabled")), None);
        assert_eq!(processor_of(&ARM64.replace("POCF", "POC")), None);
        assert_eq!(processor_of(&ARM64.replace("7f454c46", "23212f62")), None);
        for length in 0..ARM64.len() {
            let _ = processor_of(&ARM64[..length]);
        }
    }

    #[test]
    fn relatives_and_emulated_processors_start_here() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let host = platform("linux/amd64");
        assert!(starts_here(&platform("linux/386"), &host, &[]));
        assert!(!starts_here(&platform("linux/arm64"), &host, &[]));
        assert!(starts_here(&platform("linux/arm64"), &host, &["arm64".into()]));
    }
}
