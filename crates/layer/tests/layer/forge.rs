//! Hand-made archives and the places tests write to.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use praxis_layer::{ContentSource, Entry, Kind, LayerError, Limits, Listing, Ownership, Timestamp};
use praxis_oci::Digest;

/// A tar made header by header, so that it can be wrong.
#[derive(Default)]
pub struct Forge(pub Vec<u8>);

impl Forge {
    pub fn new() -> Forge {
        Forge::default()
    }

    pub fn file(self, name: &str, body: &str) -> Forge {
        self.member(name.as_bytes(), b'0', b"", body.as_bytes())
    }

    pub fn directory(self, name: &str) -> Forge {
        self.member(name.as_bytes(), b'5', b"", b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Forge {
        self.member(name.as_bytes(), b'2', target.as_bytes(), b"")
    }

    pub fn hardlink(self, name: &str, target: &str) -> Forge {
        self.member(name.as_bytes(), b'1', target.as_bytes(), b"")
    }

    pub fn pax(self, records: &[(&str, &str)]) -> Forge {
        let mut body = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest + 1..)
                .find(|length| rest + length.to_string().len() == *length)
                .unwrap();
            body.push_str(&format!("{length} {key}={value}\n"));
        }
        self.member(b"PaxHeaders/x", b'x', b"", body.as_bytes())
    }

    pub fn member(self, name: &[u8], flag: u8, link: &[u8], body: &[u8]) -> Forge {
        let size = format!("{:011o}\0", body.len());
        self.header(name, flag, link, |header| {
            header[124..136].copy_from_slice(size.as_bytes())
        })
        .body(body)
    }

    pub fn header(
        mut self,
        name: &[u8],
        flag: u8,
        link: &[u8],
        change: impl FnOnce(&mut [u8; 512]),
    ) -> Forge {
        let mut header = [0u8; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..108].copy_from_slice(b"0000755\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(b"00000000000\0");
        header[136..148].copy_from_slice(b"00000000144\0");
        header[156] = flag;
        header[157..157 + link.len()].copy_from_slice(link);
        header[257..265].copy_from_slice(b"ustar\x0000");
        change(&mut header);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&header);
        self
    }

    pub fn body(mut self, body: &[u8]) -> Forge {
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// Contents by digest.
#[derive(Default)]
pub struct Contents(pub HashMap<Digest, Vec<u8>>);

impl Contents {
    pub fn file(&mut self, path: &str, body: impl Into<Vec<u8>>) -> Entry {
        let body = body.into();
        let content = Digest::of(&body);
        let kind = Kind::File {
            size: body.len() as u64,
            content,
        };
        self.0.insert(content, body);
        Entry::new(path.into(), kind, 0o644, Timestamp::seconds(100))
    }
}

impl ContentSource for Contents {
    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send + '_>> {
        match &entry.kind {
            Kind::File { content, .. } => Ok(Box::new(self.0[content].as_slice())),
            other => Err(io::Error::other(format!("{other:?} has no content"))),
        }
    }
}

pub fn directory(path: &str) -> Entry {
    Entry::new(
        path.into(),
        Kind::Directory { opaque: false },
        0o755,
        Timestamp::seconds(100),
    )
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Real owners where the tests may set them.
pub fn ownership() -> Ownership {
    if is_root() {
        Ownership::Real
    } else {
        Ownership::Ignored
    }
}

pub fn open(path: &Path) -> OwnedFd {
    OwnedFd::from(std::fs::File::open(path).unwrap())
}

/// A root to unpack into, beside a canary that nothing may touch.
pub struct Yard {
    pub top: tempfile::TempDir,
}

impl Yard {
    pub fn new() -> Yard {
        let top = tempfile::tempdir().unwrap();
        std::fs::create_dir(top.path().join("root")).unwrap();
        std::fs::create_dir(top.path().join("outside")).unwrap();
        std::fs::write(top.path().join("outside/secret"), "secret").unwrap();
        Yard { top }
    }

    pub fn root(&self) -> std::path::PathBuf {
        self.top.path().join("root")
    }

    pub fn extract(&self, tar: &[u8]) -> Result<Listing, LayerError> {
        praxis_layer::extract_layer(tar, &open(&self.root()), &Limits::default(), ownership())
    }

    /// Everything outside the root is as it was.
    pub fn assert_untouched(&self) {
        let mut names: Vec<_> = std::fs::read_dir(self.top.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["outside", "root"]);
        let inside: Vec<_> = std::fs::read_dir(self.top.path().join("outside"))
            .unwrap()
            .collect();
        assert_eq!(inside.len(), 1);
        assert_eq!(
            std::fs::read(self.top.path().join("outside/secret")).unwrap(),
            b"secret"
        );
        let mode = std::os::unix::fs::MetadataExt::mode(
            &std::fs::metadata(self.top.path().join("outside")).unwrap(),
        );
        assert_ne!(mode & 0o777, 0o777);
    }
}

/// Runs a program on `input` and gives its output.
pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> (bool, String) {
    let mut file = tempfile::tempfile().unwrap();
    io::Write::write_all(&mut file, input).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    let output = Command::new(program)
        .args(arguments)
        .env("TZ", "UTC")
        .stdin(file)
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}
