//! A base image of the machine's static busybox, as an OCI layout.

use std::fs;
use std::path::{Path, PathBuf};

use praxis_oci::Digest;
use serde_json::json;

use crate::Archive;

const USERS: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1001:app:/home/app:/bin/sh\n";
const GROUPS: &str = "root:x:0:\napp:x:1001:\n";

/// Names of busybox in the base, besides `busybox`.
const APPLETS: &[&str] = &[
    "sh",
    "true",
    "false",
    "cat",
    "ls",
    "id",
    "echo",
    "stat",
    "mkdir",
    "rm",
    "mv",
    "cp",
    "ln",
    "touch",
    "chown",
    "chmod",
    "sleep",
    "env",
    "hostname",
    "grep",
    "dd",
    "pwd",
    "wc",
    "find",
    "test",
    "head",
    "tail",
    "nc",
    "ps",
    "df",
    "seq",
    "cut",
    "sort",
    "date",
    "ip",
    "sha256sum",
    "tr",
    "sed",
    "wget",
];

/// An OCI layout with one image: a shell and its tools, users root and app (1001).
pub struct Base {
    path: PathBuf,
    manifest: Digest,
    layer: Digest,
}

/// The static busybox of this machine.
///
/// # Panics
/// If there is none; the message says what to install.
pub fn busybox() -> PathBuf {
    let found = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .map(PathBuf::from);
    found.into_iter().find(|path| is_static(path)).expect(
        "these tests need a statically linked /bin/busybox: install the package busybox-static (apt-get install busybox-static)",
    )
}

fn is_static(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap_or_default();
    let start = &bytes[..bytes.len().min(8192)];
    start.starts_with(b"\x7fELF") && !start.windows(9).any(|window| window == b"/ld-linux")
}

impl Base {
    /// Writes the base to `path`, which must not exist.
    ///
    /// # Panics
    /// If it cannot be written, or without a static busybox.
    pub fn write(path: &Path) -> Base {
        let blobs = path.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("directory of the base");
        let put = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            fs::write(blobs.join(digest.hex()), bytes).expect("blob of the base");
            (digest, json!({"digest": digest.to_string(), "size": bytes.len()}))
        };
        let (layer, mut layer_entry) = put(&root_file_system());
        layer_entry["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar");
        let configuration = json!({
            "architecture": architecture(), "os": "linux", "created": "2018-01-01T00:00:00Z",
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": [layer.to_string()]},
            "history": [{"created": "2018-01-01T00:00:00Z", "created_by": "busybox"}],
        });
        let (_, mut configuration_entry) = put(configuration.to_string().as_bytes());
        configuration_entry["mediaType"] = json!("application/vnd.oci.image.config.v1+json");
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": configuration_entry, "layers": [layer_entry],
        });
        let (manifest, mut manifest_entry) = put(manifest.to_string().as_bytes());
        manifest_entry["mediaType"] = json!("application/vnd.oci.image.manifest.v1+json");
        manifest_entry["platform"] = json!({"architecture": architecture(), "os": "linux"});
        let index = json!({"schemaVersion": 2, "manifests": [manifest_entry]});
        fs::write(path.join("index.json"), index.to_string()).expect("index of the base");
        fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("mark of the layout");
        Base {
            path: path.to_path_buf(),
            manifest,
            layer,
        }
    }

    /// The layout's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of the manifest.
    pub fn manifest(&self) -> Digest {
        self.manifest
    }

    /// The file of the only layer.
    pub fn layer_file(&self) -> PathBuf {
        self.path.join("blobs/sha256").join(self.layer.hex())
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}

fn root_file_system() -> Vec<u8> {
    let mut archive = Archive::default();
    for (path, mode) in [
        ("bin/", 0o755),
        ("etc/", 0o755),
        ("home/", 0o755),
        ("root/", 0o700),
        ("tmp/", 0o1777),
    ] {
        archive.directory(path, mode);
    }
    archive.file("bin/busybox", 0o755, &fs::read(busybox()).expect("read busybox"));
    for name in APPLETS {
        archive.link(&format!("bin/{name}"), "busybox");
    }
    archive.file("etc/passwd", 0o644, USERS.as_bytes());
    archive.file("etc/group", 0o644, GROUPS.as_bytes());
    archive.finish()
}
