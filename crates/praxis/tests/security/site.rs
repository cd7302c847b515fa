//! A place with a base, a context, a store, and things on the host that no build may touch or show.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use praxis_oci::Digest;
use praxis_testkit::{Archive, Base};
use serde_json::{Value, json};

/// Stands in files and variables of the host that must not appear in any build.
pub const CANARY: &str = "canary-7f3a9c";

pub struct Site {
    place: tempfile::TempDir,
    base: Base,
}

/// How a build ended, and all it said.
pub struct Outcome {
    pub success: bool,
    pub text: String,
}

impl Outcome {
    /// The build failed in an orderly way and said `why`.
    #[track_caller]
    pub fn refused(&self, why: &str) {
        assert!(!self.success, "the build succeeded: {}", self.text);
        assert!(self.text.contains(why), "{why:?} is not in: {}", self.text);
        assert!(!self.text.contains("panicked"), "{}", self.text);
    }

    #[track_caller]
    pub fn accepted(&self) -> &Outcome {
        assert!(self.success, "{}", self.text);
        self
    }
}

impl Site {
    pub fn new() -> Site {
        let place = tempfile::tempdir().unwrap();
        let base = Base::write(&place.path().join("base"));
        fs::create_dir(place.path().join("context")).unwrap();
        fs::create_dir(place.path().join("host")).unwrap();
        fs::write(place.path().join("host/secret"), CANARY).unwrap();
        Site { place, base }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn context(&self, name: &str) -> PathBuf {
        self.path("context").join(name)
    }

    pub fn host(&self) -> PathBuf {
        self.path("host")
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Builds `dockerfile` on the base `busybox` and unpacks the result to `out`.
    pub fn build(&self, dockerfile: &str, arguments: &[&str]) -> Outcome {
        let path = self.path("Dockerfile");
        fs::write(&path, dockerfile).unwrap();
        let out = self.path("out");
        let _ = fs::remove_dir_all(&out);
        let output = format!("type=local,dest={}", out.display());
        let file = path.display().to_string();
        let context = self.path("context").display().to_string();
        let mut all = vec!["build", "--progress", "plain", "-f", &file, "--output", &output];
        all.extend(arguments);
        all.push(&context);
        self.praxis(&all)
    }

    /// Runs praxis with the base at hand. It has two minutes.
    pub fn praxis(&self, arguments: &[&str]) -> Outcome {
        let log = self.path("log");
        let file = File::create(&log).unwrap();
        let base = format!("busybox=oci-layout://{}", self.base.path().display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_praxis"));
        command
            .args(arguments)
            .env("PRAXIS_ROOT", self.store())
            .env("PRAXIS_TEST_VARIABLE", CANARY);
        if arguments[0] == "build" {
            command.args(["--build-context", &base]);
        }
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let mut child = command.spawn().unwrap();
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > Duration::from_secs(120) {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("it hangs: {}", fs::read_to_string(&log).unwrap());
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let text = String::from_utf8_lossy(&fs::read(&log).unwrap()).into_owned();
        Outcome {
            success: status.success(),
            text,
        }
    }

    /// What the result has at `name`.
    pub fn result(&self, name: &str) -> String {
        fs::read_to_string(self.path("out").join(name)).unwrap()
    }

    /// Files of the store and of the result that hold the canary.
    pub fn leaks(&self) -> Vec<PathBuf> {
        let files = ["store", "out"].map(|name| praxis_testkit::files_below(&self.path(name)));
        let holds = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes
                .windows(CANARY.len())
                .any(|window| window == CANARY.as_bytes())
        };
        files.into_iter().flatten().filter(holds).collect()
    }
}

/// An OCI layout made piece by piece.
pub struct Layout {
    pub path: PathBuf,
}

impl Layout {
    pub fn new(path: &Path) -> Layout {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Layout {
            path: path.to_path_buf(),
        }
    }

    pub fn blob(&self, digest: &str) -> PathBuf {
        self.path
            .join("blobs/sha256")
            .join(digest.strip_prefix("sha256:").unwrap())
    }

    /// Stores `bytes` and describes them.
    pub fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes).to_string();
        fs::write(self.blob(&digest), bytes).unwrap();
        json!({"mediaType": format!("application/vnd.oci.image.{media_type}"), "digest": digest, "size": bytes.len()})
    }

    pub fn put_json(&self, media_type: &str, value: &Value) -> Value {
        self.put(media_type, value.to_string().as_bytes())
    }

    /// The manifest of an image with one layer that holds `/f`, and `config` in its configuration.
    pub fn manifest(&self, config: &Value) -> Value {
        let layer = Archive::default().file("f", 0o644, b"text").finish();
        self.manifest_of(config, &layer)
    }

    pub fn manifest_of(&self, config: &Value, layer: &[u8]) -> Value {
        let diff_id = Digest::of(layer).to_string();
        let layer = self.put("layer.v1.tar", layer);
        let config = self.put_json(
            "config.v1+json",
            &json!({"architecture": architecture(), "os": "linux", "config": config,
                "rootfs": {"type": "layers", "diff_ids": [diff_id]}, "history": [{"created_by": "test"}]}),
        );
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": [layer]})
    }

    /// Makes `descriptor` the only entry of the index.
    pub fn point_to(&self, descriptor: &Value) -> &Layout {
        let index = json!({"schemaVersion": 2, "manifests": [descriptor]});
        fs::write(self.path.join("index.json"), index.to_string()).unwrap();
        self
    }

    /// The option that calls this layout `image`.
    pub fn option(&self) -> String {
        format!("--build-context=image=oci-layout://{}", self.path.display())
    }
}

pub fn architecture() -> &'static str {
    if std::env::consts::ARCH == "aarch64" {
        "arm64"
    } else {
        "amd64"
    }
}
