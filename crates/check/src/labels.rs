//! Labels of the final stage: their values, and where they are written.

use std::collections::BTreeMap;

use praxis_dockerfile::{Instruction, Kind};
use praxis_source::Span;

use crate::DockerfileView;

/// A label of the image that a Dockerfile makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Its value with variables filled in.
    pub value: String,
    /// Where the key is written.
    pub key: Span,
    /// Where the value is written, without quotes; only if it is written out.
    pub literal: Option<Span>,
}

/// The labels that the final stage and those it is made from set.
pub(crate) fn labels(view: &DockerfileView) -> BTreeMap<String, Label> {
    let mut found = BTreeMap::new();
    for instruction in view
        .chain()
        .into_iter()
        .rev()
        .flat_map(|stage| &view.tree.stages[stage].instructions)
    {
        let Kind::Label(pairs) = &instruction.kind else {
            continue;
        };
        for pair in pairs {
            let key = pair.key.trim_matches(['"', '\'']).to_string();
            let written = pair.value.trim_matches(['"', '\'']);
            let value = view.labels().get(&key).cloned();
            let value = value.unwrap_or_else(|| written.to_string());
            let (place, literal) = places(view, instruction, &key, written);
            let label = Label {
                value,
                key: place,
                literal,
            };
            found.insert(key, label);
        }
    }
    found
}

fn places(view: &DockerfileView, instruction: &Instruction, key: &str, value: &str) -> (Span, Option<Span>) {
    let text = view.file.slice(instruction.span);
    let Some(at) = find_key(text, key) else {
        return (instruction.keyword, None);
    };
    let start = instruction.span.start + at;
    let place = Span::new(start, start + key.len());
    let rest = &text[at + key.len()..];
    let lead = rest.len() - rest.trim_start_matches(['"', '\'', '=', ' ']).len();
    let written_out = rest[lead..].starts_with(value) && !value.is_empty() && !value.contains(['$', '\\']);
    let from = place.end + lead;
    (place, written_out.then(|| Span::new(from, from + value.len())))
}

/// The key as a whole word before a `=` or a space.
fn find_key(text: &str, key: &str) -> Option<usize> {
    let found = text.match_indices(key).filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        let after = text[at + key.len()..].trim_start_matches(['"', '\'']);
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\'')) && after.starts_with(['=', ' '])
    });
    found.map(|(at, _)| at).next()
}

/// Where an instruction writes `value` for a label.
pub(crate) fn value_of(
    view: &DockerfileView,
    instruction: &Instruction,
    key: &str,
    value: &str,
) -> Option<Span> {
    places(view, instruction, key, value).1
}
