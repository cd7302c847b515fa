//! Manifests and indexes as bytes that mean one thing only.

use praxis_oci::{Descriptor, Index, Manifest, media_type};
use serde_json::Value;

use crate::RegistryError;
use crate::error::shown;

/// Media types of manifests and indexes that are understood, the preferred first.
pub const IMAGE_TYPES: [&str; 4] = [
    media_type::INDEX,
    media_type::MANIFEST,
    media_type::DOCKER_INDEX,
    media_type::DOCKER_MANIFEST,
];
/// Manifests and indexes are not larger.
pub(crate) const LARGEST: u64 = 4 << 20;
/// An index holds no more.
const MOST_MANIFESTS: usize = 2000;
/// A manifest has no more layers.
const MOST_LAYERS: usize = 2000;

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// A manifest.
    Manifest(Box<Manifest>),
    /// An index.
    Index(Box<Index>),
}

/// What a document names.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A manifest or index.
    Document(Descriptor),
    /// A configuration or layer.
    Blob(Descriptor),
}

impl Document {
    /// Everything it names but its subject, in the order of the document.
    pub fn parts(&self) -> Vec<Part> {
        match self {
            Document::Manifest(manifest) => std::iter::once(&manifest.config)
                .chain(&manifest.layers)
                .cloned()
                .map(Part::Blob)
                .collect(),
            Document::Index(index) => index
                .manifests
                .iter()
                .cloned()
                .map(|one| {
                    if IMAGE_TYPES.contains(&one.media_type.as_str()) {
                        Part::Document(one)
                    } else {
                        Part::Blob(one)
                    }
                })
                .collect(),
        }
    }

    /// What it refers to.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Document::Manifest(manifest) => manifest.subject.as_ref(),
            Document::Index(index) => index.subject.as_ref(),
        }
    }
}

/// Parses a document that is said to be of `media_type`. Fields that say otherwise are refused: nothing may be a
/// manifest to one reader and an index to another.
///
/// # Errors
/// With what contradicts what.
pub fn parse_document(bytes: &[u8], media_type: &str) -> Result<Document, RegistryError> {
    let wrong = |why: String| RegistryError::lie(why);
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!(
            "{} bytes are too many for a manifest (at most {LARGEST})",
            bytes.len()
        )));
    }
    let is_index = match media_type {
        media_type::INDEX | media_type::DOCKER_INDEX => true,
        media_type::MANIFEST | media_type::DOCKER_MANIFEST => false,
        "application/vnd.docker.distribution.manifest.v1+prettyjws"
        | "application/vnd.docker.distribution.manifest.v1+json" => {
            return Err(wrong("it is a manifest of the old form (schema 1), which names layers without digests that can be checked".into()));
        }
        other => {
            return Err(wrong(format!(
                "it is of type {:?}, neither manifest nor index",
                shown(other, 100)
            )));
        }
    };
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| wrong(format!("it is not JSON: {error}")))?;
    let has = |field: &str| value.get(field).is_some();
    if has("manifests") && (has("layers") || has("config")) {
        return Err(wrong("it is both a manifest and an index".into()));
    }
    if has("fsLayers") {
        return Err(wrong("it has fields of an old form (fsLayers)".into()));
    }
    if let Some(declared) = value
        .get("mediaType")
        .filter(|declared| declared.as_str() != Some(media_type))
    {
        return Err(wrong(format!(
            "it was said to be {media_type}, but says that it is {}",
            shown(&declared.to_string(), 100)
        )));
    }
    if is_index == has("layers") || is_index == has("config") || (is_index && !has("manifests")) {
        return Err(wrong(format!(
            "it was said to be {media_type}, but has not the fields of one"
        )));
    }
    let not_valid =
        |error: serde_json::Error| wrong(format!("it is not valid: {}", shown(&error.to_string(), 200)));
    if is_index {
        let index: Index = serde_json::from_value(value).map_err(not_valid)?;
        if index.manifests.len() > MOST_MANIFESTS {
            return Err(wrong(format!(
                "{} manifests are more than {MOST_MANIFESTS}",
                index.manifests.len()
            )));
        }
        return Ok(Document::Index(Box::new(index)));
    }
    let manifest: Manifest = serde_json::from_value(value).map_err(not_valid)?;
    if manifest.layers.len() > MOST_LAYERS {
        return Err(wrong(format!(
            "{} layers are more than {MOST_LAYERS}",
            manifest.layers.len()
        )));
    }
    Ok(Document::Manifest(Box::new(manifest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

    fn config() -> String {
        format!(r#"{{"mediaType":"x","digest":"{DIGEST}","size":2}}"#)
    }

    #[test]
    fn row_26_a_document_is_one_thing() {
        let both = format!(
            r#"{{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}}"#,
            config()
        );
        let manifest = format!(r#"{{"schemaVersion":2,"layers":[],"config":{}}}"#, config());
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        let docker = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","layers":[],"config":{}}}"#,
            media_type::DOCKER_MANIFEST,
            config()
        );
        assert!(parse_document(manifest.as_bytes(), media_type::MANIFEST).is_ok());
        assert!(parse_document(index.as_bytes(), media_type::INDEX).is_ok());
        assert!(parse_document(docker.as_bytes(), media_type::DOCKER_MANIFEST).is_ok());
        for (text, said, why) in [
            (both.as_str(), media_type::MANIFEST, "both"),
            (both.as_str(), media_type::INDEX, "both"),
            (manifest.as_str(), media_type::INDEX, "fields"),
            (index, media_type::MANIFEST, "fields"),
            (docker.as_str(), media_type::MANIFEST, "says that it is"),
            ("[]", media_type::INDEX, "fields"),
            ("{", media_type::INDEX, "not JSON"),
            (index, "text/html", "neither"),
            (
                r#"{"schemaVersion":1,"fsLayers":[],"manifests":[]}"#,
                media_type::INDEX,
                "old form",
            ),
        ] {
            let refused = parse_document(text.as_bytes(), said).unwrap_err();
            assert!(refused.message.contains(why), "{text} as {said}: {refused}");
        }
    }

    #[test]
    fn row_28_and_29_numbers_are_bounded() {
        let one = format!(
            r#"{{"mediaType":"{}","digest":"{DIGEST}","size":2}}"#,
            media_type::MANIFEST
        );
        let many = vec![one; MOST_MANIFESTS + 1].join(",");
        let wide = format!(r#"{{"schemaVersion":2,"manifests":[{many}]}}"#);
        assert!(
            parse_document(wide.as_bytes(), media_type::INDEX)
                .unwrap_err()
                .message
                .contains("more than")
        );
        let long = format!("{{{}}}", " ".repeat(LARGEST as usize));
        assert!(
            parse_document(long.as_bytes(), media_type::INDEX)
                .unwrap_err()
                .message
                .contains("too many")
        );
    }
}
