//! The Dockerfile of a build, with what the rules say on its own lines.

use praxis_check::{Facts, Finding, MemoryTree, Repository};
use praxis_engine::{BuildRecord, record_time};
use praxis_oci::Digest;
use praxis_source::SourceFile;

use crate::{Caller, Toolbox};

/// The longest Dockerfile that is shown.
const LONGEST: u64 = 1 << 20;

/// A Dockerfile and what is said of it.
pub(super) struct Source {
    /// Its text.
    pub file: SourceFile,
    /// What is said, each of a line from 1.
    pub findings: Vec<(usize, Finding)>,
}

impl Source {
    pub fn new(text: String) -> Source {
        let tree = MemoryTree::default().with("Dockerfile", &text);
        let facts = Facts {
            today: record_time().chars().take(10).collect(),
            git: None,
        };
        let found = Repository::read(&tree, facts).and_then(|repository| praxis_check::check(&repository));
        let file = SourceFile::new("Dockerfile", text);
        let own = found
            .unwrap_or_default()
            .into_iter()
            .filter(|finding| finding.path == "Dockerfile");
        let placed = own.map(|finding| {
            (
                finding.span.map_or(1, |span| file.position(span.start).line),
                finding,
            )
        });
        let findings = placed.collect();
        Source { file, findings }
    }
}

/// The text that was built, from what the store noted of the image, or from where it was if it is still the same.
pub(super) fn of(toolbox: &Toolbox, caller: &Caller, record: &BuildRecord) -> Option<Source> {
    let noted = record
        .images
        .iter()
        .find_map(|image| toolbox.engine.image_origin(&image.digest).ok()?);
    let text = noted.map(|origin| origin.dockerfile.text).or_else(|| {
        let context = toolbox.path(caller, &record.context).ok()?;
        let name = record.dockerfile.as_deref()?;
        let path = toolbox.path(caller, context.join(name).to_str()?).ok()?;
        let meta = path.metadata().ok()?;
        let text =
            (meta.is_file() && meta.len() <= LONGEST).then(|| std::fs::read_to_string(&path).ok())??;
        (record.dockerfile_digest == Some(Digest::of(text.as_bytes()))).then_some(text)
    })?;
    Some(Source::new(text))
}
