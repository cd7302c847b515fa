//! Licences as SPDX expressions.

use std::collections::BTreeMap;

use praxis_oci::Digest;
use serde::Serialize;
use spdx::{Expression, ParseMode};

/// No expression of more parts is believed to be meant.
const PARTS: usize = 200;

/// A declared licence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Licence {
    /// An SPDX expression; none if nothing is declared that can be understood.
    pub expression: Option<String>,
    /// Texts of the `LicenseRef-…` in it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, String>,
}

/// A part of an expression.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    text: String,
    is_joined: bool,
    operator: &'static str,
    texts: BTreeMap<String, String>,
}

impl Part {
    pub fn plain(id: String) -> Part {
        Part {
            is_joined: id.contains(' '),
            operator: if id.contains(" OR ") { " OR " } else { " AND " },
            text: id,
            texts: BTreeMap::new(),
        }
    }

    pub fn joined(left: Part, operator: &'static str, right: Part) -> Part {
        let text = format!("{}{operator}{}", left.inside(operator), right.inside(operator));
        let mut texts = left.texts;
        texts.extend(right.texts);
        Part {
            text,
            is_joined: true,
            operator,
            texts,
        }
    }

    fn inside(&self, operator: &str) -> String {
        match self.is_joined && self.operator != operator {
            true => format!("({})", self.text),
            false => self.text.clone(),
        }
    }
}

impl Licence {
    /// All of `parts` at once.
    pub(crate) fn all(mut parts: Vec<Part>) -> Licence {
        parts.sort_by(|a, b| a.text.cmp(&b.text));
        parts.dedup_by(|a, b| a.text == b.text);
        if parts.is_empty() || parts.len() > PARTS {
            return Licence::default();
        }
        let joined = parts
            .into_iter()
            .reduce(|left, right| Part::joined(left, " AND ", right));
        let part = joined.unwrap_or_else(|| Part::plain(String::new()));
        // What is written here must be readable for others.
        match Expression::parse(&part.text) {
            Ok(_) => Licence {
                expression: Some(part.text),
                texts: part.texts,
            },
            Err(_) => Licence::default(),
        }
    }

    /// What a field says that should be an expression and may be anything.
    pub(crate) fn declared(text: &str) -> Licence {
        let text = text.trim();
        let unknown = text.is_empty() || text.eq_ignore_ascii_case("unknown") || text == "NOASSERTION";
        if unknown {
            return Licence::default();
        }
        if let Some(expression) = understood(text) {
            return Licence {
                expression: Some(expression),
                texts: BTreeMap::new(),
            };
        }
        let name = text.lines().next().unwrap_or_default();
        Licence::all(vec![reference(name, text)])
    }
}

/// The expression that `text` is, or what is meant by one of the usual names.
pub(crate) fn understood(text: &str) -> Option<String> {
    if text.len() > 4096 || text.contains('\n') {
        return None;
    }
    if let Ok(expression) = Expression::parse(text) {
        return Some(expression.to_string());
    }
    if let Ok(Some(canonical)) = Expression::canonicalize(text) {
        return Some(canonical);
    }
    let imprecise = spdx::imprecise_license_id(text).filter(|(_, length)| *length == text.len());
    if let Some((id, _)) = imprecise.filter(|(id, _)| !id.is_deprecated()) {
        return Some(id.name.into());
    }
    let lax = Expression::parse_mode(text, ParseMode::LAX).ok()?;
    let strict = lax.to_string();
    Expression::parse(&strict).ok().map(|_| strict)
}

/// A licence that SPDX does not know, with its text.
pub(crate) fn reference(name: &str, text: &str) -> Part {
    let plain: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || letter == '.' {
                letter
            } else {
                '-'
            }
        })
        .take(40)
        .collect();
    let sum = Digest::of(text.as_bytes()).hex();
    let id = format!("LicenseRef-{}-{}", plain.trim_matches('-'), &sum[..12]);
    let id = id.replace("LicenseRef--", "LicenseRef-");
    let mut part = Part::plain(id.clone());
    part.texts.insert(id, text.into());
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_all_kinds() {
        let of = |text: &str| Licence::declared(text).expression;
        assert_eq!(of("MIT").as_deref(), Some("MIT"));
        assert_eq!(of("MIT OR Apache-2.0").as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(of("MIT/Apache-2.0").as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(of("UNKNOWN"), None);
        assert_eq!(of(""), None);
        let odd = Licence::declared("Do what\nyou like");
        assert!(odd.expression.unwrap().starts_with("LicenseRef-Do-what-"));
        assert_eq!(odd.texts.values().next().unwrap(), "Do what\nyou like");
        assert_eq!(
            of(&"(".repeat(100_000)),
            Licence::declared(&"(".repeat(100_000)).expression
        );
    }
}
