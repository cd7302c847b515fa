//! Which instruction put a file where it is.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use praxis_image::{OpenedImage, PathStory, story};
use praxis_oci::Platform;
use praxis_source::SourceFile;
use serde::Serialize;

use crate::origin::{LayerSource, excerpt, layer_sources};
use crate::sources::dockerfile_at;
use crate::{Engine, EngineError};

/// Why a file of an image is as it is.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// What the layers did to it.
    #[serde(flatten)]
    pub story: PathStory,
    /// Where the layer of each event comes from, in the same order.
    pub sources: Vec<LayerSource>,
}

impl Engine {
    /// Explains the file at `path` in an image. The lines come from what was noted when the image was built, else
    /// from `dockerfile`, with which the history is compared.
    ///
    /// # Errors
    /// Also if no layer has the path.
    pub fn explain(
        &self,
        image: &str,
        path: &Path,
        dockerfile: Option<&PathBuf>,
        platform: Option<&Platform>,
    ) -> Result<Explanation, EngineError> {
        let store = self.store()?;
        let opened = self.image(image, platform, &store)?;
        let layers = match dockerfile {
            Some(path) => {
                let directory = path.parent().unwrap_or(Path::new("."));
                matched(&opened, &dockerfile_at(directory, path, path)?)
            }
            None => opened
                .digest
                .and_then(|digest| layer_sources(&store, &digest))
                .unwrap_or_default(),
        };
        let shown = path.display();
        let story = story(&opened, path.as_os_str().as_bytes())?.ok_or_else(|| {
            EngineError::user(format!("{image}: no layer has {shown}"))
                .with_hint("praxis tree lists what each layer has")
        })?;
        let source = |layer: usize| {
            let mut source = layers.get(layer - 1).cloned().unwrap_or_default();
            let told = opened.layers[layer - 1].created_by.clone();
            source.instruction = source.instruction.or(told);
            source
        };
        let sources = story.events.iter().map(|event| source(event.layer)).collect();
        Ok(Explanation { story, sources })
    }

    /// Where the layers of an image come from, as far as that was noted when it was built.
    pub fn layer_sources(
        &self,
        image: &str,
        platform: Option<&Platform>,
    ) -> Result<Vec<LayerSource>, EngineError> {
        let store = self.store()?;
        let opened = self.image(image, platform, &store)?;
        let noted = opened.digest.and_then(|digest| layer_sources(&store, &digest));
        Ok(noted.unwrap_or_default())
    }
}

/// The layers of an image by the lines of a Dockerfile that it may have been built from: history and file are compared
/// from their ends, where they cannot miss each other.
fn matched(image: &OpenedImage, source: &SourceFile) -> Vec<LayerSource> {
    let (tree, _) = praxis_dockerfile::parse(source);
    let mut lines: Vec<(usize, String, String)> = Vec::new();
    let mut stage = tree.stages.len().checked_sub(1);
    while let Some(index) = stage {
        for instruction in tree.stages[index].instructions.iter().rev() {
            let line = source.position(instruction.span.start).line;
            lines.push((line, instruction.text.clone(), normal(&instruction.text)));
        }
        let base = tree.stages[index].from.base.to_lowercase();
        let named = |one: &praxis_dockerfile::Stage| one.from.name.as_deref() == Some(base.as_str());
        stage = tree.stages[..index].iter().rposition(named);
    }
    let mut next = 0;
    let mut sources = vec![LayerSource::default(); image.layers.len()];
    for (layer, found) in image.layers.iter().zip(&mut sources).rev() {
        let told = normal(layer.created_by.as_deref().unwrap_or_default());
        let fits = |text: &str| !told.is_empty() && (told == text || is_same_copy(&told, text));
        let Some(at) = lines[next..].iter().position(|(_, _, text)| fits(text)) else {
            continue;
        };
        let (line, text, _) = &lines[next + at];
        next += at + 1;
        *found = LayerSource {
            dockerfile: Some(source.name().into()),
            line: Some(*line),
            instruction: Some(text.clone()),
            excerpt: excerpt(source, *line),
            ..LayerSource::default()
        };
    }
    sources
}

/// Whether `told`, such as `COPY file:1f… in /x`, may be the instruction `text`: builders that write this keep nothing of
/// it but the destination.
fn is_same_copy(told: &str, text: &str) -> bool {
    let words: Vec<&str> = told.split(' ').collect();
    let [keyword @ ("COPY" | "ADD"), source, "in", destination] = words[..] else {
        return false;
    };
    let is_digest = ["file:", "dir:", "multi:"]
        .iter()
        .any(|kind| source.starts_with(kind));
    is_digest && text.starts_with(keyword) && text.split(' ').next_back() == Some(destination)
}

/// An instruction or an entry of a history without what builders add: the shell, build arguments, remarks, white space.
fn normal(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut text = words.join(" ");
    for remark in [" # buildkit", " # praxis"] {
        if let Some(kept) = text.strip_suffix(remark) {
            text = kept.into();
        }
    }
    let mut rest = text.as_str();
    let mut is_run = false;
    if rest
        .get(..4)
        .is_some_and(|word| word.eq_ignore_ascii_case("RUN "))
    {
        (rest, is_run) = (&rest[4..], true);
    }
    if let Some(counted) = rest.strip_prefix('|') {
        // `|2 A=1 B=2 /bin/sh -c …`
        if let Some((_, command)) = counted.split_once(" /bin/sh -c ") {
            (rest, is_run) = (command, true);
        }
    }
    if let Some(command) = rest.strip_prefix("/bin/sh -c ") {
        match command.strip_prefix("#(nop) ") {
            Some(other) => rest = other.trim_start(),
            None => (rest, is_run) = (command, true),
        }
    }
    while is_run && rest.starts_with("--") {
        rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
    }
    if is_run {
        return format!("RUN {rest}");
    }
    match rest.split_once(' ') {
        Some((keyword, rest)) => format!("{} {rest}", keyword.to_uppercase()),
        None => rest.to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_of_all_builders_read_alike() {
        for told in [
            "RUN make  all",
            "RUN /bin/sh -c make all # buildkit",
            "/bin/sh -c make all",
            "RUN /bin/sh -c make all # praxis",
            "|1 A=b /bin/sh -c make all",
            "RUN |1 A=b /bin/sh -c make all # buildkit",
            "run --network=none make all",
        ] {
            assert_eq!(normal(told), "RUN make all", "{told}");
        }
        assert_eq!(normal("/bin/sh -c #(nop) COPY a b"), "COPY a b");
        assert_eq!(normal("copy a b # buildkit"), "COPY a b");
    }
}
