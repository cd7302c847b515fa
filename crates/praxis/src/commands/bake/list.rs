//! `--list`, as buildx prints it.

use praxis_bake::Bake;
use serde_json::{Map, Value, json};

use crate::arguments::List;
use crate::progress::sanitize;

/// The list as text.
pub fn text(list: List, bake: &Bake) -> String {
    match (list.variables, list.json) {
        (false, false) => table(
            ["TARGET", "DESCRIPTION"],
            &targets(bake),
            |(name, description, _)| [name.clone(), description.clone()],
        ),
        (false, true) => json_text(&Value::Array(targets(bake).into_iter().map(object).collect())),
        (true, false) => table(
            ["VARIABLE", "TYPE", "VALUE", "DESCRIPTION"],
            &bake.variables,
            |variable| {
                let value = variable.value.clone().unwrap_or_else(|| "<null>".into());
                [
                    variable.name.clone(),
                    variable.kind.clone(),
                    value,
                    variable.description.clone(),
                ]
            },
        ),
        (true, true) => json_text(&json!(bake.variables)),
    }
}

fn json_text(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
    sanitize::json(&text).into_owned()
}

/// Names, descriptions and whether it is a group; those that begin with `_` are private.
fn targets(bake: &Bake) -> Vec<(String, String, bool)> {
    let targets = bake.targets.iter().map(|target| {
        (
            target.name.clone(),
            target.description.clone().unwrap_or_default(),
            false,
        )
    });
    let groups = bake.groups.iter().map(|group| {
        let mut names = group.targets.clone();
        names.sort();
        let names = names.join(", ");
        let description = match &group.description {
            Some(description) => format!("{description} ({names})"),
            None => names,
        };
        (group.name.clone(), description, true)
    });
    let mut all: Vec<_> = targets
        .chain(groups)
        .filter(|(name, ..)| !name.starts_with('_'))
        .collect();
    all.sort();
    all
}

fn object((name, description, is_group): (String, String, bool)) -> Value {
    let mut fields = Map::new();
    fields.insert("name".into(), json!(name));
    if !description.is_empty() {
        fields.insert("description".into(), json!(description));
    }
    if is_group {
        fields.insert("group".into(), json!(true));
    }
    Value::Object(fields)
}

/// Lines with columns.
fn table<T, const N: usize>(head: [&str; N], rows: &[T], cells: impl Fn(&T) -> [String; N]) -> String {
    let mut lines = vec![head.map(String::from)];
    lines.extend(rows.iter().map(cells));
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths);
        let padded: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        let line = padded.join("   ");
        text.push_str(&sanitize::sanitize(line.trim_end()));
        text.push('\n');
    }
    text
}
