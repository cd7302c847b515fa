//! RUN steps whose programs are for another processor: the kernel starts them through an emulator that is registered
//! with it, or not at all.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use praxis_dockerfile::Kind;
use praxis_oci::Platform;
use praxis_plan::{Operation, Plan, StageBase};
use praxis_sandbox::Emulator;
use praxis_source::{Diagnostic, SourceFile};

use crate::sources::{dockerfile, dockerfile_from_stdin};
use crate::{BuildRequest, ContextSource};

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

/// Processors by the name that qemu has for them.
const QEMU: &[(&str, &str)] = &[
    ("386", "i386"),
    ("amd64", "x86_64"),
    ("arm", "arm"),
    ("arm64", "aarch64"),
    ("riscv64", "riscv64"),
    ("loong64", "loongarch64"),
    ("ppc64le", "ppc64le"),
    ("s390x", "s390x"),
];

/// Emulators of this process's own, and what keeps them registered.
static OWN: OnceLock<Option<(OwnedFd, Vec<String>)>> = OnceLock::new();

/// Processors of Linux programs for which there is an emulator on this machine that needs no libraries. A process in a
/// user namespace of its own can use them without the host's knowledge.
pub fn own_emulators() -> Vec<String> {
    if !has_own_handlers(rustix::system::uname().release().to_str().unwrap_or_default()) {
        return Vec::new();
    }
    installed().into_iter().map(|(processor, _)| processor).collect()
}

/// Whether user namespaces have handlers of their own in this release of Linux.
fn has_own_handlers(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|text| text.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 7)
}

impl BuildRequest {
    /// The platforms that the build is for, and those that FROM lines name where the Dockerfile can be read here and now:
    /// what a caller can know before it opens an engine.
    pub fn platforms_in_sight(&self) -> Vec<Platform> {
        let source = match &self.context {
            ContextSource::Directory(directory) => dockerfile(self, directory).map(|(source, _)| source),
            ContextSource::Received(received) => Ok(received.dockerfile()),
            _ => dockerfile_from_stdin(self),
        };
        let named = source
            .map(|source| self.named_platforms(&source))
            .unwrap_or_default();
        self.platforms.iter().cloned().chain(named).collect()
    }

    fn named_platforms(&self, source: &SourceFile) -> Vec<Platform> {
        let (tree, _) = praxis_dockerfile::parse(source);
        let default = |name: &str| {
            let arguments = tree.arguments.iter().filter_map(|one| match &one.kind {
                Kind::Arg(arguments) => Some(arguments),
                _ => None,
            });
            let mut named = arguments.flatten().filter(|one| one.name == name);
            named.next_back().and_then(|one| one.default.clone())
        };
        let value = |text: &String| match text.strip_prefix('$') {
            None => Some(text.clone()),
            Some(name) => {
                let name = name.trim_start_matches('{').trim_end_matches('}');
                self.build_args.get(name).cloned().or_else(|| default(name))
            }
        };
        let written = tree
            .stages
            .iter()
            .filter_map(|stage| value(stage.from.platform.as_ref()?));
        written.filter_map(|text| text.parse().ok()).collect()
    }
}

/// Whether root needs a user namespace to run programs of one of `platforms` with an emulator of its own.
pub fn wants_own_emulators(platforms: &[Platform]) -> bool {
    let (host, emulated) = (Platform::host(), emulated_processors());
    let foreign = |platform: &&Platform| !starts_here(platform, &host, &emulated);
    let mut foreign = platforms.iter().filter(foreign).peekable();
    foreign.peek().is_some() && {
        let own = own_emulators();
        foreign.any(|platform| own.contains(&platform.architecture))
    }
}

fn installed() -> Vec<(String, Emulator)> {
    let own = Platform::host().architecture;
    let others = MACHINES.iter().filter(|(.., processor)| *processor != own);
    let found = others.filter_map(|(machine, low_first, processor)| {
        let (_, name) = QEMU.iter().find(|(known, _)| known == processor)?;
        let places = [
            format!("/usr/bin/qemu-{name}-static"),
            format!("/usr/bin/qemu-{name}"),
        ];
        let interpreter = places.iter().map(PathBuf::from).find(|path| is_static(path))?;
        let (magic, mask) = signature(*machine, *low_first, matches!(*processor, "386" | "arm"));
        let name = format!("praxis-{processor}");
        let emulator = Emulator {
            name,
            magic,
            mask,
            interpreter,
        };
        Some((processor.to_string(), emulator))
    });
    found.collect()
}

/// The beginning of the ELF files of a processor, programs and libraries, and the bits of it that count.
fn signature(machine: u16, low_first: bool, is_32_bit: bool) -> (Vec<u8>, Vec<u8>) {
    let pair = |number: u16| match low_first {
        true => number.to_le_bytes(),
        false => number.to_be_bytes(),
    };
    let mut magic = b"\x7fELF".to_vec();
    magic.extend([if is_32_bit { 1 } else { 2 }, if low_first { 1 } else { 2 }, 1]);
    magic.extend([0; 9]);
    magic.extend(pair(2));
    magic.extend(pair(machine));
    let mut mask = vec![0xff; 7];
    // Any operating system; programs are of type 2 or 3.
    mask.push(0);
    mask.extend([0xff; 8]);
    mask.extend(pair(0xfffe));
    mask.extend([0xff, 0xff]);
    (magic, mask)
}

/// Whether a file is a program of this machine (64 bits) that asks for no loader.
fn is_static(path: &Path) -> bool {
    let mut head = vec![0; 4096];
    let Some(length) = File::open(path)
        .ok()
        .and_then(|mut file| file.read(&mut head).ok())
    else {
        return false;
    };
    head.truncate(length);
    let number = |at: usize, count: usize| {
        let bytes = head.get(at..at + count)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0_usize, |sum, &byte| sum << 8 | usize::from(byte)),
        )
    };
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let headers = || Some((number(32, 8)?, number(54, 2)?, number(56, 2)?));
    let Some((first, size, count)) = headers() else {
        return false;
    };
    let kinds = (0..count).map(|index| number(first.saturating_add(index * size), 4));
    const LOADER: usize = 3;
    count > 0
        && kinds
            .into_iter()
            .all(|kind| kind.is_some_and(|kind| kind != LOADER))
}

/// Registers emulators in the user namespace of this process, if it made one and the kernel lets it: those of the host do
/// not count any more then.
fn use_own() -> Option<&'static [String]> {
    let register = || {
        let (processors, emulators): (Vec<String>, Vec<Emulator>) = installed().into_iter().unzip();
        if emulators.is_empty() {
            return None;
        }
        let mount = praxis_sandbox::register_emulators(&emulators).ok()?;
        Some((mount, processors))
    };
    let own = OWN.get_or_init(register).as_ref();
    own.map(|(_, processors)| processors.as_slice())
}

/// Whether programs of `platform` can be started here, if need be with emulators of this process's own.
pub(crate) fn can_start(platform: &Platform) -> bool {
    let host = Platform::host();
    starts_here(platform, &host, &emulated_processors())
        || use_own().is_some_and(|own| own.contains(&platform.architecture))
}

/// Processors of Linux programs, besides this machine's own, that RUN steps can have here.
///
/// Counted are handlers that keep their emulator open (flag `F`): only those work in the root of an image.
pub fn emulated_processors() -> Vec<String> {
    if let Some(Some((_, processors))) = OWN.get() {
        return processors.clone();
    }
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

const HELP: &str = "install qemu-user-static (Debian): from Linux 6.7 on no more is needed, but for root --platform \
                    where neither a FROM line nor an option says it; before that, register it with binfmt_misc and the flag F. Or let the stage run here \
                    with FROM --platform=$BUILDPLATFORM and cross-compile";

/// An error for the first RUN step whose image has programs that this machine cannot start, before anything runs.
///
/// What counts is the image that a stage starts from. Of a stage from nothing or from a directory it is not known what
/// its programs are for: such a step is tried.
pub(crate) fn refuse_foreign_steps(plan: &Plan) -> Result<(), Diagnostic> {
    let host = Platform::host();
    for stage in &plan.stages {
        let is_run = |operation: &Operation| matches!(operation, Operation::Run(_));
        let Some(step) = stage.steps.iter().find(|step| is_run(&step.operation)) else {
            continue;
        };
        let known = platform_below(plan, &stage.base);
        let platform = known.clone().unwrap_or_else(|| stage.platform.clone());
        if !can_start(&platform) && known.is_some() {
            let message = format!(
                "RUN needs a machine of {platform}: the image of this stage is for it, and this machine is {host} \
                 without an emulator for {}",
                platform.architecture
            );
            let help = HELP;
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

fn starts_here(platform: &Platform, host: &Platform, emulated: &[String]) -> bool {
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
    fn signatures_match_programs_and_libraries_of_one_processor() {
        let (magic, mask) = signature(183, true, false);
        let fits = |bytes: &[u8]| {
            bytes
                .iter()
                .zip(&magic)
                .zip(&mask)
                .all(|((byte, magic), mask)| byte & mask == *magic)
        };
        let mut header = b"\x7fELF\x02\x01\x01\x03\0\0\0\0\0\0\0\0\x02\0\xb7\0".to_vec();
        assert!(fits(&header));
        header[16] = 3;
        assert!(fits(&header));
        header[16] = 1;
        assert!(!fits(&header), "an object file");
        header[16] = 2;
        header[18] = 62;
        assert!(!fits(&header), "another processor");
        let (big, mask) = signature(22, false, false);
        assert_eq!(
            (big[5], &big[16..], &mask[16..18]),
            (2, &[0, 2, 0, 22][..], &[0xff, 0xfe][..])
        );
    }

    #[test]
    fn platforms_that_from_lines_name_are_in_sight() {
        let text = "ARG OTHER=linux/s390x\nFROM --platform=linux/arm64 a\nFROM --platform=$BUILDPLATFORM b\n\
                    FROM --platform=${OTHER} c\nFROM --platform=$GIVEN d\nFROM e\n";
        let request = BuildRequest {
            context: ContextSource::Stdin,
            stdin: Some(text.into()),
            platforms: vec!["linux/amd64".parse().unwrap()],
            build_args: [("GIVEN".to_string(), "linux/riscv64".to_string())].into(),
            ..BuildRequest::default()
        };
        let found: Vec<String> = request
            .platforms_in_sight()
            .iter()
            .map(Platform::to_string)
            .collect();
        assert_eq!(
            found,
            ["linux/amd64", "linux/arm64", "linux/s390x", "linux/riscv64"]
        );
    }

    #[test]
    fn handlers_of_namespaces_came_with_6_7() {
        for (release, expected) in [
            ("6.7.0", true),
            ("6.18.44-x", true),
            ("7.0", true),
            ("6.6.99", false),
            ("5.15-generic", false),
            ("", false),
        ] {
            assert_eq!(has_own_handlers(release), expected, "{release}");
        }
    }

    #[test]
    fn static_programs_are_told_from_others() {
        assert!(is_static(Path::new("/bin/busybox")));
        assert!(!is_static(Path::new("/bin/sh")));
        assert!(!is_static(Path::new("/etc/passwd")));
        assert!(!is_static(Path::new("/nowhere")));
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
