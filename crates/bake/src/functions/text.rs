use super::{ANY, Answer, Entry, entry};
use crate::value::Value;

pub(super) const TABLE: &[Entry] = &[
    entry("lower", 1, 1, |a| map(a, |text| text.to_lowercase())),
    entry("upper", 1, 1, |a| map(a, |text| text.to_uppercase())),
    entry("title", 1, 1, |a| map(a, title)),
    entry("trimspace", 1, 1, |a| map(a, |text| text.trim().to_string())),
    entry("chomp", 1, 1, |a| {
        map(a, |text| text.trim_end_matches(['\n', '\r']).to_string())
    }),
    entry("reverse", 1, 1, |a| map(a, |text| text.chars().rev().collect())),
    entry("strrev", 1, 1, |a| map(a, |text| text.chars().rev().collect())),
    entry("sanitize", 1, 1, |a| map(a, sanitize)),
    entry("basename", 1, 1, |a| map(a, base)),
    entry("dirname", 1, 1, |a| map(a, directory)),
    entry("strlen", 1, 1, |a| {
        Ok(Value::Number(a[0].to_text()?.chars().count() as f64))
    }),
    entry("byteslen", 1, 1, |a| {
        Ok(Value::Number(a[0].to_text()?.len() as f64))
    }),
    entry("trim", 2, 2, |a| {
        let set: Vec<char> = a[1].to_text()?.chars().collect();
        Ok(Value::text(a[0].to_text()?.trim_matches(set.as_slice())))
    }),
    entry("trimprefix", 2, 2, |a| {
        let (text, prefix) = (a[0].to_text()?, a[1].to_text()?);
        Ok(Value::text(text.strip_prefix(&*prefix).unwrap_or(&text)))
    }),
    entry("trimsuffix", 2, 2, |a| {
        let (text, suffix) = (a[0].to_text()?, a[1].to_text()?);
        Ok(Value::text(text.strip_suffix(&*suffix).unwrap_or(&text)))
    }),
    entry("substr", 3, 3, substring),
    entry("replace", 3, 3, replace),
    entry("indent", 2, 2, |a| {
        let spaces = a[0].to_whole()?;
        if !(0..=1000).contains(&spaces) {
            return Err("the indentation must be between 0 and 1000".into());
        }
        let pad = format!("\n{}", " ".repeat(spaces as usize));
        Ok(Value::Text(a[1].to_text()?.replace('\n', &pad)))
    }),
    entry("split", 2, 2, |a| {
        let (separator, text) = (a[0].to_text()?, a[1].to_text()?);
        Ok(if separator.is_empty() {
            Value::texts(text.chars().map(String::from))
        } else {
            Value::texts(text.split(&*separator).map(String::from))
        })
    }),
    entry("join", 2, ANY, |a| {
        let mut texts = Vec::new();
        for list in &a[1..] {
            for item in list.to_list()? {
                texts.push(item.to_text()?);
            }
        }
        Ok(Value::Text(texts.join(&a[0].to_text()?)))
    }),
];

fn map(arguments: &[Value], change: impl Fn(&str) -> String) -> Answer {
    Ok(Value::Text(change(&arguments[0].to_text()?)))
}

fn title(text: &str) -> String {
    let mut start = true;
    let mut titled = String::new();
    for character in text.chars() {
        if start {
            titled.extend(character.to_uppercase());
        } else {
            titled.push(character);
        }
        start = !(character.is_alphanumeric() || character == '_' || character == '\'');
    }
    titled
}

/// The text with only what a target's name may hold.
fn sanitize(text: &str) -> String {
    let keep = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => character,
        _ => '_',
    };
    text.chars().map(keep).collect()
}

/// The last part of a path.
fn base(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".".into(),
        "" => "/".into(),
        trimmed => trimmed.rsplit('/').next().unwrap_or_default().to_string(),
    }
}

/// All but the last part of a path, without what adds nothing.
fn directory(path: &str) -> String {
    match path.rfind('/') {
        Some(at) => crate::path::clean(&path[..=at]),
        None => ".".into(),
    }
}

fn substring(arguments: &[Value]) -> Answer {
    let characters: Vec<char> = arguments[0].to_text()?.chars().collect();
    let (offset, length) = (arguments[1].to_whole()?, arguments[2].to_whole()?);
    let total = characters.len() as i64;
    let start = if offset < 0 {
        (total + offset).max(0)
    } else {
        offset.min(total)
    };
    let end = if length < 0 {
        total
    } else {
        start.saturating_add(length).min(total)
    };
    Ok(Value::Text(
        characters[start as usize..end.max(start) as usize]
            .iter()
            .collect(),
    ))
}

fn replace(arguments: &[Value]) -> Answer {
    let [text, from, to] = [
        arguments[0].to_text()?,
        arguments[1].to_text()?,
        arguments[2].to_text()?,
    ];
    if text.len().saturating_mul(to.len().max(1)) > 64 << 20 {
        return Err("the result would be too large".into());
    }
    Ok(Value::Text(text.replace(&from, &to)))
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    fn text(name: &str, arguments: &[Value]) -> String {
        call(name, arguments.to_vec(), 0)
            .unwrap()
            .unwrap()
            .to_text()
            .unwrap()
    }

    #[test]
    fn texts() {
        assert_eq!(
            text("title", &[Value::text("hello big-world")]),
            "Hello Big-World"
        );
        assert_eq!(text("sanitize", &[Value::text("1.2/x y")]), "1_2_x_y");
        assert_eq!(text("basename", &[Value::text("a/b/c.txt")]), "c.txt");
        assert_eq!(text("basename", &[Value::text("/")]), "/");
        assert_eq!(text("dirname", &[Value::text("a/b/c.txt")]), "a/b");
        assert_eq!(text("dirname", &[Value::text("c.txt")]), ".");
        assert_eq!(text("trim", &[Value::text("vv1.0v"), Value::text("v")]), "1.0");
        assert_eq!(text("trimprefix", &[Value::text("v1"), Value::text("v")]), "1");
        let cut = |from: f64, length: f64| {
            let arguments = [Value::text("hello"), Value::Number(from), Value::Number(length)];
            text("substr", &arguments)
        };
        assert_eq!(
            (cut(1.0, 2.0), cut(-3.0, -1.0), cut(9.0, 1.0)),
            ("el".into(), "llo".into(), String::new())
        );
        assert_eq!(
            text(
                "replace",
                &[Value::text("a.b"), Value::text("."), Value::text("_")]
            ),
            "a_b"
        );
        let split = call("split", vec![Value::text(","), Value::text("a,b")], 0)
            .unwrap()
            .unwrap();
        assert_eq!(text("join", &[Value::text("-"), split]), "a-b");
        assert_eq!(
            text("indent", &[Value::Number(2.0), Value::text("a\nb")]),
            "a\n  b"
        );
    }
}
