//! One command in an image, with less than a RUN step has: no capability, no new privileges, a root that refuses writes,
//! no network. What Kubernetes calls restricted, and a little more.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_layer::TreePath;
use praxis_oci::{Digest, ImageConfig, Manifest};
use praxis_plan::ImageBase;
use praxis_sandbox::{Exit, Input, Inside, Limits, Mount, Network, RootFileSystem, Step, User};

use crate::images::Images;
use crate::layers::Workshop;
use crate::run::{PATH, lowers, sandbox_error};
use crate::state::State;
use crate::{SolveError, Workplace};

/// What to run in an image, and with what.
#[derive(Debug, Default)]
pub struct Container {
    /// The whole command.
    pub arguments: Vec<String>,
    /// Variables over those of the image.
    pub environment: Vec<(String, String)>,
    /// Working directory instead of the image's.
    pub directory: Option<String>,
    /// User instead of the image's.
    pub user: Option<String>,
    /// Empty file systems in memory, which can be written to: path and most bytes.
    pub tmpfs: Vec<(String, Option<u64>)>,
    /// The host's network instead of none.
    pub network: bool,
    /// What resolves names where there is a network.
    pub resolv_conf: String,
    /// A root that can be written to; what is written is told and thrown away.
    pub writable: bool,
    /// What it may use up.
    pub limits: Limits,
    /// What it reads.
    pub input: Input,
}

/// How a container ended. Every process of it is gone.
#[derive(Debug)]
pub struct ContainerEnd {
    /// How the command ended.
    pub exit: Exit,
    /// User and group it ran as.
    pub user: (u32, u32),
    /// What was written to the root, or would be if it were a layer.
    pub written: Vec<TreePath>,
}

/// An image whose blobs are in the store.
pub struct ShelvedImage {
    /// What it is called in messages.
    pub name: String,
    /// Names the image among others.
    pub digest: Digest,
    /// Its layers.
    pub manifest: Manifest,
    /// Its configuration.
    pub config: ImageConfig,
}

impl Container {
    /// The command that the image has by itself: entry point and default arguments.
    pub fn command_of(config: &ImageConfig) -> Vec<String> {
        let parts = [&config.config.entrypoint, &config.config.cmd];
        parts.into_iter().flatten().flatten().cloned().collect()
    }
}

/// Runs a command in an image to its end. `output` gets what it writes, with 1 for standard output and 2 for standard
/// error; `ready` a way into its network when it is about to begin.
///
/// # Errors
/// If it cannot be run. A command that fails is no error.
pub fn run_container(
    workplace: &Workplace,
    image: ShelvedImage,
    container: Container,
    output: &mut dyn FnMut(u8, &[u8]),
    ready: &mut dyn FnMut(Inside),
    cancel: &AtomicBool,
) -> Result<ContainerEnd, SolveError> {
    let workshop = Workshop::of(workplace);
    let config = Arc::new(image.config);
    let base = ImageBase {
        reference: image.name,
        manifest: image.digest,
        config: config.clone(),
    };
    let images = Images::new(workshop.clone(), BTreeMap::new(), BTreeMap::new());
    images.hold(&base, image.manifest);
    let mut state = State::default();
    for layer in images.layers(&base)? {
        state.push(layer);
    }
    let scratch = workshop.store.scratch()?;
    let (upper, work) = (scratch.directory("upper")?, scratch.directory("work")?);
    let mut lowers = lowers(&state)?;
    if lowers.is_empty() {
        lowers.push(scratch.directory("empty")?);
    }
    let tree = state.tree()?;
    let mode = tree.get(&TreePath::root()).map_or(0o755, |root| root.mode);
    fs::set_permissions(&upper, fs::Permissions::from_mode(mode))
        .map_err(SolveError::io("set the mode of", &upper))?;
    let wanted = container.user.as_deref().unwrap_or(&config.config.user);
    let identity = state.accounts()?.identity(wanted)?;
    let directory = container.directory.as_ref().unwrap_or(&config.config.working_dir);
    let step = Step {
        root: RootFileSystem {
            lowers,
            upper: upper.clone(),
            work,
        },
        environment: environment(&config, &container.environment, &identity.home),
        arguments: container.arguments.iter().map(OsString::from).collect(),
        directory: PathBuf::from(if directory.is_empty() { "/" } else { directory }),
        user: User {
            uid: identity.uid,
            gid: identity.gid,
            groups: identity.groups,
        },
        hostname: "praxis".into(),
        network: if container.network {
            Network::Host
        } else {
            Network::None
        },
        mounts: container.tmpfs.iter().map(tmpfs).collect(),
        hosts: "127.0.0.1\tlocalhost praxis\n::1\tlocalhost ip6-localhost ip6-loopback\n".into(),
        resolv_conf: container.resolv_conf,
        read_only_root: !container.writable,
        no_new_privileges: true,
        insecure: false,
        powerless: true,
        limits: container.limits,
        input: container.input,
    };
    let exit =
        praxis_sandbox::run_watched(&step, output, ready, cancel).map_err(|error| sandbox_error(&error))?;
    let directory = Workshop::open_directory(&upper)?;
    let written = praxis_layer::scan_upper(&directory, &tree, Default::default())?;
    Ok(ContainerEnd {
        exit,
        user: (identity.uid, identity.gid),
        written: written.entries().iter().map(|entry| entry.path.clone()).collect(),
    })
}

fn tmpfs((target, size): &(String, Option<u64>)) -> Mount {
    Mount::Tmpfs {
        target: PathBuf::from(target),
        size: *size,
        mode: 0o1777,
    }
}

/// The image's variables, those given over them, and what every process has.
fn environment(config: &ImageConfig, given: &[(String, String)], home: &str) -> Vec<(OsString, OsString)> {
    let mut variables: BTreeMap<&str, &str> = BTreeMap::from([("PATH", PATH), ("HOME", home)]);
    variables.extend(config.config.env.iter().filter_map(|line| line.split_once('=')));
    variables.extend(given.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    variables
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
