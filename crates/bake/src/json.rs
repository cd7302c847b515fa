//! Bake files in JSON: objects are blocks, and texts are templates.

use hcl_edit::expr::{Array, Expression, Object, ObjectKey, ObjectValue};
use hcl_edit::template::{Element, StringTemplate, Template};
use jsonc_parser::ast::{self, Value as Json};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use praxis_source::{SourceFile, Span};

use crate::document::{Attribute, Block, Body, Origin, Term};
use crate::error::{Outcome, Place, Problem};

/// Kinds of blocks at the top.
const BLOCKS: [&str; 4] = ["target", "group", "variable", "function"];

/// Reads JSON.
pub(crate) fn parse_json(file: usize, source: &SourceFile) -> Outcome<Body> {
    let options = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_extended_string_escapes: false,
        allow_non_finite_numbers: false,
    };
    let parsed = parse_to_ast(source.text(), &CollectOptions::default(), &options).map_err(|error| {
        let range = error.range();
        let span = Span::new(range.start, range.end);
        Problem::at(Place { file, span }, format!("this is no JSON: {}", error.kind()))
    })?;
    let start = Place {
        file,
        span: Span::new(0, 0),
    };
    let Some(Json::Object(top)) = parsed.value else {
        return Err(Problem::at(
            start,
            "a bake file in JSON is an object: { \"target\": … }",
        ));
    };
    let reader = Reader { file };
    let mut body = Body::default();
    for property in &top.properties {
        let kind = property.name.as_str();
        if BLOCKS.contains(&kind) {
            reader.blocks(kind, &property.value, &mut body.blocks)?;
        } else {
            body.attributes.push(reader.attribute(property)?);
        }
    }
    Ok(body)
}

struct Reader {
    file: usize,
}

impl Reader {
    fn place(&self, ranged: &impl Ranged) -> Place {
        let range = ranged.range();
        Place {
            file: self.file,
            span: Span::new(range.start, range.end),
        }
    }

    /// Blocks of one kind: an object by label, or a list of such objects.
    fn blocks(&self, kind: &str, value: &Json, blocks: &mut Vec<Block>) -> Outcome<()> {
        match value {
            Json::Array(list) => list
                .elements
                .iter()
                .try_for_each(|one| self.blocks(kind, one, blocks)),
            Json::Object(labelled) => labelled
                .properties
                .iter()
                .try_for_each(|property| self.block(kind, property, &property.value, blocks)),
            other => Err(Problem::at(
                self.place(other),
                format!("{kind} must be an object: {{ \"{kind}\": {{ \"name\": {{ … }} }} }}"),
            )),
        }
    }

    fn block(
        &self,
        kind: &str,
        label: &ast::ObjectProp<'_>,
        value: &Json,
        blocks: &mut Vec<Block>,
    ) -> Outcome<()> {
        match value {
            Json::Array(list) => list
                .elements
                .iter()
                .try_for_each(|one| self.block(kind, label, one, blocks)),
            Json::Object(object) => {
                let mut body = Body::default();
                for property in &object.properties {
                    if kind == "variable" && property.name.as_str() == "validation" {
                        self.validations(&property.value, &mut body.blocks)?;
                    } else {
                        body.attributes.push(self.attribute(property)?);
                    }
                }
                blocks.push(Block {
                    kind: kind.into(),
                    labels: vec![label.name.as_str().into()],
                    place: self.place(&label.name),
                    body,
                });
                Ok(())
            }
            other => Err(Problem::at(
                self.place(other),
                format!("{kind} {:?} must be an object", label.name.as_str()),
            )),
        }
    }

    fn validations(&self, value: &Json, blocks: &mut Vec<Block>) -> Outcome<()> {
        match value {
            Json::Array(list) => list
                .elements
                .iter()
                .try_for_each(|one| self.validations(one, blocks)),
            Json::Object(object) => {
                let attributes = object.properties.iter().map(|property| self.attribute(property));
                blocks.push(Block {
                    kind: "validation".into(),
                    labels: Vec::new(),
                    place: self.place(value),
                    body: Body {
                        attributes: attributes.collect::<Outcome<_>>()?,
                        blocks: Vec::new(),
                    },
                });
                Ok(())
            }
            other => Err(Problem::at(self.place(other), "validation must be an object")),
        }
    }

    fn attribute(&self, property: &ast::ObjectProp<'_>) -> Outcome<Attribute> {
        let whole = self.place(&property.value);
        Ok(Attribute {
            name: property.name.as_str().into(),
            place: self.place(&property.name),
            value: Term {
                expression: self.expression(&property.value)?,
                origin: Origin { whole, exact: false },
            },
        })
    }

    fn expression(&self, value: &Json) -> Outcome<Expression> {
        Ok(match value {
            Json::StringLit(text) => self.template(&text.value, value)?,
            Json::NumberLit(number) => {
                let number: f64 = number
                    .value
                    .parse()
                    .map_err(|_| Problem::at(self.place(value), "this is no number"))?;
                if !number.is_finite() {
                    return Err(Problem::at(self.place(value), "this number is too large"));
                }
                Expression::from(number)
            }
            Json::BooleanLit(truth) => Expression::from(truth.value),
            Json::NullKeyword(_) => Expression::null(),
            Json::Array(list) => {
                let items: Vec<Expression> = list
                    .elements
                    .iter()
                    .map(|one| self.expression(one))
                    .collect::<Outcome<_>>()?;
                Expression::Array(Array::from(items))
            }
            Json::Object(object) => {
                let mut fields = Object::new();
                for property in &object.properties {
                    let key = self.template(property.name.as_str(), value)?;
                    let value = self.expression(&property.value)?;
                    fields.insert(ObjectKey::Expression(key), ObjectValue::new(value));
                }
                Expression::Object(fields)
            }
        })
    }

    /// A text, which is a template. One interpolation alone keeps its type.
    fn template(&self, text: &str, value: &Json) -> Outcome<Expression> {
        if !text.contains("${") && !text.contains("%{") {
            return Ok(Expression::from(text));
        }
        let template: Template = text.parse().map_err(|error: hcl_edit::parser::Error| {
            let words: Vec<&str> = error.message().split_whitespace().collect();
            Problem::at(self.place(value), words.join(" "))
        })?;
        Ok(match template.as_single_element() {
            Some(Element::Interpolation(inner)) => inner.expr.clone(),
            _ => Expression::from(StringTemplate::from(template)),
        })
    }
}
