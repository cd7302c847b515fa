//! The real program with registries: Debian's docker-registry, and skopeo, buildah and podman on the other side.

mod builds;
mod commands;
mod online;
mod others;
mod pins;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use praxis_testkit::{Base, RealRegistry, RegistryOptions};

/// A registry, a base and stores.
struct Place {
    registry: RealRegistry,
    base: Base,
    place: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place::with(|_| RegistryOptions::default())
    }

    fn with(options: impl FnOnce(&Path) -> RegistryOptions) -> Place {
        let place = tempfile::tempdir().unwrap();
        let base = Base::write(&place.path().join("base"));
        let options = options(place.path());
        Place {
            registry: RealRegistry::start(place.path(), &options),
            base,
            place,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// `HOST:PORT/rest`.
    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.registry.authority())
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// `praxis` on the store of this name.
    fn praxis(&self, store: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_praxis"));
        command
            .args(arguments)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("PRAXIS_ROOT", self.path(store))
            .env("HOME", self.path("home"))
            .stdin(Stdio::null())
            .current_dir(self.place.path());
        command
    }

    #[track_caller]
    fn good(&self, store: &str, arguments: &[&str]) -> String {
        success(self.praxis(store, arguments).output().unwrap())
    }

    /// What is said of a failure.
    #[track_caller]
    fn bad(&self, store: &str, arguments: &[&str]) -> String {
        let output = self.praxis(store, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }

    /// Puts the base into the registry.
    #[track_caller]
    fn publish_base(&self, rest: &str) {
        self.good(
            "publisher",
            &[
                "copy",
                "oci-layout:base",
                &format!("docker://{}", self.name(rest)),
            ],
        );
    }

    fn manifests_asked(&self) -> String {
        self.base.manifest().to_string()
    }
}

#[track_caller]
fn success(output: Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
