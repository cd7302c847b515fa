//! Real registries, started on loopback: Debian's `docker-registry`, or another that the environment names.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The variable that names a program to test with in place of `docker-registry`. It is started as crane is:
/// `PROGRAM registry serve --address HOST:PORT --disk DIRECTORY` (`scripts/second-registry` sets it).
pub const OTHER_REGISTRY: &str = "PRAXIS_TEST_REGISTRY";

/// A real registry with its files in a directory. It ends when dropped.
pub struct RealRegistry {
    child: Child,
    authority: String,
    files: PathBuf,
    implementation: Implementation,
}

/// Whose code answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Implementation {
    /// The CNCF's distribution, Debian's `docker-registry`.
    Distribution,
    /// go-containerregistry, which crane serves. It has blobs for all repositories together and so never mounts, takes
    /// manifests without looking for their blobs, and knows neither passwords nor TLS.
    GoContainerregistry,
}

/// How it is started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// A file of `htpasswd`: who has no password in it gets nothing.
    pub passwords: Option<PathBuf>,
    /// Certificate and key (PEM).
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The authority (PEM) that has to have signed the certificate of whoever connects.
    pub client_authority: Option<PathBuf>,
}

impl RealRegistry {
    /// Starts it; what it stores lies in `place`. Options are for `docker-registry`, which serves those who have some
    /// whatever the environment says.
    ///
    /// # Panics
    /// If it is not installed (`docker-registry`) or does not start.
    pub fn start(place: &Path, options: &RegistryOptions) -> RealRegistry {
        let other = std::env::var_os(OTHER_REGISTRY).filter(|_| *options == RegistryOptions::default());
        for _ in 0..5 {
            let authority = format!("127.0.0.1:{}", free_port());
            let files = place.join("registry");
            let (command, implementation) = match &other {
                Some(program) => (
                    go_containerregistry(program, &authority, &files),
                    Implementation::GoContainerregistry,
                ),
                None => (
                    distribution(place, &authority, &files, options),
                    Implementation::Distribution,
                ),
            };
            if let Some(child) = started(command, &authority) {
                return RealRegistry {
                    child,
                    authority,
                    files,
                    implementation,
                };
            }
        }
        panic!("the registry does not start");
    }

    /// `HOST:PORT`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Where its files are.
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// Where the blob whose digest ends in `hex` lies.
    pub fn blob(&self, hex: &str) -> PathBuf {
        match self.implementation {
            Implementation::Distribution => {
                let blobs = self.files.join("docker/registry/v2/blobs/sha256");
                blobs.join(&hex[..2]).join(hex).join("data")
            }
            Implementation::GoContainerregistry => self.files.join("sha256").join(hex),
        }
    }

    /// Which one it is.
    pub fn implementation(&self) -> Implementation {
        self.implementation
    }
}

fn distribution(place: &Path, authority: &str, files: &Path, options: &RegistryOptions) -> Command {
    let mut text = format!(
        "version: 0.1\nlog:\n  level: error\nstorage:\n  delete:\n    enabled: true\n  filesystem:\n    \
             rootdirectory: {}\nhttp:\n  addr: {authority}\n",
        files.display()
    );
    if let Some((certificate, key)) = &options.tls {
        let (certificate, key) = (certificate.display(), key.display());
        text.push_str(&format!(
            "  tls:\n    certificate: {certificate}\n    key: {key}\n"
        ));
        if let Some(authority) = &options.client_authority {
            text.push_str(&format!("    clientcas:\n      - {}\n", authority.display()));
        }
    }
    if let Some(passwords) = &options.passwords {
        text.push_str(&format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            passwords.display()
        ));
    }
    let configuration = place.join(format!("registry-{}.yml", authority.replace(':', "-")));
    std::fs::write(&configuration, text).expect("a file");
    let mut command = Command::new("docker-registry");
    command
        .arg("serve")
        .arg(&configuration)
        .env("OTEL_TRACES_EXPORTER", "none");
    command
}

fn go_containerregistry(program: &OsStr, authority: &str, files: &Path) -> Command {
    std::fs::create_dir_all(files).expect("a directory");
    let mut command = Command::new(program);
    command
        .args(["registry", "serve", "--address", authority, "--disk"])
        .arg(files);
    command
}

/// The program, once it takes connections; nothing if it ends before.
fn started(mut command: Command, authority: &str) -> Option<Child> {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the registry is installed");
    let errors = child.stderr.take();
    std::thread::spawn(move || {
        // Read, so that it never waits for a reader.
        if let Some(pipe) = errors {
            BufReader::new(pipe).lines().map_while(Result::ok).for_each(drop);
        }
    });
    for _ in 0..1200 {
        if TcpStream::connect(authority).is_ok() {
            return Some(child);
        }
        if child.try_wait().ok().flatten().is_some() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
