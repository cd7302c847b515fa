//! What passes between the caller's process and the sandbox process: the specification one way, reports the
//! other, over one socket. Bytes that need not be UTF-8 travel as one character per byte.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Failure;
use crate::step::{Input, Mount, Network, Source, Step};

/// A byte string in a text format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Octets(pub(crate) Vec<u8>);

impl Octets {
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(std::ffi::OsString::from_vec(self.0.clone()))
    }
}

impl<T: AsRef<OsStr> + ?Sized> From<&T> for Octets {
    fn from(text: &T) -> Self {
        Self(text.as_ref().as_bytes().to_vec())
    }
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|&byte| char::from(byte)).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Specification {
    pub lowers: Vec<Octets>,
    pub upper: Octets,
    pub work: Octets,
    pub arguments: Vec<Octets>,
    pub environment: Vec<(Octets, Octets)>,
    pub directory: Octets,
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub hostname: String,
    pub private_network: bool,
    pub mounts: Vec<MountSpecification>,
    pub read_only_root: bool,
    pub no_new_privileges: bool,
    pub insecure: bool,
    pub powerless: bool,
    /// Position of a descriptor.
    pub input: Option<usize>,
    pub terminal: bool,
    pub process_limit: Option<u64>,
    pub shared_memory: Option<u64>,
    pub resources: Vec<(String, u64, u64)>,
    pub cgroup: Option<Octets>,
}

/// A mount as the sandbox process sees it: `tree` and `path` are alternatives.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum MountSpecification {
    Bind {
        descriptor: Option<usize>,
        path: Octets,
        target: Octets,
        writable: bool,
    },
    Overlay {
        lower: Vec<Octets>,
        upper: Octets,
        work: Octets,
        target: Octets,
    },
    Tmpfs {
        target: Octets,
        size: Option<u64>,
        mode: u32,
    },
    File {
        content: Octets,
        target: Octets,
        mode: u32,
        uid: u32,
        gid: u32,
    },
}

impl MountSpecification {
    pub(crate) fn target(&self) -> &[u8] {
        match self {
            Self::Bind { target, .. }
            | Self::Overlay { target, .. }
            | Self::Tmpfs { target, .. }
            | Self::File { target, .. } => &target.0,
        }
    }
}

/// A mount point made for the step, by its path without links from the root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Stub {
    pub components: Vec<Octets>,
    pub directory: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Everything is set up; the command is executed next.
    Ready {
        stubs: Vec<Stub>,
        unenforced: Vec<String>,
    },
    /// It could not be set up or executed.
    Failed(Failure),
    /// The command, and with it every process of the step, ended.
    Exited { code: Option<i32>, signal: Option<i32> },
}

/// The specification of a step, and the descriptors it refers to by position.
pub(crate) fn specify(step: &Step, cgroup: Option<&Path>) -> (Specification, Vec<std::os::fd::RawFd>) {
    let mut descriptors = Vec::new();
    let mut mounts = vec![
        etc_file("/etc/hosts", &step.hosts),
        etc_file("/etc/resolv.conf", &step.resolv_conf),
    ];
    mounts.extend(
        step.mounts
            .iter()
            .map(|mount| specify_mount(mount, &mut descriptors)),
    );
    let input = match &step.input {
        Input::Nothing => None,
        Input::Stream(descriptor) | Input::Terminal(descriptor) => {
            descriptors.push(std::os::fd::AsRawFd::as_raw_fd(descriptor));
            Some(descriptors.len() - 1)
        }
    };
    let octets = |list: &[PathBuf]| list.iter().map(Octets::from).collect::<Vec<_>>();
    let specification = Specification {
        lowers: octets(&step.root.lowers),
        upper: Octets::from(&step.root.upper),
        work: Octets::from(&step.root.work),
        arguments: step.arguments.iter().map(Octets::from).collect(),
        environment: step
            .environment
            .iter()
            .map(|(key, value)| (Octets::from(key), Octets::from(value)))
            .collect(),
        directory: Octets::from(&step.directory),
        uid: step.user.uid,
        gid: step.user.gid,
        groups: step.user.groups.clone(),
        hostname: step.hostname.clone(),
        private_network: step.network == Network::None,
        mounts,
        read_only_root: step.read_only_root,
        no_new_privileges: step.no_new_privileges,
        insecure: step.insecure,
        powerless: step.powerless,
        input,
        terminal: matches!(step.input, Input::Terminal(_)),
        process_limit: step.limits.pids,
        shared_memory: step.limits.shared_memory,
        resources: step.limits.resources.clone(),
        cgroup: cgroup.map(Octets::from),
    };
    (specification, descriptors)
}

fn etc_file(target: &str, content: &str) -> MountSpecification {
    MountSpecification::File {
        content: Octets(content.as_bytes().to_vec()),
        target: Octets::from(target),
        mode: 0o644,
        uid: 0,
        gid: 0,
    }
}

fn specify_mount(mount: &Mount, descriptors: &mut Vec<std::os::fd::RawFd>) -> MountSpecification {
    use std::os::fd::AsRawFd;
    match mount {
        Mount::Bind {
            source: Source::Path(path),
            target,
            writable,
        } => MountSpecification::Bind {
            descriptor: None,
            path: Octets::from(path),
            target: Octets::from(target),
            writable: *writable,
        },
        Mount::Bind {
            source: Source::Descriptor(descriptor),
            target,
            writable,
        } => {
            descriptors.push(descriptor.as_raw_fd());
            MountSpecification::Bind {
                descriptor: Some(descriptors.len() - 1),
                path: Octets(Vec::new()),
                target: Octets::from(target),
                writable: *writable,
            }
        }
        Mount::Overlay {
            lower,
            upper,
            work,
            target,
        } => MountSpecification::Overlay {
            lower: lower.iter().map(Octets::from).collect(),
            upper: Octets::from(upper),
            work: Octets::from(work),
            target: Octets::from(target),
        },
        Mount::Tmpfs { target, size, mode } => MountSpecification::Tmpfs {
            target: Octets::from(target),
            size: *size,
            mode: *mode,
        },
        Mount::File {
            content,
            target,
            mode,
            uid,
            gid,
        } => MountSpecification::File {
            content: Octets(content.clone()),
            target: Octets::from(target),
            mode: *mode,
            uid: *uid,
            gid: *gid,
        },
        Mount::Socket { source, target } => MountSpecification::Bind {
            descriptor: None,
            path: Octets::from(source),
            target: Octets::from(target),
            writable: true,
        },
    }
}
