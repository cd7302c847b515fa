use std::path::{Path, PathBuf};

use praxis_oci::Reference;

use crate::EngineError;

/// The format of an archive of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// An OCI layout as a tar.
    Oci,
    /// What `docker save` writes and `docker load` reads.
    Docker,
}

/// Where an image is, or goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// `docker://NAME`: a registry.
    Registry(Reference),
    /// `oci-layout:DIR[:TAG]` or `oci:DIR[:TAG]`: an OCI layout.
    Layout {
        /// The directory.
        directory: PathBuf,
        /// The name in its index.
        tag: Option<String>,
    },
    /// `oci-archive:FILE[:TAG]` or `docker-archive:FILE[:NAME]`: an archive.
    Archive {
        /// The file.
        path: PathBuf,
        /// The name in it.
        name: Option<String>,
        /// Whose format it has.
        format: ArchiveFormat,
    },
    /// `store:NAME` or a plain name: the store.
    Store(Reference),
}

impl Place {
    /// Reads a place.
    pub fn parse(text: &str) -> Result<Place, EngineError> {
        let reference = |name: &str| {
            name.parse::<Reference>()
                .map_err(|error| EngineError::user(format!("{text}: {error}")))
        };
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Place::Registry(reference(name)?));
        }
        if let Some(path) = text
            .strip_prefix("oci-layout:")
            .or_else(|| text.strip_prefix("oci:"))
        {
            let path = path.strip_prefix("//").unwrap_or(path);
            let (directory, tag) = match path.rsplit_once(':') {
                Some((directory, tag)) if !tag.contains('/') => (directory, Some(tag.to_string())),
                _ => (path, None),
            };
            if directory.is_empty() {
                return Err(EngineError::user(format!("{text}: names no directory")));
            }
            return Ok(Place::Layout {
                directory: directory.into(),
                tag,
            });
        }
        for (prefix, format) in [
            ("oci-archive:", ArchiveFormat::Oci),
            ("docker-archive:", ArchiveFormat::Docker),
        ] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return archive(text, rest.strip_prefix("//").unwrap_or(rest), format);
            }
        }
        let name = text.strip_prefix("store:").unwrap_or(text);
        if name.contains("://") {
            return Err(
                EngineError::user(format!("{text}: not a place that images are copied from or to"))
                    .with_hint(
                        "docker://NAME, oci-layout:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], or the \
                         name of an image in the store",
                    ),
            );
        }
        Ok(Place::Store(reference(name)?))
    }
}

/// `FILE[:NAME]`: a file that exists as written has no name behind it; else the first colon ends it, as in skopeo.
fn archive(text: &str, rest: &str, format: ArchiveFormat) -> Result<Place, EngineError> {
    let (path, name) = match rest.split_once(':') {
        Some((path, name)) if !Path::new(rest).exists() => (path, Some(name)),
        _ => (rest, None),
    };
    if path.is_empty() || name == Some("") {
        return Err(EngineError::user(format!("{text}: names no file")));
    }
    Ok(Place::Archive {
        path: path.into(),
        name: name.map(str::to_string),
        format,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let layout = |directory: &str, tag: Option<&str>| Place::Layout {
            directory: directory.into(),
            tag: tag.map(str::to_string),
        };
        assert_eq!(
            Place::parse("oci-layout:a/b:t").unwrap(),
            layout("a/b", Some("t"))
        );
        assert_eq!(Place::parse("oci:///a:b/c").unwrap(), layout("/a:b/c", None));
        assert!(matches!(
            Place::parse("docker://r.test:5000/a:t").unwrap(),
            Place::Registry(_)
        ));
        let archive = Place::Archive {
            path: "a/b.tar".into(),
            name: Some("r.test/x:1".into()),
            format: ArchiveFormat::Docker,
        };
        assert_eq!(
            Place::parse("docker-archive:a/b.tar:r.test/x:1").unwrap(),
            archive
        );
        assert!(matches!(Place::parse("app:1").unwrap(), Place::Store(_)));
        for wrong in [
            "https://x",
            "oci:",
            "oci-archive:",
            "docker-archive:x:",
            "docker://A B",
        ] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }
}
