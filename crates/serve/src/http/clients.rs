//! Who may come: the file of clients and their tokens.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use praxis_oci::Digest;
use tokio::sync::Semaphore;

use crate::{Caller, ServeError, Tier};

/// A file of tokens or a key is not larger.
const LARGEST: u64 = 1 << 20;
/// Shorter tokens can be guessed.
const SHORTEST: usize = 24;

/// One client. Of its token only the digest is kept.
pub(crate) struct Client {
    pub name: String,
    pub tier: Tier,
    token: Digest,
    /// Its requests at once.
    pub places: Arc<Semaphore>,
}

impl Client {
    /// The client as tools know it.
    pub fn caller(&self) -> Caller {
        Caller {
            name: self.name.clone(),
            tier: self.tier,
        }
    }
}

/// All clients.
pub(crate) struct Clients(Vec<Arc<Client>>);

impl Clients {
    /// Reads the file: a line `NAME TIER TOKEN` or `NAME TIER sha256:HEX` a client; `#` begins a comment line.
    ///
    /// # Errors
    /// If it cannot be read, others can read it, or a line is wrong. No message holds a token.
    pub fn read(path: &Path, places: usize) -> Result<Clients, ServeError> {
        let text = read_private("--tokens", path)?;
        Clients::parse(&text, places)
            .map_err(|why| ServeError::Refused(format!("--tokens {}: {why}", path.display())))
    }

    fn parse(text: &str, places: usize) -> Result<Clients, String> {
        let mut clients: Vec<Arc<Client>> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |why: &str| format!("line {}: {why}", number + 1);
            let client = client(line, places).map_err(|why| wrong(&why))?;
            if clients.iter().any(|known| known.name == client.name) {
                return Err(wrong("another line has this name"));
            }
            if clients.iter().any(|known| known.token == client.token) {
                return Err(wrong("another line has this token"));
            }
            clients.push(Arc::new(client));
        }
        match clients.is_empty() {
            true => Err("it names no client".into()),
            false => Ok(Clients(clients)),
        }
    }

    /// The client with this token. What is compared are digests, each whole and every one, so that the time says
    /// nothing about how much of a token was right.
    pub fn find(&self, token: &[u8]) -> Option<Arc<Client>> {
        let presented = Digest::of(token);
        let mut found = None;
        for client in &self.0 {
            if equal(client.token.as_bytes(), presented.as_bytes()) {
                found = Some(client.clone());
            }
        }
        found
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.0.iter()
    }
}

fn client(line: &str, places: usize) -> Result<Client, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, tier, token] = words[..] else {
        return Err("a line is NAME TIER TOKEN".into());
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.len() > 64 || !name.bytes().all(plain) {
        return Err("a name is at most 64 letters, digits, dots, dashes and underscores".into());
    }
    let digest = match token.starts_with("sha256:") {
        true => token.parse().map_err(|_| {
            "sha256: is followed by the 64 lower-case hex digits of a token's SHA-256".to_string()
        })?,
        false if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            return Err(format!(
                "a token is at least {SHORTEST} printable ASCII characters"
            ));
        }
        false => Digest::of(token.as_bytes()),
    };
    Ok(Client {
        name: name.into(),
        tier: tier.parse()?,
        token: digest,
        places: Arc::new(Semaphore::new(places)),
    })
}

/// Compares without a branch on what was found so far.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differences = a.iter().zip(b).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    black_box(differences) == 0
}

/// The text of a file that holds secrets.
///
/// # Errors
/// If it cannot be read, others than owner and group may read it, or others than the owner may write it.
pub(crate) fn read_private(option: &str, path: &Path) -> Result<String, ServeError> {
    let wrong = |why: String| ServeError::Refused(format!("{option} {}: {why}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| wrong(error.to_string()))?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err(wrong(format!("no regular file of at most {LARGEST} bytes")));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o027 != 0 {
        return Err(wrong(format!(
            "others may read or write it (mode {mode:04o}): chmod 0600 {}",
            path.display()
        )));
    }
    let mut text = String::new();
    file.take(LARGEST)
        .read_to_string(&mut text)
        .map_err(|error| wrong(error.to_string()))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef01234567";

    fn read(text: &str) -> Result<Clients, String> {
        Clients::parse(text, 4)
    }

    fn why(text: &str) -> String {
        read(text).err().expect("refused")
    }

    #[test]
    fn service_row_02_only_the_whole_token_is_the_token() {
        let digest = Digest::of(b"another token of somebody else");
        let clients = read(&format!("# clients\n\na guarded {TOKEN}\nb open {digest}\n")).unwrap();
        let name = |token: &[u8]| clients.find(token).map(|client| client.name.clone());
        assert_eq!(name(TOKEN.as_bytes()).as_deref(), Some("a"));
        assert_eq!(name(b"another token of somebody else").as_deref(), Some("b"));
        let longer = format!("{TOKEN}0");
        for wrong in [
            "",
            &TOKEN[..23],
            &longer,
            "0123456789ABCDEF01234567",
            "\u{e9}",
            &digest.to_string(),
        ] {
            assert_eq!(name(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn wrong_lines_are_named_without_their_tokens() {
        for (text, says) in [
            ("", "no client"),
            ("a guarded", "line 1: a line is NAME TIER TOKEN"),
            ("\na guarded short", "line 2: a token is at least"),
            ("a root 0123456789abcdef01234567", "is no tier"),
            ("a/b guarded 0123456789abcdef01234567", "a name is"),
            ("a guarded sha256:0123", "64 lower-case hex digits"),
            (
                "a guarded 0123456789abcdef01234567\na open 1123456789abcdef01234567",
                "this name",
            ),
            (
                "a guarded 0123456789abcdef01234567\nb open 0123456789abcdef01234567",
                "this token",
            ),
        ] {
            let said = why(text);
            assert!(said.contains(says), "{text:?}: {said}");
            assert!(!said.contains("23456789abcdef"), "{said}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tokens");
        std::fs::write(&path, format!("a guarded {TOKEN}\n")).unwrap();
        for (mode, good) in [
            (0o600, true),
            (0o440, true),
            (0o644, false),
            (0o604, false),
            (0o660, false),
        ] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let read = Clients::read(&path, 1);
            assert_eq!(read.is_ok(), good, "{mode:o}");
            if let Err(error) = read {
                assert!(error.to_string().contains("chmod 0600"), "{error}");
            }
        }
        assert!(Clients::read(place.path(), 1).is_err());
    }
}
