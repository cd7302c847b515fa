use super::{ANY, Answer, Entry, entry};
use crate::value::{Value, number_text};

pub(super) const TABLE: &[Entry] = &[
    entry("format", 1, ANY, |a| {
        format(&a[0].to_text()?, &a[1..]).map(Value::Text)
    }),
    entry("formatlist", 1, ANY, list),
];

/// Widest field.
const WIDEST: usize = 10_000;

/// One `%…` of a format.
#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    zero: bool,
    space: bool,
    sharp: bool,
    width: Option<usize>,
    precision: Option<usize>,
    argument: Option<usize>,
}

/// The text of a format, as `format` of HCL has it.
fn format(pattern: &str, arguments: &[Value]) -> Result<String, String> {
    let mut text = String::new();
    let mut next = 0;
    let mut used = 0;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let (verb, letter) = verb(&mut characters)?;
        if letter == '%' {
            text.push('%');
            continue;
        }
        let at = verb.argument.unwrap_or(next);
        let value = arguments
            .get(at)
            .ok_or_else(|| format!("there is no argument {} for %{letter}", at + 1))?;
        next = at + 1;
        used = used.max(next);
        text.push_str(&pad(&verb, shown(&verb, letter, value)?, letter));
        if text.len() > 4 << 20 {
            return Err("the result is too long".into());
        }
    }
    if used < arguments.len() && !pattern.contains("%[") {
        return Err(format!("the format uses {used} of {} arguments", arguments.len()));
    }
    Ok(text)
}

fn verb(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<(Verb, char), String> {
    let mut verb = Verb::default();
    while let Some(flag) = characters.next_if(|c| "-+0 #".contains(*c)) {
        match flag {
            '-' => verb.minus = true,
            '+' => verb.plus = true,
            '0' => verb.zero = true,
            ' ' => verb.space = true,
            _ => verb.sharp = true,
        }
    }
    verb.width = digits(characters)?;
    if characters.next_if_eq(&'.').is_some() {
        verb.precision = Some(digits(characters)?.unwrap_or(0));
    }
    if characters.next_if_eq(&'[').is_some() {
        let number = digits(characters)?.filter(|number| *number > 0);
        let number = number.ok_or("%[…] needs the number of an argument")?;
        if characters.next() != Some(']') {
            return Err("%[ is not closed".into());
        }
        verb.argument = Some(number - 1);
    }
    let letter = characters.next().ok_or("the format ends with %")?;
    Ok((verb, letter))
}

fn digits(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<usize>, String> {
    let mut number = None;
    while let Some(digit) = characters.next_if(char::is_ascii_digit) {
        let digit = digit.to_digit(10).unwrap_or_default() as usize;
        let grown = number.unwrap_or(0) * 10 + digit;
        if grown > WIDEST {
            return Err(format!("{grown} is more than the {WIDEST} allowed"));
        }
        number = Some(grown);
    }
    Ok(number)
}

fn shown(verb: &Verb, letter: char, value: &Value) -> Result<String, String> {
    let signed = |text: String, number: f64| match (verb.plus, verb.space) {
        (true, _) if number >= 0.0 => format!("+{text}"),
        (_, true) if number >= 0.0 => format!(" {text}"),
        _ => text,
    };
    let cut = |text: String| match verb.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    };
    Ok(match letter {
        'v' if verb.sharp => value.to_json().to_string(),
        'v' => match value {
            Value::Text(text) => cut(text.clone()),
            Value::Number(number) => signed(number_text(*number), *number),
            other => other.to_json().to_string(),
        },
        's' => cut(value.to_text()?),
        'q' => Value::Text(cut(value.to_text()?)).to_json().to_string(),
        't' => value.to_bool()?.to_string(),
        'd' => signed(number_text(value.to_number()?.trunc()), value.to_number()?),
        'b' => format!("{:b}", value.to_whole()?),
        'o' => format!("{:o}", value.to_whole()?),
        'x' | 'X' => {
            let text = match value {
                Value::Text(text) => text.bytes().map(|byte| format!("{byte:02x}")).collect(),
                other => format!("{:x}", other.to_whole()?),
            };
            if letter == 'X' { text.to_uppercase() } else { text }
        }
        'f' => signed(
            format!("{:.*}", verb.precision.unwrap_or(6), value.to_number()?),
            value.to_number()?,
        ),
        'e' => format!("{:.*e}", verb.precision.unwrap_or(6), value.to_number()?),
        'g' => number_text(value.to_number()?),
        other => {
            return Err(format!(
                "%{other} is not supported: use %s, %q, %v, %d, %f, %t, %x, %o or %b"
            ));
        }
    })
}

fn pad(verb: &Verb, text: String, letter: char) -> String {
    let missing = verb.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if verb.minus {
        return text + &" ".repeat(missing);
    }
    if verb.zero && !"sqv".contains(letter) {
        let (sign, rest) = match text.strip_prefix(['-', '+']) {
            Some(rest) => (&text[..1], rest),
            None => ("", text.as_str()),
        };
        return format!("{sign}{}{rest}", "0".repeat(missing));
    }
    " ".repeat(missing) + &text
}

/// `format` for each element of the lists among the arguments.
fn list(arguments: &[Value]) -> Answer {
    let pattern = arguments[0].to_text()?;
    let lengths: Vec<usize> = arguments[1..]
        .iter()
        .filter_map(|argument| match argument {
            Value::List(items) => Some(items.len()),
            _ => None,
        })
        .collect();
    let count = lengths.first().copied().unwrap_or(1);
    if lengths.iter().any(|length| *length != count) {
        return Err("the lists have different lengths".into());
    }
    let row = |at: usize| {
        let row: Vec<Value> = arguments[1..]
            .iter()
            .map(|argument| match argument {
                Value::List(items) => items[at].clone(),
                other => other.clone(),
            })
            .collect();
        format(&pattern, &row)
    };
    (0..count)
        .map(row)
        .collect::<Result<Vec<_>, _>>()
        .map(Value::texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs() {
        let n = Value::Number;
        for (pattern, arguments, result) in [
            ("%s-%d", vec![Value::text("a"), n(3.0)], "a-3"),
            (
                "%05d|%-4s|%4s",
                vec![n(42.0), Value::text("x"), Value::text("y")],
                "00042|x   |   y",
            ),
            (
                "%q %t %%",
                vec![Value::text("a\"b"), Value::Bool(true)],
                "\"a\\\"b\" true %",
            ),
            ("%.2f %x", vec![n(1.5), n(255.0)], "1.50 ff"),
            ("%[2]s%[1]s", vec![Value::text("a"), Value::text("b")], "ba"),
            ("%v %v", vec![Value::List(vec![n(1.0)]), Value::Null], "[1] null"),
            ("%+d", vec![n(1.0)], "+1"),
        ] {
            assert_eq!(format(pattern, &arguments).unwrap(), result, "{pattern}");
        }
        for (pattern, arguments) in [
            ("%s", vec![]),
            ("x", vec![n(1.0)]),
            ("%", vec![]),
            ("%z", vec![n(1.0)]),
            ("%99999d", vec![n(1.0)]),
        ] {
            assert!(format(pattern, &arguments).is_err(), "{pattern}");
        }
    }

    #[test]
    fn lists() {
        let names = Value::texts(["a".to_string(), "b".to_string()]);
        let made = list(&[Value::text("img:%s-%s"), names, Value::text("x")]).unwrap();
        assert_eq!(made, Value::texts(["img:a-x".to_string(), "img:b-x".to_string()]));
    }
}
