//! The functions that bake files can call: those of buildx.

mod date;
mod encode;
mod format;
mod list;
mod number;
mod pattern;
mod text;

use crate::value::Value;

pub(crate) use list::distinct;

type Answer = Result<Value, String>;

/// A function: its name, the fewest and the most arguments, and what it does.
struct Entry {
    name: &'static str,
    least: usize,
    most: usize,
    run: fn(&[Value]) -> Answer,
}

const fn entry(name: &'static str, least: usize, most: usize, run: fn(&[Value]) -> Answer) -> Entry {
    Entry {
        name,
        least,
        most,
        run,
    }
}

/// Any number of arguments.
const ANY: usize = usize::MAX;

const TABLES: [&[Entry]; 7] = [
    text::TABLE,
    format::TABLE,
    pattern::TABLE,
    list::TABLE,
    number::TABLE,
    encode::TABLE,
    date::TABLE,
];

/// Functions that the evaluator itself knows.
const SPECIAL: [&str; 5] = ["try", "can", "convert", "timestamp", "homedir"];

/// Functions of buildx that are refused, and why.
const REFUSED: [(&str, &str); 7] = [
    (
        "uuidv4",
        "it gives another value each time, so that nothing could be built again: use uuidv5",
    ),
    (
        "bcrypt",
        "it gives another value each time, so that nothing could be built again: use sha256",
    ),
    ("rsadecrypt", "keys do not belong into bake files: use a secret"),
    ("uuidv5", "it is not supported: use sha1"),
    ("cidrhost", "addresses of networks are not supported"),
    ("cidrsubnet", "addresses of networks are not supported"),
    ("cidrnetmask", "addresses of networks are not supported"),
];

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let all = TABLES
        .iter()
        .flat_map(|table| table.iter().map(|entry| entry.name));
    all.chain(SPECIAL)
}

/// Calls a function. `None`: there is none with this name.
pub(crate) fn call(name: &str, arguments: Vec<Value>, time: i64) -> Option<Answer> {
    if name == "timestamp" {
        return Some(match arguments.len() {
            0 => Ok(Value::Text(date::rfc3339(time))),
            _ => Err("it takes no arguments".into()),
        });
    }
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Some(Err((*why).into()));
    }
    let entry = TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find(|entry| entry.name == name)?;
    let count = arguments.len();
    if count < entry.least || count > entry.most {
        let wanted = match (entry.least, entry.most) {
            (least, most) if least == most => format!("{least}"),
            (least, ANY) => format!("{least} or more"),
            (least, most) => format!("{least} to {most}"),
        };
        return Some(Err(format!("it takes {wanted} arguments, not {count}")));
    }
    Some((entry.run)(&arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once() {
        let mut all: Vec<&str> = names().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    /// No function panics, whatever it is given.
    #[test]
    fn odd_arguments_are_errors_and_no_panics() {
        let odd = [
            Value::Null,
            Value::Bool(true),
            Value::Number(-1.0),
            Value::Number(1e300),
            Value::Number(0.0),
            Value::text(""),
            Value::text("é€😀"),
            Value::text("%s %05d %["),
            Value::List(vec![]),
            Value::List(vec![Value::Null, Value::text("é")]),
            Value::Map(Default::default()),
        ];
        for name in names() {
            for a in &odd {
                _ = call(name, vec![a.clone()], 0);
                for b in &odd {
                    _ = call(name, vec![a.clone(), b.clone()], 0);
                    for c in &odd {
                        _ = call(name, vec![a.clone(), b.clone(), c.clone()], 0);
                    }
                }
            }
        }
        assert_eq!(call("nothing", vec![], 0), None);
    }
}
