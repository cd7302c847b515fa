//! Expansion inside an instruction, with errors that point at the word.

use praxis_dockerfile::{Dockerfile, Expander, Expansion};
use praxis_source::{Diagnostic, SourceFile, Span};

use crate::text::quote;
use crate::variables::Variables;

/// What expansion needs to know about the file.
#[derive(Clone, Copy)]
pub(crate) struct Context<'f> {
    pub file: &'f SourceFile,
    pub tree: &'f Dockerfile,
}

impl Context<'_> {
    /// Expands `word`, which stands somewhere in `span`.
    pub(crate) fn expand(
        &self,
        word: &str,
        variables: &Variables,
        span: Span,
    ) -> Result<Expansion, Diagnostic> {
        Expander::new(self.tree.directives.escape)
            .expand(word, &variables.lookup())
            .map_err(|error| {
                let shown: String = word.chars().take(200).collect();
                let message = format!("failed to process {}: {error}", quote(&shown));
                Diagnostic::error(message, self.place(word, span))
            })
    }

    /// Where `word` stands in `span`, or all of `span` if it was written in another way.
    pub(crate) fn place(&self, word: &str, span: Span) -> Span {
        match self.file.slice(span).find(word) {
            Some(at) if !word.is_empty() => Span::new(span.start + at, span.start + at + word.len()),
            _ => span,
        }
    }

    /// The line of `span`.
    pub(crate) fn line(&self, span: Span) -> usize {
        self.file.position(span.start).line
    }
}
