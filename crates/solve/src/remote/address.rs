//! The address of a git repository as builds write it: `REMOTE#REF:SUBDIR` or `REMOTE?ref=…&subdir=…`.

use std::path::{Path, PathBuf};

use crate::SolveError;

/// Whether an address may name a repository on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// It may: the address was given on the command line.
    Allowed,
    /// It may not: the address is from a file.
    Refused,
}

/// How git talks to a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    Https,
    Ssh,
    Git,
    File,
}

/// Where a repository is, and what of it is wanted. Everything in it is safe to hand to git as an argument: no
/// part begins with `-`, and references are well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitAddress {
    pub(crate) remote: String,
    pub(crate) transport: Transport,
    /// Branch, tag, full reference or commit; none: the remote's HEAD.
    pub(crate) reference: Option<String>,
    pub(crate) subdirectory: Option<String>,
    /// A commit's hash or the beginning of it, which must be what is found.
    pub(crate) commit: Option<String>,
    pub(crate) submodules: Option<bool>,
    pub(crate) keep_git_directory: Option<bool>,
}

const SCHEMES: [(&str, Transport); 5] = [
    ("http://", Transport::Http),
    ("https://", Transport::Https),
    ("ssh://", Transport::Ssh),
    ("git://", Transport::Git),
    ("file://", Transport::File),
];

impl Transport {
    /// The name that git's `protocol.allow` knows.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Http => "http",
            Transport::Https => "https",
            Transport::Ssh => "ssh",
            Transport::Git => "git",
            Transport::File => "file",
        }
    }
}

impl GitAddress {
    /// Whether `text` names a git repository rather than a directory or a file at an address. With
    /// [`Local::Allowed`] that includes `file://` and paths of bare repositories.
    pub fn names(text: &str, local: Local) -> bool {
        let before = text.split(['#', '?']).next().unwrap_or(text);
        match scheme(text) {
            Some(Transport::Http | Transport::Https) => before.ends_with(".git"),
            Some(Transport::File) => local == Local::Allowed,
            Some(_) => true,
            None => {
                before.starts_with("github.com/")
                    || is_short_ssh(before)
                    || (local == Local::Allowed && is_bare_repository(Path::new(before)))
            }
        }
    }

    /// Reads an address.
    ///
    /// # Errors
    /// If a part of it is malformed, unknown, contradicts another, or could be taken for an option of git.
    pub fn parse(text: &str, local: Local) -> Result<GitAddress, SolveError> {
        let wrong = |why: String| SolveError::user(format!("{}: {why}", redacted(text)));
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let (remote, query) = before.split_once('?').unwrap_or((before, ""));
        let (remote, transport) = remote_of(remote, local).map_err(wrong)?;
        let mut address = GitAddress {
            remote,
            transport,
            reference: None,
            subdirectory: None,
            commit: None,
            submodules: None,
            keep_git_directory: None,
        };
        let fragment = decode(fragment).map_err(wrong)?;
        let (reference, subdirectory) = fragment.split_once(':').unwrap_or((&fragment, ""));
        address.reference = non_empty(reference);
        address.subdirectory = non_empty(subdirectory);
        address.read_query(query).map_err(wrong)?;
        address.check().map_err(wrong)?;
        Ok(address)
    }

    /// The same with a commit that must be found; one in the address must agree.
    ///
    /// # Errors
    /// If they differ, or `commit` is no hash.
    pub fn with_commit(mut self, commit: &str) -> Result<GitAddress, SolveError> {
        let commit = commit.to_ascii_lowercase();
        if self
            .commit
            .as_ref()
            .is_some_and(|own| !own.starts_with(&commit) && !commit.starts_with(own))
        {
            return Err(SolveError::user(format!(
                "{self}: the address and --checksum name different commits"
            )));
        }
        self.commit = Some(commit);
        self.check()
            .map_err(|why| SolveError::user(format!("{self}: {why}")))?;
        Ok(self)
    }

    /// The same, with or without its `.git` where the address does not say.
    #[must_use]
    pub fn keeping_git_directory(mut self, keep: bool) -> GitAddress {
        self.keep_git_directory.get_or_insert(keep);
        self
    }

    fn read_query(&mut self, query: &str) -> Result<(), String> {
        let (mut tag, mut branch, mut by_commit) = (None, None, false);
        let mut seen: Vec<String> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            if seen.iter().any(|known| known == key) {
                return Err(format!("{key} is given twice"));
            }
            seen.push(key.into());
            let needed = || non_empty(&value).ok_or_else(|| format!("{key} has no value"));
            match key {
                "ref" => agree(&mut self.reference, needed()?, "reference")?,
                "tag" => tag = Some(qualified("refs/tags/", &needed()?)),
                "branch" => branch = Some(qualified("refs/heads/", &needed()?)),
                "commit" | "checksum" => agree(&mut self.commit, needed()?.to_ascii_lowercase(), "commit")?,
                "subdir" => agree(&mut self.subdirectory, needed()?, "directory")?,
                "submodules" => self.submodules = Some(truth(key, &value)?),
                "keep-git-dir" => self.keep_git_directory = Some(truth(key, &value)?),
                "fetch-by-commit" => by_commit = truth(key, &value)?,
                // All files get the time of the commit: a checkout has no time of its own here.
                "mtime" if matches!(value.as_str(), "commit" | "checkout") => {}
                "mtime" => return Err(format!("mtime={value}: expected commit or checkout")),
                _ => return Err(format!("unknown query {key:?}")),
            }
        }
        if tag.is_some() && branch.is_some() {
            return Err("tag and branch contradict each other".into());
        }
        if let Some(named) = tag.or(branch) {
            agree(&mut self.reference, named, "reference")?;
        }
        if self.commit.is_some() && (by_commit || self.reference.is_none()) {
            self.reference.clone_from(&self.commit);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if let Some(reference) = &self.reference {
            check_reference(reference)?;
        }
        let is_hash = |text: &String| (7..=64).contains(&text.len()) && is_hexadecimal(text);
        if !self.commit.as_ref().is_none_or(is_hash) {
            return Err("the commit must be 7 to 64 hexadecimal digits".into());
        }
        if let Some(path) = &self.subdirectory
            && path.split('/').any(|part| part == "..")
        {
            return Err(format!("the directory {path} climbs out of the repository"));
        }
        if self.keep_git_directory == Some(true) && has_password(&self.remote) {
            return Err(
                "keeping .git would put the password of the address into the image: give it as the secret \
                 GIT_AUTH_TOKEN"
                    .into(),
            );
        }
        Ok(())
    }

    /// The host, for secrets that are meant for one alone.
    pub(crate) fn host(&self) -> &str {
        let rest = self
            .remote
            .split_once("://")
            .map_or(&*self.remote, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        let host = authority.rsplit('@').next().unwrap_or(authority);
        host.split(':').next().unwrap_or(host)
    }

    /// Host and port of an HTTP address that every reader of addresses reads alike.
    pub(crate) fn http_place(&self) -> Option<(String, u16)> {
        let port = match self.transport {
            Transport::Http => 80,
            Transport::Https => 443,
            _ => return None,
        };
        let (_, rest) = self.remote.split_once("://")?;
        let authority = rest.split('/').next()?;
        let authority = match authority.split_once('@') {
            Some((_, authority)) => authority,
            None => authority,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if !authority.bytes().all(plain) {
            return None;
        }
        let uri: ureq::http::uri::Authority = authority.parse().ok()?;
        Some((uri.host().into(), uri.port_u16().unwrap_or(port)))
    }

    /// `scheme://host[:port]/` of an HTTP address.
    pub(crate) fn site(&self) -> Option<String> {
        let (scheme, rest) = self.remote.split_once("://")?;
        let authority = rest.split('/').next()?;
        let host = authority.rsplit('@').next()?;
        matches!(self.transport, Transport::Http | Transport::Https).then(|| format!("{scheme}://{host}/"))
    }
}

impl std::fmt::Display for GitAddress {
    /// The remote without its password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&redacted(&self.remote))
    }
}

fn scheme(text: &str) -> Option<Transport> {
    let found = SCHEMES.iter().find(|(prefix, _)| text.starts_with(prefix));
    found.map(|(_, transport)| *transport)
}

/// The remote as git takes it.
fn remote_of(text: &str, local: Local) -> Result<(String, Transport), String> {
    if text.starts_with('-') || text.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        return Err("no address of a repository".into());
    }
    match scheme(text) {
        Some(Transport::File) => local_remote(Path::new(text.trim_start_matches("file://")), local),
        Some(transport) => {
            let rest = text.split_once("://").map_or("", |(_, rest)| rest);
            let host = rest.split('/').next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            if host.is_empty() || host.starts_with('-') || rest.starts_with('-') {
                return Err("no address of a repository: the host is missing or begins with -".into());
            }
            Ok((text.into(), transport))
        }
        None if text.starts_with("github.com/") => Ok((format!("https://{text}"), Transport::Https)),
        None if is_short_ssh(text) => Ok((text.into(), Transport::Ssh)),
        None => local_remote(Path::new(text), local),
    }
}

fn local_remote(path: &Path, local: Local) -> Result<(String, Transport), String> {
    if local == Local::Refused {
        return Err("a repository on this machine can only be the main build context".into());
    }
    let real: PathBuf = path.canonicalize().map_err(|error| error.to_string())?;
    let text = real.to_str().ok_or("the path is not UTF-8")?;
    if text.bytes().any(|b| b.is_ascii_control()) {
        return Err("the path has control characters".into());
    }
    Ok((format!("file://{}", text.replace('%', "%25")), Transport::File))
}

/// `USER@HOST:PATH`.
fn is_short_ssh(text: &str) -> bool {
    let plain = |text: &str| {
        let letters = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        letters && !text.is_empty() && !text.starts_with('-')
    };
    let Some((user, (host, path))) = text
        .split_once('@')
        .and_then(|(user, rest)| Some((user, rest.split_once(':')?)))
    else {
        return false;
    };
    plain(user) && plain(host) && !path.is_empty() && !path.starts_with('-')
}

/// Whether `path` is laid out like a bare repository.
fn is_bare_repository(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir() && path.join("refs").is_dir()
}

/// What git itself demands of a reference, and nothing that could be read as an option, range or pattern.
pub(crate) fn check_reference(text: &str) -> Result<(), String> {
    let bad = text.starts_with(['-', '/', '+'])
        || text.ends_with(['/', '.'])
        || text.ends_with(".lock")
        || text.contains("..")
        || text.contains("//")
        || text.contains("/.")
        || text.contains("@{")
        || text.starts_with('.')
        || text == "@"
        || text.len() > 1024
        || text
            .bytes()
            .any(|b| b.is_ascii_control() || b" ~^:?*[\\\"'".contains(&b));
    match bad {
        true => Err(format!("{text:?} is no name of a branch, tag or commit")),
        false => Ok(()),
    }
}

/// Whether `text` is the whole hash of a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hexadecimal(text)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

fn qualified(prefix: &str, name: &str) -> String {
    match name.starts_with(prefix) {
        true => name.into(),
        false => format!("{prefix}{name}"),
    }
}

/// Sets what is not set; what is set must be the same.
fn agree(place: &mut Option<String>, value: String, what: &str) -> Result<(), String> {
    match place {
        Some(known) if *known != value => Err(format!("the {what} is given twice: {known:?} and {value:?}")),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

fn truth(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err(format!("{key}={value}: expected true or false")),
    }
}

/// Undoes `%XX`.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => {
                return Err(format!(
                    "{text:?} has a % that two hexadecimal digits do not follow"
                ));
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| format!("{text:?} is not UTF-8"))
}

fn has_password(remote: &str) -> bool {
    redacted(remote) != remote
}

/// `text` with what is between the user's name and the host replaced.
pub(crate) fn redacted(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.into();
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, host)) if user.contains(':') || scheme.starts_with("http") => {
            format!("{scheme}://xxxxx@{host}{path}")
        }
        _ => text.into(),
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
