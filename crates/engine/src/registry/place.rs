use std::path::PathBuf;

use praxis_oci::Reference;

use crate::EngineError;

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
        let name = text.strip_prefix("store:").unwrap_or(text);
        if name.contains("://") || name.starts_with("oci-archive:") || name.starts_with("docker-archive:") {
            return Err(
                EngineError::user(format!("{text}: not a place that images are copied from or to"))
                    .with_hint("docker://NAME, oci-layout:DIR[:TAG], or the name of an image in the store"),
            );
        }
        Ok(Place::Store(reference(name)?))
    }
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
        assert!(matches!(Place::parse("app:1").unwrap(), Place::Store(_)));
        for wrong in ["https://x", "oci:", "oci-archive:x", "docker://A B"] {
            assert!(Place::parse(wrong).is_err(), "{wrong}");
        }
    }
}
