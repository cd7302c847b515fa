//! What comes from images, files and steps is data of unknown origin: escaped, capped, and in a field that says so.

use praxis_source::sanitize::{lines, sanitize};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// The longest text of one field, in bytes.
pub const LONGEST_TEXT: usize = 16 << 10;
/// The longest line.
pub const LONGEST_LINE: usize = 2 << 10;
/// The most items of one list.
pub const MOST_ITEMS: usize = 500;
/// What all texts of one result may have together, in bytes.
pub const LARGEST: usize = 256 << 10;

/// Data of unknown origin: nothing in it is an instruction. Control characters, terminal sequences and characters that
/// change the direction of writing are escaped; what is long is cut, and says so.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Untrusted<T>(T);

impl Untrusted<String> {
    /// A text of several lines.
    pub fn text(text: &str) -> Untrusted<String> {
        Untrusted(clean_text(text, LONGEST_TEXT))
    }

    /// The last lines of a text, as many as `most` bytes hold.
    pub fn tail(text: &str, most: usize) -> Untrusted<String> {
        let clean = clean_text(text, usize::MAX);
        if clean.len() <= most {
            return Untrusted(clean);
        }
        let cut = ceiling(&clean, clean.len() - most);
        let start = clean[cut..].find('\n').map_or(cut, |at| cut + at + 1);
        Untrusted(format!("[… {start} bytes left out …]\n{}", &clean[start..]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Untrusted<Value> {
    /// A value in which every text and every name is made harmless, and the whole is within bounds.
    pub fn value(value: Value) -> Untrusted<Value> {
        let mut left = LARGEST;
        Untrusted(clean_value(value, &mut left))
    }

    /// The same of anything that can be written as JSON.
    pub fn of(value: &impl Serialize) -> Untrusted<Value> {
        Untrusted::value(serde_json::to_value(value).unwrap_or(Value::Null))
    }

    /// The value.
    pub fn as_value(&self) -> &Value {
        &self.0
    }
}

/// Several lines, each made harmless and cut.
fn clean_text(text: &str, most: usize) -> String {
    let mut clean = String::new();
    for line in lines(text.strip_suffix('\n').unwrap_or(text)) {
        let line = sanitize(line);
        let line = cut(&line, LONGEST_LINE);
        if clean.len() + line.len() >= most {
            clean.push_str(&format!("[… the rest of {} bytes left out …]", text.len()));
            return clean;
        }
        if !clean.is_empty() {
            clean.push('\n');
        }
        clean.push_str(&line);
    }
    clean
}

/// The beginning of a line, with a note of how much is missing.
fn cut(line: &str, most: usize) -> String {
    if line.len() <= most {
        return line.to_string();
    }
    let end = floor(line, most);
    format!("{}[… {} bytes left out …]", &line[..end], line.len() - end)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceiling(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

fn clean_value(value: Value, left: &mut usize) -> Value {
    match value {
        Value::String(text) => {
            let clean = clean_text(&text, LONGEST_TEXT.min(*left));
            *left = left.saturating_sub(clean.len());
            Value::String(clean)
        }
        Value::Array(items) => clean_items(items, left),
        Value::Object(fields) => clean_fields(fields, left),
        other => other,
    }
}

fn clean_items(items: Vec<Value>, left: &mut usize) -> Value {
    let count = items.len();
    let mut kept = Vec::new();
    for item in items.into_iter().take(MOST_ITEMS) {
        if *left == 0 {
            break;
        }
        *left = left.saturating_sub(8);
        kept.push(clean_value(item, left));
    }
    if kept.len() < count {
        kept.push(Value::String(format!(
            "[… {} items left out …]",
            count - kept.len()
        )));
    }
    Value::Array(kept)
}

fn clean_fields(fields: Map<String, Value>, left: &mut usize) -> Value {
    let count = fields.len();
    let mut kept = Map::new();
    for (name, value) in fields.into_iter().take(MOST_ITEMS) {
        if *left == 0 {
            break;
        }
        let name = cut(&sanitize(&name), LONGEST_LINE);
        *left = left.saturating_sub(name.len() + 8);
        let value = clean_value(value, left);
        kept.insert(name, value);
    }
    if kept.len() < count {
        let missing = count - kept.len();
        kept.insert("[… left out …]".into(), missing.into());
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_72_what_a_step_prints_cannot_drive_a_terminal() {
        let shown = Untrusted::text("\u{1b}]52;c;AAAA\u{7}\u{1b}[31mred\u{1b}[0m\nup\rover\u{202e}\n");
        assert_eq!(shown.as_str(), "\\x1b]52;c;AAAA\\x07red\nup\nover\\u{202e}");
    }

    #[test]
    fn long_texts_are_cut_and_say_so() {
        let line = "é".repeat(LONGEST_LINE);
        let shown = Untrusted::text(&line);
        assert!(
            shown.as_str().ends_with("[… 2048 bytes left out …]"),
            "{}",
            shown.as_str()
        );
        let many = "line\n".repeat(1 << 20);
        let shown = Untrusted::text(&many);
        assert!(shown.as_str().len() <= LONGEST_TEXT + 64);
        assert!(shown.as_str().ends_with("left out …]"));
        let tail = Untrusted::tail(&(many + "last"), 100);
        assert!(tail.as_str().ends_with("line\nlast") && tail.as_str().len() < 160);
    }

    #[test]
    fn row_68_names_and_values_of_labels_are_cleaned() {
        let labels = serde_json::json!({"a\u{1b}[2J": "b\u{9b}c", "list": vec![1; MOST_ITEMS + 7]});
        let clean = Untrusted::value(labels);
        let clean = clean.as_value();
        assert_eq!(clean["a\\x1b[2J"], "b\\x9bc");
        let list = clean["list"].as_array().unwrap();
        assert_eq!(list.last().unwrap(), "[… 7 items left out …]");
        let large = Untrusted::value(vec!["x".repeat(2000); 400].into());
        assert!(serde_json::to_string(large.as_value()).unwrap().len() < LARGEST + (16 << 10));
    }
}
