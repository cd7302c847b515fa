//! Two configurations compared, field by field.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A field in which two configurations differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// Name of the field, such as `config.Env.PATH`.
    pub field: String,
    /// Its value in the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// Its value in the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Deeper values are compared whole.
const DEPTH: usize = 8;

/// The fields that differ. Layers and history are left out: they are compared as such.
pub fn configuration_changes(before: &Value, after: &Value) -> Vec<FieldChange> {
    let (before, after) = (fields(before), fields(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let differing = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name));
    differing
        .map(|name| FieldChange {
            field: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect()
}

/// Every field with its full name; what is empty counts as not there.
fn fields(config: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![(String::new(), config.clone(), 0)];
    while let Some((name, value, depth)) = waiting.pop() {
        let parts: Option<Vec<(String, Value)>> = match (name.as_str(), value) {
            ("rootfs" | "history", _) | (_, Value::Null) => Some(Vec::new()),
            ("config.Env", Value::Array(items)) => Some(variables(items)),
            // A port or volume is there or not: its value is always empty.
            ("config.ExposedPorts" | "config.Volumes", value) => {
                let names = value
                    .as_object()
                    .into_iter()
                    .flat_map(|fields| fields.keys().cloned());
                Some(names.map(|name| (name, Value::Bool(true))).collect())
            }
            (_, Value::Object(parts)) if depth < DEPTH => Some(parts.into_iter().collect()),
            (_, Value::Array(items)) if items.is_empty() => Some(Vec::new()),
            (_, Value::String(text)) if text.is_empty() && !name.starts_with("config.Labels") => {
                Some(Vec::new())
            }
            (_, other) => {
                found.insert(name.clone(), other);
                None
            }
        };
        for (part, value) in parts.into_iter().flatten() {
            let full = if name.is_empty() {
                part
            } else {
                format!("{name}.{part}")
            };
            waiting.push((full, value, depth + 1));
        }
    }
    found
}

fn variables(items: Vec<Value>) -> Vec<(String, Value)> {
    let pair = |item: Value| {
        let text = item.as_str().unwrap_or_default();
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        // An empty variable is there all the same.
        (name.to_string(), Value::Array(vec![value.into()]))
    };
    items.into_iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_named_and_empty_ones_do_not_count() {
        let before =
            json!({"os": "linux", "config": {"Env": ["A=1", "B="], "User": "", "Volumes": {"/v": {}}}});
        let after = json!({"os": "linux", "config": {"Env": ["A=2"], "Cmd": ["sh"]}, "history": [{}]});
        let changes = configuration_changes(&before, &after);
        let names: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(
            names,
            ["config.Cmd", "config.Env.A", "config.Env.B", "config.Volumes./v"]
        );
        assert_eq!(changes[1].before, Some(json!(["1"])));
        assert!(configuration_changes(&before, &before).is_empty());
    }
}
