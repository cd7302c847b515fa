//! What fuzzing asks of code that reads foreign bytes. Each function takes any bytes and panics where a promise is
//! broken; `fuzz/` runs them on new inputs, an ordinary test on those that were kept.

use std::io::Read;
use std::sync::Arc;

use praxis_dockerfile::{Expander, IgnoreFile, Verdict, clean, parse};
use praxis_layer::{LayerError, Limits, Listing, Tree, decompress, index_layer, is_archive, read_archive};
use praxis_oci::{Digest, ImageConfig, Index, Manifest, Platform, Reference};
use praxis_plan::{Base, Bases, ImageBase, Operation, PlanRequest, plan};
use praxis_registry::{Document, Part, RegistriesFile, parse_challenges, parse_document};
use praxis_source::SourceFile;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A target: its name, which is that of its directory in `fuzz/corpus`, and what it does with some bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 9] = [
    ("dockerfile", dockerfile),
    ("dockerignore", dockerignore),
    ("expansion", expansion),
    ("layer", layer),
    ("image", image),
    ("reference", reference),
    ("challenge", challenge),
    ("document", document),
    ("credentials", credentials),
];

/// Names stand for images, one of them with triggers, for a directory and for nothing.
struct Shelf;

impl Bases for Shelf {
    fn resolve(&self, name: &str, platform: &Platform) -> Result<Base, String> {
        let mut config = ImageConfig {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            ..ImageConfig::default()
        };
        match name {
            "dir" => return Ok(Base::Directory("id".into())),
            "none" => return Err("no such image".into()),
            "triggers" => {
                config.config.on_build = vec!["RUN --mount=from=b,target=/x a".into(), "ENV a=$b".into()]
            }
            _ => config.config.env = vec!["PATH=/bin".into(), "a=1".into()],
        }
        Ok(Base::Image(ImageBase {
            reference: name.into(),
            manifest: Digest::of(name.as_bytes()),
            config: Arc::new(config),
        }))
    }
}

/// A Dockerfile: parsed, written back, planned.
pub fn dockerfile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let file = SourceFile::new("Dockerfile", text);
    let (tree, errors) = parse(&file);
    assert_eq!(tree.to_string(), text);
    let mut end = 0;
    for piece in tree.layout.pieces() {
        assert_eq!(&text[end..piece.span.end], piece.text);
        end = piece.span.end;
    }
    for instruction in tree.instructions() {
        assert!(text.get(instruction.span.start..instruction.span.end).is_some());
    }
    if !errors.is_empty() {
        return;
    }
    assert!(!tree.stages.is_empty());
    let Ok(platform) = "linux/amd64".parse() else {
        return;
    };
    let mut request = PlanRequest::new(platform);
    request.build_args.insert("b".into(), "v/w.x".into());
    match plan(&file, &tree, &request, &Shelf) {
        Err(errors) => assert!(errors.iter().any(|error| error.is_error())),
        Ok(plan) => planned(&plan),
    }
}

fn planned(plan: &praxis_plan::Plan) {
    assert_eq!(plan.target + 1, plan.stages.len());
    for step in plan.stages.iter().flat_map(|stage| &stage.steps) {
        let paths = match &step.operation {
            Operation::Copy(copy) => vec![&copy.destination],
            Operation::MakeDirectory(workdir) => vec![&workdir.path],
            Operation::Run(run) => run
                .mounts
                .iter()
                .map(|mount| &mount.target)
                .chain([&run.directory])
                .collect(),
            Operation::Metadata => Vec::new(),
        };
        for path in paths.into_iter().filter(|path| !path.is_empty()) {
            assert!(path.starts_with('/') && *path == clean(path), "{path:?}");
        }
    }
}

/// An ignore file: parsed, written back, asked about paths that its own lines suggest.
pub fn dockerignore(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(file) = IgnoreFile::parse(text) else { return };
    assert_eq!(file.to_string(), text);
    for line in text.lines().take(16) {
        let path = clean(&format!("/{}", line.replace(['*', '?', '\\', '!'], "x")));
        let path = path.trim_start_matches('/');
        let (mut verdict, mut closed) = (Verdict::default(), false);
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            verdict = file.verdict(&path[..end], &verdict);
            assert_eq!(verdict.matched, file.is_ignored(&path[..end]));
            assert!(
                verdict.matched || !closed,
                "{path:?} is in the context, below a directory nobody enters"
            );
            closed |= verdict.matched && !file.may_include_below(&path[..end]);
        }
    }
}

/// Words and here-documents with variables.
pub fn expansion(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let lookup = |name: &str| match name {
        "u" | "unset" => None,
        "e" => Some(String::new()),
        "p" => Some("/usr/local/lib.tar.gz".into()),
        _ => Some(format!("{name} é*")),
    };
    for expander in [Expander::new('\\'), Expander::new('`'), Expander::heredoc()] {
        let Ok(expansion) = expander.expand(text, &lookup) else {
            continue;
        };
        let whole: String = expansion.text.split_whitespace().collect();
        let words: String = expansion.words.concat().split_whitespace().collect();
        assert_eq!(whole, words);
    }
}

fn small() -> Limits {
    Limits {
        max_entries: 4096,
        max_bytes: 16 << 20,
        max_segments: 1 << 12,
        ..Limits::default()
    }
}

/// The archive of a layer, compressed or not.
pub fn layer(bytes: &[u8]) {
    let limits = small();
    is_archive(bytes);
    let Ok(plain) = decompress(bytes, &limits) else {
        return;
    };
    let mut content = Vec::new();
    if plain.take(limits.max_bytes).read_to_end(&mut content).is_err() {
        return;
    }
    let count = |_, content: &mut dyn Read| -> Result<(), LayerError> {
        let copied = std::io::copy(content, &mut std::io::sink());
        assert!(copied.is_err() || copied.is_ok_and(|length| length <= limits.max_bytes));
        Ok(())
    };
    let _ = read_archive(content.as_slice(), &limits, &mut { count });
    let Ok(listing) = index_layer(content.as_slice(), &limits) else {
        return;
    };
    assert_eq!(Listing::decode(&listing.encode()).ok().as_ref(), Some(&listing));
    let mut tree = Tree::new();
    tree.apply(0, &listing);
    tree.apply(1, &listing);
    for entry in listing.entries() {
        if let Ok(found) = tree.resolve(entry.path.as_bytes(), true) {
            assert!(!found.exists() || tree.get(&found.path).is_some());
        }
    }
}

/// A manifest, an index or a configuration.
pub fn image(bytes: &[u8]) {
    again::<Manifest>(bytes);
    again::<Index>(bytes);
    if let Some(config) = again::<ImageConfig>(bytes) {
        let _ = config.platform().to_string();
    }
}

/// Reads `T`; what it writes is read as the same.
fn again<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&value).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<T>(&written).ok().as_ref(), Some(&value));
    Some(value)
}

/// A name of an image.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = text.parse::<Digest>();
    let _ = text.parse::<Platform>();
    let Ok(reference) = text.parse::<Reference>() else {
        return;
    };
    for name in [reference.to_string(), reference.familiar()] {
        assert_eq!(name.parse::<Reference>().as_ref(), Ok(&reference), "{name}");
    }
    assert!(!reference.path().contains("..") && !reference.domain().is_empty());
}

/// A `WWW-Authenticate` header.
pub fn challenge(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let challenges = parse_challenges(text);
    assert!(challenges.len() <= 16);
    for one in challenges {
        assert!(!one.scheme.is_empty() && !one.scheme.bytes().any(|b| b.is_ascii_uppercase()));
        assert!(one.parameters.len() <= 32);
    }
}

/// A manifest or index of a registry: what it is said to be, and one thing only.
pub fn document(bytes: &[u8]) {
    let understood: Vec<Document> = praxis_registry::IMAGE_TYPES
        .iter()
        .filter_map(|media_type| parse_document(bytes, media_type).ok())
        .collect();
    let indexes = understood
        .iter()
        .filter(|one| matches!(one, Document::Index(_)))
        .count();
    assert!(
        indexes == 0 || indexes == understood.len(),
        "a manifest and an index"
    );
    for part in understood.iter().flat_map(Document::parts) {
        let (Part::Blob(descriptor) | Part::Document(descriptor)) = part;
        assert_eq!(descriptor.digest.hex().len(), 64);
    }
}

/// Files of credentials and of settings: read or refused, and no message shows what they hold.
pub fn credentials(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let sources = praxis_registry::CredentialSources {
        inline: Some(praxis_registry::Secret::new(text)),
        ..praxis_registry::CredentialSources::default()
    };
    if let Err(error) = sources.find("r.test:5000", "team/app") {
        assert!(error.message.len() < 1000, "{error}");
        // The name of a helper is shown, and no secret.
        assert!(
            text.contains("cred") || !error.message.contains("canary"),
            "{error}"
        );
    }
    let _ = RegistriesFile::parse(text, std::path::Path::new("registries.toml"));
}
