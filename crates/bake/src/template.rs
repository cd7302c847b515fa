//! Texts with `${…}` and `%{…}`.

use hcl_edit::template::{Directive, Element, ForDirective, IfDirective, Strip};

use crate::error::{Outcome, Problem};
use crate::evaluate::{Evaluator, Sight, inner};
use crate::value::Value;

/// Longest text, in bytes.
const LONGEST: usize = 4 << 20;

impl Evaluator<'_> {
    /// The text. If `typed`, one interpolation alone gives its value as it is.
    pub(crate) fn template<'e>(
        &self,
        elements: impl Iterator<Item = &'e Element>,
        sight: Sight<'_>,
        typed: bool,
    ) -> Outcome<Value> {
        let elements: Vec<&Element> = elements.collect();
        if let ([Element::Interpolation(only)], true) = (elements.as_slice(), typed) {
            return self.value(&only.expr, sight);
        }
        let mut text = String::new();
        self.append(&elements, sight, &mut text)?;
        Ok(Value::Text(text))
    }

    fn append(&self, elements: &[&Element], sight: Sight<'_>, text: &mut String) -> Outcome<()> {
        // Whether the literal to come loses the white space at its beginning.
        let mut strip_next = false;
        for element in elements {
            if text.len() > LONGEST {
                return Err(Problem::at(sight.origin.whole, "this text is too long"));
            }
            match element {
                Element::Literal(literal) => {
                    let literal = literal.value().as_str();
                    text.push_str(if strip_next { after_break(literal) } else { literal });
                    strip_next = false;
                }
                Element::Interpolation(inner) => {
                    strip(text, inner.strip);
                    let place = sight.origin.of(&inner.expr);
                    let value = self.value(&inner.expr, sight)?;
                    text.push_str(&value.to_text().map_err(|error| Problem::at(place, error))?);
                    strip_next = inner.strip.strip_end();
                }
                Element::Directive(directive) => {
                    strip_next = match directive.as_ref() {
                        Directive::If(directive) => self.either(directive, sight, text)?,
                        Directive::For(directive) => self.repeated(directive, sight, text)?,
                    };
                }
            }
        }
        Ok(())
    }

    fn either(&self, directive: &IfDirective, sight: Sight<'_>, text: &mut String) -> Outcome<bool> {
        strip(text, directive.if_expr.strip);
        let elements: Vec<&Element> = if self.truth(&directive.if_expr.cond_expr, sight)? {
            directive.if_expr.template.iter().collect()
        } else {
            match &directive.else_expr {
                Some(other) => other.template.iter().collect(),
                None => Vec::new(),
            }
        };
        self.append(&elements, sight, text)?;
        Ok(directive.endif_expr.strip.strip_end())
    }

    fn repeated(&self, directive: &ForDirective, sight: Sight<'_>, text: &mut String) -> Outcome<bool> {
        let each = &directive.for_expr;
        strip(text, each.strip);
        let key = each.key_var.as_ref().map(|name| name.as_str());
        let elements: Vec<&Element> = each.template.iter().collect();
        for (name, value) in self.pairs(&each.collection_expr, sight)? {
            let scope = inner(sight.scope, key, each.value_var.as_str(), name, value);
            let inside = Sight {
                scope: &scope,
                ..sight
            };
            self.append(&elements, inside, text)?;
        }
        Ok(directive.endfor_expr.strip.strip_end())
    }
}

/// Takes white space off the end, up to and with a line break.
fn strip(text: &mut String, strip: Strip) {
    if strip.strip_start() {
        let kept = text.trim_end_matches([' ', '\t']);
        let kept = kept.strip_suffix('\n').unwrap_or(kept).len();
        text.truncate(kept);
    }
}

/// The text after white space at its beginning, up to and with a line break.
fn after_break(text: &str) -> &str {
    let rest = text.trim_start_matches([' ', '\t', '\r']);
    rest.strip_prefix('\n').unwrap_or(rest)
}
