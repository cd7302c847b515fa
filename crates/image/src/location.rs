use std::path::{Path, PathBuf};

/// Where an image is, as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A name or digest in the store.
    Stored(String),
    /// `oci-archive:FILE[:TAG]`.
    OciArchive(PathBuf, Option<String>),
    /// `docker-archive:FILE[:NAME]`.
    DockerArchive(PathBuf, Option<String>),
    /// A path to an archive of either kind.
    Archive(PathBuf),
    /// `oci-layout:DIR[:TAG]` or `oci:DIR[:TAG]`.
    Layout(PathBuf, Option<String>),
}

impl Location {
    /// What `text` names. Without a prefix, a path with a slash in it or to a file that is there comes before a name in
    /// the store, unless `stored` says that the store has an image of that name.
    pub fn named(text: &str, stored: bool) -> Location {
        for (prefix, kind) in [
            (
                "oci-archive:",
                Location::OciArchive as fn(PathBuf, Option<String>) -> Location,
            ),
            ("docker-archive:", Location::DockerArchive),
            ("oci-layout:", Location::Layout),
            ("oci:", Location::Layout),
        ] {
            if let Some(rest) = text.strip_prefix(prefix) {
                let (path, tag) = with_tag(rest.strip_prefix("//").unwrap_or(rest));
                return kind(path, tag);
            }
        }
        let path = Path::new(text);
        let meant = ["/", "./", "../"].iter().any(|start| text.starts_with(start)) || text == ".";
        match () {
            () if stored && !meant => Location::Stored(text.into()),
            () if path.is_dir() && (meant || path.join("index.json").exists()) => {
                Location::Layout(path.into(), None)
            }
            () if meant || path.is_file() => Location::Archive(path.into()),
            () => Location::Stored(text.into()),
        }
    }
}

/// `PATH` or `PATH:TAG`: a path that exists as written has no tag.
fn with_tag(text: &str) -> (PathBuf, Option<String>) {
    if !Path::new(text).exists()
        && let Some((path, tag)) = split_tag(text)
    {
        return (path.into(), Some(tag.into()));
    }
    (text.into(), None)
}

/// The shortest beginning that exists before a colon: names of docker archives have colons themselves.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    text.match_indices(':')
        .map(|(at, _)| (&text[..at], &text[at + 1..]))
        .find(|(path, tag)| !tag.is_empty() && Path::new(path).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_it() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("a:b.tar");
        std::fs::write(&file, "").unwrap();
        let shown = file.to_str().unwrap();
        let plain = place.path().to_str().unwrap();
        assert_eq!(Location::named("a:1", true), Location::Stored("a:1".into()));
        assert_eq!(Location::named("a:1", false), Location::Stored("a:1".into()));
        assert_eq!(Location::named(shown, false), Location::Archive(file.clone()));
        assert_eq!(
            Location::named(&format!("oci-archive:{shown}"), false),
            Location::OciArchive(file.clone(), None)
        );
        assert_eq!(
            Location::named(&format!("docker-archive:{shown}:x/y:1"), false),
            Location::DockerArchive(file, Some("x/y:1".into()))
        );
        assert_eq!(
            Location::named(&format!("oci-layout://{plain}:tag"), false),
            Location::Layout(plain.into(), Some("tag".into()))
        );
        assert_eq!(
            Location::named(plain, false),
            Location::Layout(plain.into(), None)
        );
    }
}
