//! The real program signs, attests and verifies; cosign reads what it wrote.

mod checks;
#[cfg(feature = "keyless")]
mod keyless;
#[cfg(feature = "keyless")]
mod keyless_logs;
mod negatives;
mod places;
mod promote;
mod release;
#[cfg(feature = "tsa")]
mod timestamps;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use praxis_testkit::{RealRegistry, RegistryOptions};

/// A small project, a key pair and stores.
struct Place {
    place: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            place: tempfile::tempdir().unwrap(),
        };
        place.write("app/Dockerfile", "FROM scratch\nCOPY file /\n");
        place.write("app/file", "content");
        place.good(&["key", "generate", "--output-key-prefix", "own"]);
        place.good(&["key", "generate", "--output-key-prefix", "other"]);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn registry(&self) -> RealRegistry {
        RealRegistry::start(self.place.path(), &RegistryOptions::default())
    }

    fn program(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Output {
        self.command(program, arguments).output().unwrap()
    }

    fn command(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .args(arguments)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("PRAXIS_ROOT", self.path("store"))
            .env("HOME", self.path("home"))
            .env("PRAXIS_KEY_PASSWORD", "swordfish")
            .env("COSIGN_PASSWORD", "swordfish")
            .stdin(Stdio::null())
            .current_dir(self.place.path());
        command
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> String {
        success(self.program(env!("CARGO_BIN_EXE_praxis"), arguments))
    }

    /// What is said, on both streams, of a failure.
    #[track_caller]
    fn bad(&self, arguments: &[&str]) -> String {
        let output = self.program(env!("CARGO_BIN_EXE_praxis"), arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        said
    }

    /// Builds the image under this name and gives its digest.
    #[track_caller]
    fn build(&self, name: &str) -> String {
        self.good(&["build", "-q", "-t", name, "app"]).trim().to_string()
    }
}

#[track_caller]
fn success(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stdout).unwrap()
}
