use std::path::PathBuf;

use praxis_engine::{Annotation, Compression, Output, OutputKind};

use praxis_bake::csv;

/// One `--output`.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputOption {
    /// What to write; `None` for `type=image`, which only keeps the image in the store.
    pub output: Option<Output>,
    /// Names given with `name=`.
    pub names: Vec<String>,
}

impl OutputOption {
    /// Whether this output goes to standard output.
    pub fn is_stdout(&self) -> bool {
        self.output
            .as_ref()
            .is_some_and(|output| output.destination.is_none())
    }
}

#[derive(Default)]
struct Fields {
    kind: Option<String>,
    destination: Option<PathBuf>,
    directory: bool,
    names: Vec<String>,
    output: Output,
}

/// Reads `type=KIND[,KEY=VALUE…]`, a bare path (the root file system as a directory) or `-` (as a tar on standard
/// output).
pub fn parse_output(text: &str) -> Result<OutputOption, String> {
    let fields = csv::fields(text)?;
    if let [path] = fields.as_slice()
        && !path.starts_with("type=")
    {
        return bare(path);
    }
    let mut given = Fields::default();
    for (key, value) in csv::pairs(text)? {
        take_field(&mut given, &key, value)?;
    }
    finish(given, text)
}

fn bare(path: &str) -> Result<OutputOption, String> {
    let (kind, destination) = match path {
        "" => return Err("an output needs a type or a path".into()),
        "-" => (OutputKind::Tar, None),
        path => (OutputKind::Local, Some(PathBuf::from(path))),
    };
    let output = Output {
        kind,
        destination,
        tar: kind == OutputKind::Tar,
        ..Output::default()
    };
    Ok(OutputOption {
        output: Some(output),
        names: Vec::new(),
    })
}

fn take_field(given: &mut Fields, key: &str, value: String) -> Result<(), String> {
    match key {
        "type" => given.kind = Some(value),
        "dest" if value.is_empty() => return Err("dest= is empty".into()),
        "dest" => given.destination = (value != "-").then(|| value.into()),
        "tar" => given.directory = !csv::boolean(key, &value)?,
        "compression" => given.output.compression = compression(&value)?,
        "name" => given.names.extend(value.split(',').map(String::from)),
        "push" | "push-by-digest" | "unpack" | "store" if !csv::boolean(key, &value)? => {}
        "push" | "push-by-digest" => return Err(PUSH.into()),
        "store" | "unpack" => {}
        "oci-mediatypes" => given.output.docker_media_types = !csv::boolean(key, &value)?,
        "force-compression" => given.output.force_compression = csv::boolean(key, &value)?,
        "platform-split" => given.output.platform_split = Some(csv::boolean(key, &value)?),
        "rewrite-timestamp" => _ = csv::boolean(key, &value)?,
        "compression-level" => given.output.compression_level = Some(level(&value)?),
        _ if key.starts_with("annotation") => {
            let rest = key.strip_prefix("annotation").unwrap_or(key);
            let name = match rest.strip_prefix('-') {
                Some(typed) if typed.starts_with("manifest") || typed.starts_with("index") => {
                    typed.to_string()
                }
                Some(_) => {
                    return Err(format!(
                        "{key}: its type is none of manifest, index, manifest-descriptor, index-descriptor"
                    ));
                }
                None => format!("manifest{rest}"),
            };
            given
                .output
                .annotations
                .extend(Annotation::parse(&name, &value, '.')?);
        }
        _ => {
            return Err(format!(
                "{key}={value} is not supported: known are type, dest, tar, compression, \
                 compression-level, force-compression, oci-mediatypes, annotation.KEY, platform-split, name and rewrite-timestamp"
            ));
        }
    }
    Ok(())
}

/// Why `--push` is refused.
pub const PUSH: &str = "praxis does not push from a build: publishing is a release operation; name the image with --tag and \
                        run `praxis push`, or write an archive with --output type=oci,dest=FILE";

fn level(value: &str) -> Result<u8, String> {
    value.parse().map_err(|_| {
        format!("compression-level={value}: expected a number, 0 to 9 for gzip and 1 to 22 for zstd")
    })
}

/// Whether the compression has the level that is asked for.
fn check_level(output: &Output) -> Result<(), String> {
    let levels = match output.compression {
        Compression::Gzip => 0..=9,
        Compression::Zstd => 1..=22,
        Compression::Uncompressed => {
            return match output.compression_level {
                Some(_) => Err("compression-level is for gzip and zstd: leave it out".into()),
                None => Ok(()),
            };
        }
    };
    match output.compression_level {
        Some(level) if !levels.contains(&level) => Err(format!(
            "compression-level={level}: expected {} to {}",
            levels.start(),
            levels.end()
        )),
        _ => Ok(()),
    }
}

/// Reads the value of `compression=`.
pub fn compression(value: &str) -> Result<Compression, String> {
    match value {
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "uncompressed" => Ok(Compression::Uncompressed),
        "estargz" => {
            Err("compression=estargz is not supported: use gzip, which the same clients read, or zstd".into())
        }
        _ => Err(format!(
            "compression={value} is not supported: use gzip, zstd or uncompressed"
        )),
    }
}

fn finish(given: Fields, text: &str) -> Result<OutputOption, String> {
    check_level(&given.output)?;
    let kind = match given.kind.as_deref() {
        Some("oci") => OutputKind::Oci,
        Some("docker") => OutputKind::Docker,
        Some("local") => OutputKind::Local,
        Some("tar") => OutputKind::Tar,
        Some("image" | "cacheonly") => {
            return Ok(OutputOption {
                output: None,
                names: given.names,
            });
        }
        Some("registry") => return Err(PUSH.into()),
        Some(other) => {
            return Err(format!(
                "type={other} is not supported: use oci, docker, local or tar"
            ));
        }
        None => {
            return Err(format!(
                "{text:?} names no type: write type=oci, docker, local or tar"
            ));
        }
    };
    let tar = match kind {
        OutputKind::Oci | OutputKind::Docker => !given.directory,
        OutputKind::Tar if given.directory => {
            return Err("type=tar is always an archive: use type=local".into());
        }
        OutputKind::Tar => true,
        OutputKind::Local => false,
    };
    if !tar && given.destination.is_none() {
        return Err("a directory needs dest=DIR: only archives can go to standard output".into());
    }
    let output = Output {
        kind,
        destination: given.destination,
        tar,
        ..given.output
    };
    Ok(OutputOption {
        output: Some(output),
        names: given.names,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str) -> Output {
        parse_output(text).unwrap().output.unwrap()
    }

    #[test]
    fn archives_and_directories() {
        let oci = output("type=oci,dest=a.tar");
        assert_eq!(
            (oci.kind, oci.tar, oci.destination),
            (OutputKind::Oci, true, Some("a.tar".into()))
        );
        assert!(!output("type=oci,dest=d,tar=false").tar);
        assert_eq!(output("type=docker").destination, None);
        assert_eq!(
            output("type=oci,dest=-,compression=zstd").compression,
            Compression::Zstd
        );
        assert_eq!(output("out").kind, OutputKind::Local);
        assert!(parse_output("-").unwrap().is_stdout());
        assert_eq!(output("type=tar").kind, OutputKind::Tar);
    }

    #[test]
    fn an_image_stays_in_the_store() {
        let option = parse_output("type=image,\"name=a,b\"").unwrap();
        assert_eq!(option.output, None);
        assert_eq!(option.names, ["a", "b"]);
    }

    #[test]
    fn annotations_have_a_type_and_a_platform() {
        let annotations = output(
            "type=oci,annotation.a.b=1,annotation[linux/arm64].c=2,annotation-index.d=3,annotation-manifest-descriptor.e=4",
        )
        .annotations;
        let shown: Vec<String> = annotations
            .iter()
            .map(|it| {
                let platform = it.platform.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{:?} {platform} {}={}", it.kind, it.key, it.value)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "Manifest  a.b=1",
                "Manifest linux/arm64 c=2",
                "Index  d=3",
                "ManifestDescriptor  e=4"
            ]
        );
    }

    #[test]
    fn compressions_and_media_types_are_of_one_output() {
        let zstd = output("type=oci,dest=x,compression=zstd,force-compression=true,oci-mediatypes=false");
        assert!(zstd.force_compression && zstd.docker_media_types);
        assert_eq!(
            output("type=local,dest=x,platform-split=false").platform_split,
            Some(false)
        );
        assert_eq!(parse_output("type=cacheonly").unwrap().output, None);
        assert_eq!(zstd.compression_level, None);
        let level = output("type=oci,dest=x,compression-level=19,compression=zstd");
        assert_eq!(level.compression_level, Some(19));
    }

    #[test]
    fn refusals_say_why() {
        for (text, why) in [
            ("type=registry", "release operation"),
            ("type=image,push=true", "release operation"),
            ("type=local", "needs dest"),
            ("type=oci,tar=false", "needs dest"),
            ("type=tar,tar=false", "always an archive"),
            ("type=squash,dest=x", "not supported"),
            ("dest=x,tar=true", "names no type"),
            ("type=oci,dest=x,compression=estargz", "use gzip"),
            ("type=oci,compression-level=10", "0 to 9"),
            ("type=oci,compression=zstd,compression-level=0", "1 to 22"),
            ("type=oci,compression-level=-1", "expected a number"),
            (
                "type=oci,compression=uncompressed,compression-level=1",
                "leave it out",
            ),
            ("type=oci,annotation-colour.a=b", "none of manifest"),
            ("type=oci,tar=maybe", "true or false"),
            ("type=oci,colour=red", "not supported"),
            ("", "type or a path"),
        ] {
            let error = parse_output(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
