//! A place with a base, files and a store.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use praxis_testkit::Base;

/// A temporary directory in which `praxis bake` runs.
pub struct Place {
    place: tempfile::TempDir,
}

/// How a call ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// With a base of busybox in `base`, which targets reach as `oci-layout://base`.
    pub fn new() -> Place {
        let place = Place::empty();
        Base::write(&place.path("base"));
        place
    }

    /// Without a base.
    pub fn empty() -> Place {
        Place {
            place: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join("work").join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> &Place {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// `praxis bake --progress plain` with these variables in the environment.
    pub fn bake_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_praxis"))
            .args(["bake", "--progress", "plain"])
            .args(arguments)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("PRAXIS_ROOT", self.place.path().join("store"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .current_dir(self.path("."))
            .output()
            .unwrap();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn bake(&self, arguments: &[&str]) -> Ended {
        self.bake_with(&[], arguments)
    }
}

impl Ended {
    /// It must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Ended {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// The message of a call that ended with `code`: the last line, and the only one that says `error: `.
    #[track_caller]
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        let errors: Vec<&str> = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert_eq!(errors.len(), 1, "{}", self.stderr);
        assert_eq!(self.stderr.lines().last(), Some(errors[0]));
        errors[0]
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}
