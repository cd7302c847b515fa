//! Variables of `.env` files, and `${…}` in compose files.

use std::collections::BTreeMap;

/// Looks variables up.
pub(crate) type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// Replacements inside each other.
const DEPTH: usize = 16;
/// Longest result, in bytes.
const LONGEST: usize = 1 << 20;

/// The variables of a `.env` file; `lookup` knows what was set outside.
pub(crate) fn parse(text: &str, lookup: Lookup<'_>) -> Result<BTreeMap<String, String>, (usize, String)> {
    let mut variables = BTreeMap::new();
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let line = rest[..line_end].trim();
        if line.is_empty() || line.starts_with('#') {
            rest = rest.get(line_end + 1..).unwrap_or_default();
            continue;
        }
        let start = rest.trim_start();
        let start = start
            .strip_prefix("export ")
            .map_or(start, |after| after.trim_start());
        let end = start.find('\n').unwrap_or(start.len());
        let Some(equals) = start[..end].find(['=', ':']) else {
            // A name alone takes the value from outside.
            if let Some(value) = lookup(start[..end].trim()) {
                variables.insert(start[..end].trim().to_string(), value);
            }
            rest = start.get(end + 1..).unwrap_or_default();
            continue;
        };
        let name = start[..equals].trim();
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_.-[]".contains(c))
        {
            return Err((at, format!("{name:?} is no name of a variable: write NAME=VALUE")));
        }
        let (raw, expands, after) = value(&start[equals + 1..]).map_err(|error| (at, error))?;
        let value = if expands {
            let known = |name: &str| variables.get(name).cloned().or_else(|| lookup(name));
            interpolate(&raw, &known).map_err(|error| (at, error))?
        } else {
            raw
        };
        variables.insert(name.to_string(), value);
        rest = after;
    }
    Ok(variables)
}

/// A value, whether variables in it count, and what follows its line.
fn value(text: &str) -> Result<(String, bool, &str), String> {
    let text = text.trim_start_matches([' ', '\t']);
    let next = |from: &'_ str| from.find('\n').map_or(from.len(), |end| end + 1);
    if let Some(quote) = text.chars().next().filter(|c| *c == '\'' || *c == '"') {
        let inside = &text[1..];
        let mut value = String::new();
        let mut characters = inside.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                c if c == quote => {
                    let after = &inside[at + 1..];
                    return Ok((value, quote == '"', &after[next(after)..]));
                }
                '\\' if quote == '"' => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 'r')) => value.push('\r'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, '$')) => value.push_str("$$"),
                    Some((_, c)) => value.push(c),
                    None => {}
                },
                c => value.push(c),
            }
        }
        return Err("the quote is not closed".into());
    }
    let line = &text[..text.find('\n').unwrap_or(text.len())];
    let plain = match line.find(" #") {
        Some(comment) => &line[..comment],
        None if line.starts_with('#') => "",
        None => line,
    };
    Ok((plain.trim().to_string(), true, &text[next(text)..]))
}

/// The text with variables replaced, by the rules of compose files.
pub(crate) fn interpolate(text: &str, lookup: Lookup<'_>) -> Result<String, String> {
    expand(text, lookup, 0)
}

fn expand(text: &str, lookup: Lookup<'_>, depth: usize) -> Result<String, String> {
    if depth > DEPTH {
        return Err(format!("more than {DEPTH} variables are inside each other"));
    }
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else if let Some(inside) = after.strip_prefix('{') {
            let end = closing(inside).ok_or_else(|| format!("${{{inside} is not closed"))?;
            result.push_str(&braced(&inside[..end], lookup, depth)?);
            rest = &inside[end + 1..];
        } else {
            let length = name_length(after);
            if length == 0 {
                return Err(format!(
                    "{text:?} has a $ without a variable: write $$ for a plain $"
                ));
            }
            result.push_str(&lookup(&after[..length]).unwrap_or_default());
            rest = &after[length..];
        }
        if result.len() > LONGEST {
            return Err("the text is too long with its variables".into());
        }
    }
    result.push_str(rest);
    Ok(result)
}

fn name_length(text: &str) -> usize {
    let digit_first = text.starts_with(|c: char| c.is_ascii_digit());
    if digit_first {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

/// Where the brace that is open closes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if at > 0 && bytes[at - 1] == b'$' => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn braced(inside: &str, lookup: Lookup<'_>, depth: usize) -> Result<String, String> {
    let (name, rest) = inside.split_at(name_length(inside));
    if name.is_empty() {
        return Err(format!("${{{inside}}} names no variable"));
    }
    let value = lookup(name);
    let filled = value.clone().filter(|value| !value.is_empty());
    let word = |from: usize| expand(&rest[from..], lookup, depth + 1);
    let missing = |from: usize| -> Result<String, String> {
        let said = word(from)?;
        Err(match said.as_str() {
            "" => format!("the variable {name} is needed and not set"),
            said => format!("the variable {name} is needed: {said}"),
        })
    };
    match rest.as_bytes() {
        [] => Ok(value.unwrap_or_default()),
        [b':', b'-', ..] => filled.map_or_else(|| word(2), Ok),
        [b'-', ..] => value.map_or_else(|| word(1), Ok),
        [b':', b'?', ..] => filled.map_or_else(|| missing(2), Ok),
        [b'?', ..] => value.map_or_else(|| missing(1), Ok),
        [b':', b'+', ..] => filled.map_or_else(|| Ok(String::new()), |_| word(2)),
        [b'+', ..] => value.map_or_else(|| Ok(String::new()), |_| word(1)),
        _ => Err(format!(
            "${{{inside}}} is no form of a variable: use ${{NAME}}, ${{NAME:-default}}, ${{NAME:?error}} or ${{NAME:+replacement}}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".into()),
            "E" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn forms_of_variables() {
        for (text, result) in [
            ("$A-${A}", "a-a"),
            ("${N:-d}${E:-d}${E-d}${N-d}", "ddd"),
            ("${A:+x}${E:+x}${E+y}${N+z}", "xy"),
            ("$${A} $$", "${A} $"),
            ("${N:-${A}}b", "ab"),
            ("${N}", ""),
        ] {
            assert_eq!(interpolate(text, &known).unwrap(), result, "{text}");
        }
        for (text, why) in [
            ("${N:?set it}", "set it"),
            ("${N?}", "needed"),
            ("${", "not closed"),
            ("${A", "not closed"),
            ("$1", "plain $"),
            ("${A/b}", "no form"),
        ] {
            assert!(interpolate(text, &known).unwrap_err().contains(why), "{text}");
        }
    }

    #[test]
    fn files() {
        let text = "# c\nX=1 # one\nexport Y='$A'\nZ=\"a\\n${X}\"\nW=\n  V = $A$X\nA\n";
        let variables = parse(text, &known).unwrap();
        let pairs: Vec<String> = variables
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(pairs, ["A=a", "V=a1", "W=", "X=1", "Y=$A", "Z=a\n1"]);
        assert_eq!(parse("X='a", &known).unwrap_err().1, "the quote is not closed");
        assert!(parse("a b=c", &known).is_err());
    }
}
