//! The result of a build as JSON, with the keys of buildx.

use praxis_engine::BuildResponse;
use serde_json::{Map, Value, json};

/// What `--metadata-file` holds.
pub fn of(response: &BuildResponse, tags: &[String]) -> Value {
    let mut metadata = Map::new();
    if let Some(digest) = &response.config_digest {
        metadata.insert("containerimage.config.digest".into(), json!(digest.to_string()));
    }
    if let Some(digest) = &response.digest {
        let digest = digest.to_string();
        let descriptor = json!({ "mediaType": response.media_type, "digest": digest, "size": response.size });
        metadata.insert("containerimage.descriptor".into(), descriptor);
        metadata.insert("containerimage.digest".into(), json!(digest));
    }
    if !tags.is_empty() {
        metadata.insert("image.name".into(), json!(tags.join(",")));
    }
    Value::Object(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_buildx() {
        let digest: praxis_oci::Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let response = BuildResponse {
            digest: Some(digest),
            config_digest: Some(digest),
            size: 7,
            media_type: "m".into(),
            steps: 1,
            cached: 0,
            plan: None,
            graph: None,
        };
        let metadata = of(&response, &["a:1".into(), "b:2".into()]);
        assert_eq!(
            metadata["containerimage.digest"],
            metadata["containerimage.config.digest"]
        );
        assert_eq!(metadata["containerimage.descriptor"]["size"], 7);
        assert_eq!(metadata["image.name"], "a:1,b:2");
    }
}
