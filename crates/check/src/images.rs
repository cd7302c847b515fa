//! Every place where a Dockerfile names an image.

use std::collections::BTreeMap;

use praxis_dockerfile::{Dockerfile, Expander, Kind};
use praxis_oci::Reference;
use praxis_source::{SourceFile, Span};

/// Where an image is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImagePlace {
    /// `FROM` of the stage with this number.
    From(usize),
    /// `COPY --from`.
    Copy,
    /// `from=` of a mount.
    Mount,
    /// `# syntax=`.
    Syntax,
}

/// An image that a Dockerfile names.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageUse {
    /// Where.
    pub place: ImagePlace,
    /// Where the word stands.
    pub span: Span,
    /// Where the name is written out: the word itself, or the default of the ARG that it is.
    pub literal: Option<Span>,
    /// The name with variables filled in.
    pub written: String,
    /// The name, if it is one.
    pub reference: Option<Reference>,
    /// Whether only a build argument says what it is.
    pub dynamic: bool,
}

/// What a base word stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BaseView {
    /// Nothing.
    Scratch,
    /// A stage before it.
    Stage(usize),
    /// An image: an index into the images.
    Image(usize),
}

/// The global variables: what a build without arguments sees in FROM.
pub(crate) fn globals(tree: &Dockerfile) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, String> = [
        ("TARGETPLATFORM", "linux/amd64"),
        ("BUILDPLATFORM", "linux/amd64"),
        ("TARGETOS", "linux"),
        ("TARGETARCH", "amd64"),
        ("BUILDOS", "linux"),
        ("BUILDARCH", "amd64"),
    ]
    .map(|(name, value)| (name.to_string(), value.to_string()))
    .into();
    let expander = Expander::new(tree.directives.escape);
    for argument in tree.arguments.iter().filter_map(|one| match &one.kind {
        Kind::Arg(arguments) => Some(arguments),
        _ => None,
    }) {
        for argument in argument {
            let expanded = argument.default.as_ref().map(|default| {
                let lookup = |name: &str| values.get(name).cloned();
                expander
                    .expand(default, &lookup)
                    .map(|it| it.text)
                    .unwrap_or_default()
            });
            if let Some(text) = expanded {
                values.insert(argument.name.clone(), text);
            }
        }
    }
    values
}

/// Finds images and what each stage starts from.
pub(crate) fn find(file: &SourceFile, tree: &Dockerfile) -> (Vec<ImageUse>, Vec<BaseView>) {
    let mut finder = Finder {
        file,
        tree,
        values: globals(tree),
        images: Vec::new(),
    };
    finder.syntax();
    let bases = (0..tree.stages.len()).map(|index| finder.stage(index)).collect();
    (finder.images, bases)
}

struct Finder<'f> {
    file: &'f SourceFile,
    tree: &'f Dockerfile,
    values: BTreeMap<String, String>,
    images: Vec<ImageUse>,
}

impl Finder<'_> {
    fn syntax(&mut self) {
        let Some(name) = &self.tree.directives.syntax else {
            return;
        };
        if let Some(at) = self.file.text().find(name.as_str()) {
            let span = Span::new(at, at + name.len());
            self.push(ImagePlace::Syntax, span, Some(span), name.clone(), false);
        }
    }

    fn stage(&mut self, index: usize) -> BaseView {
        let tree = self.tree;
        let stage = &tree.stages[index];
        let from = &stage.from;
        let words = words(self.file, from.span);
        let word = words.iter().skip(1).find(|(_, text)| !text.starts_with("--"));
        let span = word.map_or(from.span, |(span, _)| *span);
        let lookup = |name: &str| self.values.get(name).cloned();
        let expansion = Expander::new(tree.directives.escape).expand(&from.base, &lookup);
        let expansion = expansion.unwrap_or_default();
        let base = match (expansion.text.as_str(), self.stage_named(&expansion.text, index)) {
            ("scratch", None) => BaseView::Scratch,
            (_, Some(other)) => BaseView::Stage(other),
            _ => {
                let literal = self.literal(&from.base, span);
                let dynamic = !expansion.undefined.is_empty() || expansion.text.is_empty();
                self.push(ImagePlace::From(index), span, literal, expansion.text, dynamic);
                BaseView::Image(self.images.len() - 1)
            }
        };
        for instruction in &stage.instructions {
            match &instruction.kind {
                Kind::Copy(transfer) => {
                    let from = transfer.from.iter().cloned();
                    self.uses(from, ImagePlace::Copy, instruction.span, index);
                }
                Kind::Run(run) => {
                    let from = run.mounts.iter().filter_map(|mount| mount.from());
                    self.uses(from, ImagePlace::Mount, instruction.span, index);
                }
                _ => {}
            }
        }
        base
    }

    fn uses(&mut self, names: impl Iterator<Item = String>, place: ImagePlace, span: Span, stage: usize) {
        for name in names {
            let numbered = name.parse::<usize>().is_ok();
            if numbered || name == "scratch" || name.contains('$') || self.stage_named(&name, stage).is_some()
            {
                continue;
            }
            let text = self.file.slice(span);
            let at = text.find(&format!("from={name}")).map(|at| span.start + at + 5);
            let word = at.map_or(span, |at| Span::new(at, at + name.len()));
            self.push(place, word, at.map(|_| word), name, false);
        }
    }

    /// The stage before `index` of that name.
    fn stage_named(&self, name: &str, index: usize) -> Option<usize> {
        let lower = name.to_lowercase();
        let before = &self.tree.stages[..index];
        before
            .iter()
            .rposition(|stage| stage.from.name.as_deref() == Some(&lower))
    }

    /// Where the whole name is written: the word, or the default of the ARG that the word is.
    fn literal(&self, base: &str, span: Span) -> Option<Span> {
        if !base.contains('$') {
            return Some(span);
        }
        let name = base.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let name = name.or_else(|| base.strip_prefix('$'))?;
        let argument = self.tree.arguments.iter().rev().find_map(|one| match &one.kind {
            Kind::Arg(arguments) => {
                let argument = arguments.iter().find(|argument| argument.name == name)?;
                Some((one.span, argument.default.as_ref()?))
            }
            _ => None,
        });
        let (place, default) = argument?;
        let plain = default.trim_matches(['"', '\'']);
        let text = self.file.slice(place);
        let at = text.find(&format!("{name}="))? + name.len() + 1;
        let at = at + text[at..].find(plain)?;
        (!plain.contains('$')).then(|| Span::new(place.start + at, place.start + at + plain.len()))
    }

    fn push(&mut self, place: ImagePlace, span: Span, literal: Option<Span>, written: String, dynamic: bool) {
        let reference = if dynamic { None } else { written.parse().ok() };
        self.images.push(ImageUse {
            place,
            span,
            literal,
            written,
            reference,
            dynamic,
        });
    }
}

/// The words of an instruction as they stand in the file, without continuations and comments.
pub(crate) fn words(file: &SourceFile, span: Span) -> Vec<(Span, &str)> {
    let mut found = Vec::new();
    let mut start = span.start;
    for line in file.slice(span).split_inclusive('\n') {
        if !line.trim_start().starts_with('#') {
            let mut at = 0;
            for word in line.split([' ', '\t', '\r', '\n']) {
                if !word.is_empty() && word != "\\" && word != "`" {
                    found.push((Span::new(start + at, start + at + word.len()), word));
                }
                at += word.len() + 1;
            }
        }
        start += line.len();
    }
    found
}
