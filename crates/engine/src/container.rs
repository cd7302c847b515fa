//! Images that run: by hand, and as smoke tests.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_image::OpenedImage;
use praxis_oci::{Digest, Platform};
use praxis_sandbox::{Exit, Input, Inside, Limits};
use praxis_solve::{Container, ContainerEnd, ShelvedImage, run_container};
use praxis_store::Store;

use crate::inspect::identity;
use crate::{Engine, EngineError};

/// What `praxis run` asks for.
#[derive(Debug, Default)]
pub struct RunRequest {
    /// The image, as for `praxis inspect`.
    pub image: String,
    /// Its platform, of an index.
    pub platform: Option<Platform>,
    /// The whole command, instead of entry point and default arguments.
    pub command: Option<Vec<String>>,
    /// Arguments for the entry point, instead of the default ones.
    pub arguments: Option<Vec<String>>,
    /// Variables over those of the image.
    pub environment: Vec<(String, String)>,
    /// Working directory instead of the image's.
    pub directory: Option<String>,
    /// User instead of the image's.
    pub user: Option<String>,
    /// Paths of empty file systems in memory, and most bytes of each.
    pub tmpfs: Vec<(String, Option<u64>)>,
    /// The host's network instead of none.
    pub network: bool,
    /// A root that can be written to.
    pub writable: bool,
    /// What it may use up.
    pub limits: Limits,
    /// What it reads.
    pub input: Input,
}

/// How a command in an image ended.
#[derive(Clone, Debug)]
pub struct RunEnd {
    /// Digest of the image's manifest, or of its configuration where it has none.
    pub digest: Digest,
    /// How the command ended.
    pub exit: Exit,
    /// User and group it ran as.
    pub user: (u32, u32),
    /// What it wrote to the root.
    pub written: Vec<String>,
}

impl Engine {
    /// Runs a command in an image, restricted: no capability, no new privileges, a root that refuses writes, no network,
    /// unless the request says otherwise. `output` gets what it writes, with 1 for standard output and 2 for standard
    /// error.
    ///
    /// # Errors
    /// If the command cannot be run. One that fails is no error.
    pub fn run(
        &self,
        request: RunRequest,
        output: &mut dyn FnMut(u8, &[u8]),
        cancel: &AtomicBool,
    ) -> Result<RunEnd, EngineError> {
        let store = self.store()?;
        let opened = self.image(&request.image, request.platform.as_ref(), &store)?;
        self.run_opened(&store, &opened, request, output, &mut |_| {}, cancel)
    }

    pub(crate) fn run_opened(
        &self,
        store: &Arc<Store>,
        opened: &OpenedImage,
        request: RunRequest,
        output: &mut dyn FnMut(u8, &[u8]),
        ready: &mut dyn FnMut(Inside),
        cancel: &AtomicBool,
    ) -> Result<RunEnd, EngineError> {
        let arguments = arguments(opened, &request)?;
        let image = ShelvedImage {
            name: request.image.clone(),
            digest: identity(opened),
            manifest: opened.shelve(store)?,
            config: opened.config.clone(),
        };
        let container = Container {
            arguments,
            environment: request.environment,
            directory: request.directory,
            user: request.user,
            tmpfs: request.tmpfs,
            network: request.network,
            resolv_conf: crate::loan::loan(&crate::Site::default()).resolv_conf,
            writable: request.writable,
            limits: request.limits,
            input: request.input,
        };
        let workplace = self.workplace(store.clone());
        let ContainerEnd { exit, user, written } =
            run_container(&workplace, image, container, output, ready, cancel)?;
        Ok(RunEnd {
            digest: identity(opened),
            exit,
            user,
            written: written.iter().map(ToString::to_string).collect(),
        })
    }
}

fn arguments(opened: &OpenedImage, request: &RunRequest) -> Result<Vec<String>, EngineError> {
    let arguments = match (&request.command, &request.arguments) {
        (Some(command), _) => command.clone(),
        (None, Some(arguments)) => {
            let entry = opened.config.config.entrypoint.clone().unwrap_or_default();
            entry.into_iter().chain(arguments.iter().cloned()).collect()
        }
        (None, None) => Container::command_of(&opened.config),
    };
    if arguments.is_empty() {
        return Err(EngineError::user(format!(
            "{}: the image says no command, and none was given",
            request.image
        )));
    }
    Ok(arguments)
}
