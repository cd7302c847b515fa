//! A bake file as blocks and attributes, whether it was written in HCL or in JSON.

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::structure::{self, Structure};
use praxis_source::{SourceFile, Span};

use crate::error::{Outcome, Place, Problem};

/// Attributes and blocks, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    pub attributes: Vec<Attribute>,
    pub blocks: Vec<Block>,
}

/// `name = value`.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub name: String,
    /// Where the name is.
    pub place: Place,
    pub value: Term,
}

/// An expression with the file it is in.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub expression: Expression,
    pub origin: Origin,
}

/// How to find the place of a part of an expression.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The whole expression.
    pub whole: Place,
    /// Whether the parts know where they are. In JSON they do not.
    pub exact: bool,
}

impl Origin {
    /// Where `expression` is.
    pub fn of(&self, expression: &Expression) -> Place {
        match expression.span().filter(|_| self.exact) {
            Some(range) => Place {
                span: Span::new(range.start, range.end),
                ..self.whole
            },
            None => self.whole,
        }
    }
}

/// `kind "label" { … }`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub kind: String,
    pub labels: Vec<String>,
    /// Where the block's last label is, or else its kind.
    pub place: Place,
    pub body: Body,
}

impl Body {
    /// The attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// Reads HCL.
pub(crate) fn parse_hcl(file: usize, source: &SourceFile) -> Outcome<Body> {
    let body = hcl_edit::parser::parse_body(source.text()).map_err(|error| {
        let offset = error.location().offset();
        let span = Span::new(offset, offset + 1);
        Problem::at(Place { file, span }, sentence(error.message()))
    })?;
    Ok(convert(file, &body))
}

/// The parser's message, in one line.
fn sentence(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ")
}

fn convert(file: usize, body: &structure::Body) -> Body {
    let mut converted = Body::default();
    for structure in body.iter() {
        match structure {
            Structure::Attribute(attribute) => converted.attributes.push(Attribute {
                name: attribute.key.as_str().to_string(),
                place: place(file, attribute.key.span()),
                value: Term {
                    expression: attribute.value.clone(),
                    origin: Origin {
                        whole: place(file, attribute.value.span()),
                        exact: true,
                    },
                },
            }),
            Structure::Block(block) => converted.blocks.push(Block {
                kind: block.ident.as_str().to_string(),
                labels: block
                    .labels
                    .iter()
                    .map(|label| label.as_str().to_string())
                    .collect(),
                place: place(
                    file,
                    block
                        .labels
                        .last()
                        .and_then(|label| label.span())
                        .or(block.ident.span()),
                ),
                body: convert(file, &block.body),
            }),
        }
    }
    converted
}

fn place(file: usize, range: Option<std::ops::Range<usize>>) -> Place {
    let range = range.unwrap_or_default();
    Place {
        file,
        span: Span::new(range.start, range.end),
    }
}
