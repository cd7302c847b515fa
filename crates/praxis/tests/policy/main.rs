//! Rules that a repository brings with it, as a user of `praxis check` and `praxis policy` meets them.

#[cfg(feature = "rego")]
mod rego;
#[cfg(not(feature = "rego"))]
mod without;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A repository in a directory of its own.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// With these files.
    fn new(files: &[(&str, &str)]) -> Place {
        let directory = tempfile::tempdir().unwrap();
        let place = Place { directory };
        files.iter().for_each(|(path, text)| place.write(path, text));
        place
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn praxis(&self, arguments: &[&str]) -> Output {
        let store = tempfile::tempdir().unwrap();
        Command::new(env!("CARGO_BIN_EXE_praxis"))
            .args(arguments)
            .current_dir(self.path())
            .env("PRAXIS_ROOT", store.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
