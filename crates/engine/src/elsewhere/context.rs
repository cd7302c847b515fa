//! What crosses from the machine with the context to the one that builds: a list of entries, never file names that are
//! opened.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use praxis_layer::{Entry, Kind, Timestamp, TreePath};
use praxis_oci::Digest;
use serde::{Deserialize, Serialize};

use crate::EngineError;
use crate::sources::LAST_EPOCH;

/// Entries of all contexts of one build.
const MOST_ENTRIES: usize = 200_000;
/// Directories in each other.
const DEEPEST: usize = 128;
/// Bytes of a path, and of what a link says.
const LONGEST_PATH: usize = 4096;
/// Bytes of one name.
const LONGEST_NAME: usize = 255;
/// The years 1 to 9999 in seconds, as archives and texts can hold them.
const TIMES: RangeInclusive<i64> = -62_135_596_800..=LAST_EPOCH;
/// Further contexts.
const MOST_CONTEXTS: usize = 32;

/// A build's context, and what else of its machine goes into the image.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentContext {
    /// The Dockerfile, which need not be in the context.
    pub dockerfile: SentDockerfile,
    /// Time of the commit that the context is a checkout of, in seconds.
    pub commit_time: Option<i64>,
    /// The commit.
    pub revision: Option<String>,
    /// Where its repository is.
    pub source: Option<String>,
    /// Text of the context's `praxis.toml`.
    pub policy: Option<String>,
    /// What the context holds for the build: `.dockerignore` has been applied.
    pub entries: Vec<SentEntry>,
    /// Further contexts by name.
    #[serde(default)]
    pub contexts: BTreeMap<String, Vec<SentEntry>>,
}

/// A Dockerfile.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SentDockerfile {
    /// Its name in messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// An entry of a context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentEntry {
    /// Relative, with `/` between plain names.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Time of modification: seconds since 1970, nanoseconds.
    pub time: (i64, u32),
    /// What it is.
    #[serde(flatten)]
    pub kind: SentKind,
}

/// What an entry of a context is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum SentKind {
    /// A directory. All that others are in are entries.
    Directory,
    /// A file.
    File {
        /// Its length in bytes.
        size: u64,
        /// Digest of its content.
        content: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// What it says.
        target: String,
    },
    /// A further name of a file.
    Link {
        /// The path of the file, which comes earlier.
        target: String,
    },
    /// A named pipe.
    Fifo,
}

impl SentContext {
    /// All files by the digests of their contents, with their lengths.
    ///
    /// # Errors
    /// If a list is none of a context that could have been read from a directory: names that are not plain, absolute,
    /// climbing, twice there or below something that is no directory; too many entries, too deep; one content with two
    /// lengths.
    pub fn check(&self) -> Result<BTreeMap<Digest, u64>, EngineError> {
        let count: usize = self.lists().map(|(_, list)| list.len()).sum();
        if count > MOST_ENTRIES || self.contexts.len() > MOST_CONTEXTS {
            return Err(EngineError::user(format!(
                "the context has {count} entries; a build takes {MOST_ENTRIES} in {MOST_CONTEXTS} contexts"
            ))
            .with_hint("leave out with .dockerignore what the build does not use"));
        }
        if let Some(time) = self.commit_time.filter(|time| !(0..=LAST_EPOCH).contains(time)) {
            return Err(EngineError::user(format!(
                "the context is of a commit of no time: {time}"
            )));
        }
        let mut contents = BTreeMap::new();
        for (name, list) in self.lists() {
            for entry in checked(list, name)? {
                let Kind::File { size, content } = entry.kind else {
                    continue;
                };
                if *contents.entry(content).or_insert(size) != size {
                    return Err(wrong(
                        name,
                        &entry.path.to_string(),
                        "one content with two lengths",
                    ));
                }
            }
        }
        Ok(contents)
    }

    fn lists(&self) -> impl Iterator<Item = (&str, &Vec<SentEntry>)> {
        let named = self.contexts.iter().map(|(name, list)| (name.as_str(), list));
        std::iter::once(("", &self.entries)).chain(named)
    }
}

fn wrong(context: &str, path: &str, why: &str) -> EngineError {
    let of = match context {
        "" => String::new(),
        name => format!(" {name}"),
    };
    EngineError::user(format!("context{of}: {path:?}: {why}"))
}

/// A list in the terms of layers.
///
/// # Errors
/// See [`SentContext::check`].
pub(super) fn checked(list: &[SentEntry], context: &str) -> Result<Vec<Entry>, EngineError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(list.len());
    let mut directories: BTreeSet<TreePath> = BTreeSet::from([TreePath::root()]);
    let mut files: BTreeSet<TreePath> = BTreeSet::new();
    for one in list {
        let bad = |why: &str| wrong(context, &one.path, why);
        let path = plain(&one.path).map_err(bad)?;
        if entries.last().is_some_and(|last| last.path >= path) {
            return Err(bad("twice in the list, or not in order"));
        }
        if !path.parent().is_some_and(|parent| directories.contains(&parent)) {
            return Err(bad("what it is in is no directory of the context"));
        }
        if one.mode > 0o7777 || one.time.1 >= 1_000_000_000 || !TIMES.contains(&one.time.0) {
            return Err(bad("its mode or time is none"));
        }
        let kind = match &one.kind {
            SentKind::Directory => Kind::Directory { opaque: false },
            SentKind::File { size, content } => Kind::File {
                size: *size,
                content: *content,
            },
            SentKind::Symlink { target } => {
                if target.is_empty() || target.len() > LONGEST_PATH || target.contains('\0') {
                    return Err(bad("what the link says is no path"));
                }
                Kind::Symlink {
                    target: target.clone().into_bytes(),
                }
            }
            SentKind::Link { target } => {
                let target = plain(target).map_err(bad)?;
                if !files.contains(&target) {
                    return Err(bad("it is a further name of no file before it"));
                }
                Kind::Hardlink { target }
            }
            SentKind::Fifo => Kind::Fifo,
        };
        match kind {
            Kind::Directory { .. } => _ = directories.insert(path.clone()),
            Kind::File { .. } => _ = files.insert(path.clone()),
            _ => {}
        }
        let (seconds, nanoseconds) = one.time;
        entries.push(Entry::new(
            path,
            kind,
            one.mode,
            Timestamp { seconds, nanoseconds },
        ));
    }
    Ok(entries)
}

/// A path that is written in the one way that there is.
fn plain(text: &str) -> Result<TreePath, &'static str> {
    let path = TreePath::from(text);
    if text.is_empty() || path.as_bytes() != text.as_bytes() || text.contains('\0') {
        return Err("a path is relative, of plain names with one / between them");
    }
    if text.len() > LONGEST_PATH || text.split('/').any(|name| name.len() > LONGEST_NAME) {
        return Err("the path is too long");
    }
    match text.split('/').count() > DEEPEST {
        true => Err("it is too deep"),
        false => Ok(path),
    }
}

/// An entry for the way.
///
/// # Errors
/// If it is of a kind that another machine is not given, or its name cannot be written.
pub(super) fn sent(entry: &Entry) -> Result<SentEntry, EngineError> {
    let refused = |why: &str| {
        EngineError::user(format!(
            "{} of the build context {why} and is not sent to another machine",
            entry.path
        ))
        .with_hint("leave it out with .dockerignore, or build without --remote")
    };
    let text = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes);
        text.map(String::from)
            .map_err(|_| refused("has a name that is not UTF-8"))
    };
    let kind = match &entry.kind {
        Kind::Directory { .. } => SentKind::Directory,
        Kind::File { size, content } => SentKind::File {
            size: *size,
            content: *content,
        },
        Kind::Symlink { target } => SentKind::Symlink {
            target: text(target)?,
        },
        Kind::Hardlink { target } => SentKind::Link {
            target: text(target.as_bytes())?,
        },
        Kind::Fifo => SentKind::Fifo,
        Kind::Character { .. } | Kind::Block { .. } | Kind::Whiteout => return Err(refused("is a device")),
    };
    Ok(SentEntry {
        path: text(entry.path.as_bytes())?,
        mode: entry.mode,
        time: (entry.mtime.seconds, entry.mtime.nanoseconds),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(path: &str) -> SentEntry {
        SentEntry {
            path: path.into(),
            mode: 0o755,
            time: (0, 0),
            kind: SentKind::Directory,
        }
    }

    fn entry(path: &str, kind: SentKind) -> SentEntry {
        SentEntry {
            kind,
            ..directory(path)
        }
    }

    fn file(path: &str, size: u64) -> SentEntry {
        let content = Digest::of(b"content");
        entry(path, SentKind::File { size, content })
    }

    fn link(path: &str, target: &str) -> SentEntry {
        let target = target.into();
        entry(path, SentKind::Symlink { target })
    }

    fn context(entries: Vec<SentEntry>) -> SentContext {
        SentContext {
            dockerfile: SentDockerfile {
                name: "Dockerfile".into(),
                text: "FROM scratch\n".into(),
            },
            commit_time: None,
            revision: None,
            source: None,
            policy: None,
            entries,
            contexts: BTreeMap::new(),
        }
    }

    #[track_caller]
    fn refused(entries: Vec<SentEntry>, says: &str) {
        let said = context(entries).check().unwrap_err().message;
        assert!(said.contains(says), "{said}");
    }

    #[test]
    fn row_01_a_name_that_climbs_or_is_absolute_is_refused() {
        for path in [
            "../x",
            "/x",
            "a/../../x",
            "a/..",
            ".",
            "./x",
            "a//b",
            "a/",
            "",
            "..",
            "a/./b",
            "a\0",
        ] {
            refused(vec![directory("a"), file(path, 7)], "a path is relative");
        }
        refused(vec![file(&"x".repeat(256), 7)], "too long");
    }

    #[test]
    fn row_05_nothing_is_below_a_link_or_a_file() {
        refused(vec![link("d", "/etc"), file("d/passwd", 7)], "no directory");
        refused(vec![file("d", 7), file("d/passwd", 7)], "no directory");
        refused(vec![file("missing/passwd", 7)], "no directory");
        let name = |target: &str| SentKind::Link {
            target: target.into(),
        };
        refused(
            vec![link("d", "/etc"), entry("e", name("d/passwd"))],
            "no file before it",
        );
        refused(vec![entry("e", name("../x"))], "a path is relative");
        refused(vec![entry("a", name("b")), file("b", 7)], "no file before it");
        let good = vec![file("a", 7), entry("b", name("a")), link("c", "../../etc/passwd")];
        assert_eq!(context(good).check().unwrap().len(), 1);
    }

    #[test]
    fn a_list_has_each_name_once_in_order_and_is_bounded() {
        refused(vec![file("a", 7), file("a", 7)], "twice");
        refused(vec![file("b", 7), file("a", 7)], "not in order");
        refused(vec![file("a", 7), file("b", 8)], "two lengths");
        let deep = "a/".repeat(DEEPEST) + "a";
        refused(vec![file(&deep, 7)], "too deep");
        let many = (0..=MOST_ENTRIES).map(|number| file(&format!("{number:09}"), 7));
        refused(many.collect(), "200001 entries");
        let mode = SentEntry {
            mode: 0o170_000,
            ..file("a", 7)
        };
        refused(vec![mode], "mode or time");
        for time in [(i64::MAX, 0), (i64::MIN, 0), (0, 1_000_000_000)] {
            let late = SentEntry { time, ..file("a", 7) };
            refused(vec![late], "mode or time");
        }
        let commit_time = Some(i64::MAX);
        let late = SentContext {
            commit_time,
            ..context(vec![])
        };
        assert!(late.check().unwrap_err().message.contains("no time"));
    }
}
