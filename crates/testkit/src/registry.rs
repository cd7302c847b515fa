//! Debian's `docker-registry`, started on loopback.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A real registry with its files in a directory. It ends when dropped.
pub struct RealRegistry {
    child: Child,
    authority: String,
    files: PathBuf,
}

/// How it is started.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// A file of `htpasswd`: who has no password in it gets nothing.
    pub passwords: Option<PathBuf>,
    /// Certificate and key (PEM).
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The authority (PEM) that has to have signed the certificate of whoever connects.
    pub client_authority: Option<PathBuf>,
}

impl RealRegistry {
    /// Starts it; what it stores lies in `place`.
    ///
    /// # Panics
    /// If it is not installed (`docker-registry`) or does not start.
    pub fn start(place: &Path, options: &RegistryOptions) -> RealRegistry {
        for _ in 0..5 {
            let port = free_port();
            if let Some(started) = RealRegistry::start_on(port, place, options) {
                return started;
            }
        }
        panic!("docker-registry does not start");
    }

    fn start_on(port: u16, place: &Path, options: &RegistryOptions) -> Option<RealRegistry> {
        let authority = format!("127.0.0.1:{port}");
        let files = place.join("registry");
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
        let configuration = place.join(format!("registry-{port}.yml"));
        std::fs::write(&configuration, text).expect("a file");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        let errors = child.stderr.take();
        std::thread::spawn(move || {
            // Read, so that it never waits for a reader.
            if let Some(pipe) = errors {
                BufReader::new(pipe).lines().map_while(Result::ok).for_each(drop);
            }
        });
        for _ in 0..1200 {
            if TcpStream::connect(&authority).is_ok() {
                return Some(RealRegistry {
                    child,
                    authority,
                    files,
                });
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

    /// `HOST:PORT`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Where its files are.
    pub fn files(&self) -> &Path {
        &self.files
    }
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
