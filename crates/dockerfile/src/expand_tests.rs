use super::*;

fn lookup(name: &str) -> Option<String> {
    Some(
        match name {
            "set" => "value",
            "empty" => "",
            "path" => "/usr/share/file.tar.gz",
            "words" => "one two",
            _ => return None,
        }
        .into(),
    )
}

fn expand(word: &str) -> String {
    Expander::new('\\').expand(word, &lookup).unwrap().text
}

fn fails(word: &str) -> String {
    Expander::new('\\').expand(word, &lookup).unwrap_err().to_string()
}

#[test]
fn every_form_of_substitution() {
    for (word, expected) in [
        ("$set-$empty-$unset.", "value--."),
        ("pre${set}post", "prevaluepost"),
        ("${set:-d}|${empty:-d}|${empty-d}|${unset-d}", "value|d||d"),
        ("${set:+a}|${empty:+a}|${empty+a}|${unset+a}", "a||a|"),
        ("${set?no}${set:?no}", "valuevalue"),
        ("${path#*/}", "usr/share/file.tar.gz"),
        (
            "${path##*/}|${path%.*}|${path%%.*}",
            "file.tar.gz|/usr/share/file.tar|/usr/share/file",
        ),
        (
            "${path/a/A}|${path//a/A}",
            "/usr/shAre/file.tar.gz|/usr/shAre/file.tAr.gz",
        ),
        ("${unset:-${set}}${set:+${path##*.}}", "valuegz"),
        ("${unset:-\"a b\"}${unset-'$set'}", "a b$set"),
        ("$1$@$", "$"),
        ("a$", "a$"),
        ("$.", "$."),
    ] {
        assert_eq!(expand(word), expected, "{word}");
    }
}

#[test]
fn quotes_and_escapes() {
    for (word, expected) in [
        ("'$set'", "$set"),
        ("\"$set\"", "value"),
        ("\\$set", "$set"),
        ("\\\\$set", "\\value"),
        ("\"a\\nb\\\"\\$\\\\\"", "a\\nb\"$\\"),
        ("a\\ b", "a b"),
        ("x\\", "x"),
        ("it''s", "its"),
    ] {
        assert_eq!(expand(word), expected, "{word}");
    }
    let backtick = Expander::new('`').expand("`$set\\n", &lookup).unwrap();
    assert_eq!(backtick.text, "$set\\n");
}

#[test]
fn here_documents_keep_quotes() {
    let text = Expander::heredoc()
        .expand("a \\$set c \\\\ \"$set\" '$set' \\n", &lookup)
        .unwrap()
        .text;
    assert_eq!(text, "a $set c \\ \"value\" 'value' n");
}

#[test]
fn splits_words_of_variables_but_not_of_quotes() {
    let words = |word| Expander::new('\\').expand(word, &lookup).unwrap().words;
    assert_eq!(words("$words x"), ["one", "two", "x"]);
    assert_eq!(words("\"$words\" 'x y'"), ["one two", "x y"]);
    assert_eq!(words("  "), [""; 0]);
}

#[test]
fn reports_variables_without_a_value() {
    let expansion = Expander::new('\\')
        .expand("$a ${b} ${c:-x} $set", &lookup)
        .unwrap();
    assert_eq!(expansion.undefined.into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn errors_say_what_is_wrong() {
    for (word, message) in [
        ("${set^^x}", "unsupported modifier (^) in substitution"),
        ("${set:#x}", "unsupported modifier (:#) in substitution"),
        ("${}", "syntax error: bad substitution"),
        ("${:x}", "syntax error: bad substitution"),
        ("${set", "syntax error: missing '}'"),
        ("${set:-x", "syntax error: missing '}'"),
        ("${set/x", "syntax error: missing '/' in ${}"),
        ("${", "syntax error: missing '}'"),
        (
            "'x",
            "unexpected end of statement while looking for matching single-quote",
        ),
        (
            "\"x",
            "unexpected end of statement while looking for matching double-quote",
        ),
        ("${unset:?need it}", "unset: need it"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("${unset?}", "unset: is not allowed to be unset"),
        ("${set#\\n}", "invalid escape '\\n' in a pattern"),
    ] {
        assert_eq!(fails(word), message, "{word}");
    }
    assert_eq!(expand("${empty?}"), "");
}

#[test]
fn row_38_nesting_is_bounded() {
    assert_eq!(
        fails(&format!("{}{}", "${a:-".repeat(50_000), "}".repeat(50_000))),
        "substitutions are nested more than 64 deep"
    );
}

#[test]
fn row_38_values_cannot_grow_without_bound() {
    let long = |name: &str| Some(name.repeat(200_000));
    let length = |word: &str| {
        Expander::new('\\')
            .expand(word, &long)
            .map(|expansion| expansion.text.len())
    };
    assert_eq!(length("$a$a$a"), Ok(600_000));
    assert_eq!(length("$a$a$a$a$a$a"), Err(ExpansionError::Length));
    assert_eq!(length("${a//a/$a}"), Err(ExpansionError::Length));
    assert_eq!(
        length(&"x".repeat(3_000_000)),
        Ok(3_000_000),
        "what is written out is fine"
    );
}

#[test]
fn line_ends_in_values() {
    let lookup = |name: &str| (name == "v").then(|| "a/b\nc/d".to_string());
    let expand = |word: &str| Expander::new('\\').expand(word, &lookup).map(|done| done.text);
    assert_eq!(expand("${v%/d}").unwrap(), "a/b\nc");
    assert_eq!(expand("${v##*/}").unwrap(), "b\nc/d", "a star stays in its line");
    assert_eq!(expand("${v//?/x}").unwrap(), "xxx\nxxx");
}
