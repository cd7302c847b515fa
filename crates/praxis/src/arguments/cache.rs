use std::path::PathBuf;

use praxis_engine::{CacheFrom, CacheMode, CachePlace, CacheTo};

use super::output::compression;
use praxis_bake::csv;
use praxis_oci::Reference;

/// Reads `type=local,src=DIR[,digest=DIGEST]` or `type=registry,ref=NAME`.
pub fn parse_cache_from(text: &str) -> Result<CacheFrom, String> {
    let (mut kind, mut directory, mut digest, mut name) = (None, None, None, None);
    for (key, value) in fields(text)? {
        match key.as_str() {
            "type" => kind = Some(value),
            "src" => directory = given(&key, value)?,
            "ref" => name = Some(reference(&value)?),
            "digest" => {
                digest = Some(
                    value
                        .parse()
                        .map_err(|error| format!("digest={value}: {error}"))?,
                );
            }
            _ => return Err(unknown(&key, &value, "type, src, digest and ref")),
        }
    }
    if is_registry(kind.as_deref())? {
        let named = name.filter(|_| directory.is_none() && digest.is_none());
        return Ok(CacheFrom::Registry(
            named.ok_or("type=registry needs ref=NAME and nothing else")?,
        ));
    }
    let directory = directory
        .filter(|_| name.is_none())
        .ok_or("type=local needs src=DIR")?;
    Ok(CacheFrom::Local { directory, digest })
}

/// Reads `type=inline`, or `type=local,dest=DIR` or `type=registry,ref=NAME`, and `[,mode=min|max][,compression=…][,ignore-error=true]`.
pub fn parse_cache_to(text: &str) -> Result<CacheTo, String> {
    if is_inline(text) {
        return inline(text);
    }
    let (mut kind, mut directory, mut name) = (None, None, None);
    let (mut mode, mut packed, mut ignore_error) = (CacheMode::Min, None, false);
    for (key, value) in fields(text)? {
        match key.as_str() {
            "type" => kind = Some(value),
            "dest" => directory = given(&key, value)?,
            "ref" => name = Some(reference(&value)?),
            "mode" => mode = cache_mode(&value)?,
            "compression" => packed = Some(compression(&value)?),
            "ignore-error" => ignore_error = csv::boolean(&key, &value)?,
            "oci-mediatypes" | "image-manifest" if csv::boolean(&key, &value)? => {}
            "force-compression" => _ = csv::boolean(&key, &value)?,
            "compression-level" => return Err(LEVEL.into()),
            _ => {
                let known = "type, dest, ref, mode, compression and ignore-error";
                return Err(unknown(&key, &value, known));
            }
        }
    }
    let place = if is_registry(kind.as_deref())? {
        let named = name.filter(|_| directory.is_none());
        CachePlace::Registry(named.ok_or("type=registry needs ref=NAME and no dest")?)
    } else {
        CachePlace::Local(
            directory
                .filter(|_| name.is_none())
                .ok_or("type=local needs dest=DIR")?,
        )
    };
    Ok(CacheTo {
        place,
        mode,
        compression: packed,
        ignore_error,
    })
}

/// Why `compression-level=` is refused.
const LEVEL: &str = "compression-level is for outputs: layers in a cache are those that builds give out again, and another \
                     level would change the digest of their images; leave it out";

fn is_inline(text: &str) -> bool {
    csv::pairs(text).is_ok_and(|pairs| {
        pairs
            .iter()
            .any(|(key, value)| key == "type" && value == "inline")
    })
}

/// `type=inline`, which holds what an image holds.
fn inline(text: &str) -> Result<CacheTo, String> {
    for (key, value) in csv::pairs(text)? {
        match (key.as_str(), value.as_str()) {
            ("type", "inline") | ("mode", "min") => {}
            ("mode", _) => {
                return Err(
                    "type=inline holds the image's own layers: for mode=max use type=registry".into(),
                );
            }
            _ => return Err(unknown(&key, &value, "type and mode=min")),
        }
    }
    Ok(CacheTo::inline())
}

/// A text without `=` names an image, as in buildx.
fn fields(text: &str) -> Result<Vec<(String, String)>, String> {
    if !text.contains('=') {
        return Ok(vec![
            ("type".into(), "registry".into()),
            ("ref".into(), text.into()),
        ]);
    }
    let fields = csv::pairs(text)?;
    // The type decides which other keys there are.
    if let Some((_, kind)) = fields.iter().find(|(key, _)| key == "type") {
        is_registry(Some(kind))?;
    }
    Ok(fields)
}

fn given(key: &str, value: String) -> Result<Option<PathBuf>, String> {
    match value.as_str() {
        "" => Err(format!("{key}= is empty")),
        _ => Ok(Some(value.into())),
    }
}

fn cache_mode(value: &str) -> Result<CacheMode, String> {
    match value {
        "min" => Ok(CacheMode::Min),
        "max" => Ok(CacheMode::Max),
        _ => Err(format!("mode={value} is not supported: use min or max")),
    }
}

/// A name whose digest could not be known beforehand holds none.
fn reference(value: &str) -> Result<Reference, String> {
    let reference: Reference = value.parse().map_err(|error| format!("ref={value}: {error}"))?;
    match reference.digest() {
        Some(_) => Err(format!("ref={value}: a cache is named by a tag")),
        None => Ok(reference),
    }
}

fn is_registry(kind: Option<&str>) -> Result<bool, String> {
    match kind {
        Some("local") => Ok(false),
        Some("registry") => Ok(true),
        Some(other) => Err(refusal(other)),
        None => Err("a cache needs a type: write type=local or type=registry".into()),
    }
}

fn refusal(kind: &str) -> String {
    match kind {
        "inline" => {
            "type=inline is for --cache-to: name the image, --cache-from type=registry,ref=NAME".into()
        }
        "gha" | "s3" | "azblob" => {
            format!(
                "type={kind} is not supported: use type=local and keep the directory with that service's tools"
            )
        }
        _ => format!("type={kind} is not supported: use type=local or type=registry"),
    }
}

fn unknown(key: &str, value: &str, known: &str) -> String {
    format!("{key}={value} is not supported: known are {known}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        let to = parse_cache_to("type=local,dest=a,mode=max,compression=zstd,ignore-error=true").unwrap();
        assert_eq!(
            (to.place, to.mode),
            (CachePlace::Local("a".into()), CacheMode::Max)
        );
        assert!(to.ignore_error && to.compression.is_some());
        assert_eq!(parse_cache_to("type=local,dest=a").unwrap().mode, CacheMode::Min);
        let digest = format!("sha256:{}", "a".repeat(64));
        let from = parse_cache_from(&format!("type=local,src=b,digest={digest}")).unwrap();
        assert_eq!(
            from,
            CacheFrom::Local {
                directory: "b".into(),
                digest: Some(digest.parse().unwrap())
            }
        );
    }

    #[test]
    fn names_in_registries() {
        let name: Reference = "example.org/cache:a".parse().unwrap();
        let to = parse_cache_to("type=registry,ref=example.org/cache:a,mode=max").unwrap();
        assert_eq!(to.place, CachePlace::Registry(name.clone()));
        assert_eq!(
            parse_cache_from("example.org/cache:a").unwrap(),
            CacheFrom::Registry(name)
        );
    }

    #[test]
    fn row_25_a_digest_is_one_or_refused() {
        for digest in [
            "sha256:../../x",
            &format!("sha256:{}", "A".repeat(64)),
            "sha256:ab",
        ] {
            assert!(parse_cache_from(&format!("type=local,src=b,digest={digest}")).is_err());
        }
    }

    #[test]
    fn refusals_say_what_to_do() {
        for (text, why) in [
            ("type=registry", "needs ref"),
            ("type=registry,ref=example.org/cache,dest=a", "no dest"),
            ("type=local,ref=example.org/cache", "needs dest"),
            ("type=registry,ref=../x", "invalid image name"),
            ("type=inline,mode=max", "type=registry"),
            ("type=inline,ref=a", "known are"),
            ("type=gha", "type=local"),
            ("type=s3,bucket=a", "type=local"),
            ("type=local", "needs dest"),
            ("type=local,dest=", "is empty"),
            ("type=local,dest=a,mode=most", "min or max"),
            ("type=local,dest=a,compression-level=9", "is for outputs"),
            ("dest=a", "needs a type"),
            ("type=local,dest=a,colour=red", "known are"),
        ] {
            let error = parse_cache_to(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert_eq!(parse_cache_to("type=inline").unwrap(), CacheTo::inline());
        assert!(
            parse_cache_from("type=inline")
                .unwrap_err()
                .contains("--cache-to")
        );
        assert!(parse_cache_from("type=local").unwrap_err().contains("needs src"));
    }
}
