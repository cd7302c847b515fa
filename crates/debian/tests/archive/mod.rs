//! An archive of its own for tests: packages, indexes, and a Release file signed with a key made from a seed.

mod package;
mod signing;

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Mutex;

use praxis_debian::{Fetch, FetchError, FetchErrorKind, LockOptions, Mirrors, Recipe};
use praxis_oci::Digest;

pub use package::{Member, Package};
pub use signing::Key;

/// Where the archive is served.
pub const BASE: &str = "http://archive.invalid/debian";
/// 2026-01-03, a day after the archive's date.
pub const OPTIONS: LockOptions = LockOptions {
    now: 1_767_398_400,
    allow_expired: false,
};

/// Files by URL, and what was asked for.
#[derive(Default)]
pub struct Archive {
    pub files: BTreeMap<String, Vec<u8>>,
    pub asked: Mutex<Vec<String>>,
}

impl Archive {
    /// An archive with these packages in suite `example`, signed by the key with seed 7.
    pub fn new(packages: &[Package]) -> Archive {
        let mut archive = Archive::default();
        let mut index = String::new();
        for package in packages {
            let (bytes, path) = (package.bytes(), package.path());
            index.push_str(&package.control);
            let digest = Digest::of(&bytes).hex();
            index.push_str(&format!(
                "Filename: {path}\nSize: {}\nSHA256: {digest}\n\n",
                bytes.len()
            ));
            archive.files.insert(format!("{BASE}/{path}"), bytes);
        }
        let mut compressor = liblzma::write::XzEncoder::new(Vec::new(), 1);
        compressor.write_all(index.as_bytes()).unwrap();
        let index = compressor.finish().unwrap();
        let digest = Digest::of(&index).hex();
        let release = format!(
            "Suite: stable\nCodename: example\nDate: Fri, 02 Jan 2026 00:00:00 UTC\n\
             Valid-Until: Fri, 09 Jan 2026 00:00:00 UTC\nAcquire-By-Hash: yes\nArchitectures: amd64\n\
             Components: main\nSHA256:\n {digest} {} main/binary-amd64/Packages.xz\n",
            index.len()
        );
        let signed = Key::from_seed(7).clear_sign(&release);
        archive
            .files
            .insert(format!("{BASE}/dists/example/InRelease"), signed.into_bytes());
        let by_hash = format!("{BASE}/dists/example/main/binary-amd64/by-hash/SHA256/{digest}");
        archive.files.insert(by_hash, index);
        archive
    }

    /// The mirrors that lead here; the first one has nothing.
    pub fn mirrors() -> Mirrors {
        let mut mirrors = Mirrors::new();
        mirrors.add("debian", "http://empty.invalid/debian");
        mirrors.add("debian", BASE);
        mirrors
    }
}

impl Fetch for Archive {
    fn get(&self, url: &str) -> Result<Box<dyn Read + Send>, FetchError> {
        self.asked.lock().unwrap().push(url.into());
        match self.files.get(url) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            None => Err(FetchError::new(url, FetchErrorKind::NotFound)),
        }
    }
}

/// A recipe for `example` with these packages and `more` TOML after them.
pub fn recipe(packages: &[&str], more: &str) -> Recipe {
    let key = Key::from_seed(7);
    let (top, tables) = more.split_once("---").unwrap_or((more, ""));
    let text = format!(
        "name = \"tiny\"\narchitectures = [\"amd64\"]\npackages = {packages:?}\n{top}\n[[sources]]\n\
         archive = \"debian\"\nsuites = [\"example\"]\ncomponents = [\"main\"]\nkeyring = \"key.gpg\"\n\
         fingerprints = [\"{}\"]\n{tables}",
        key.fingerprint()
    );
    Recipe::parse_with(&text, Path::new("tiny.toml"), &|_| Ok(key.certificate())).unwrap()
}
