//! Shell patterns as dpkg's path filters read them: `*` and `?` also match `/`.

/// Whether `pattern` matches all of `path`.
pub(crate) fn matches(pattern: &str, path: &[u8]) -> bool {
    let pattern = pattern.as_bytes();
    let (mut at, mut from) = (0, 0);
    // Where the last star was, and how much of the path it has swallowed.
    let mut star: Option<(usize, usize)> = None;
    while from < path.len() {
        match step(&pattern[at..], path[from]) {
            Step::Star => {
                star = Some((at + 1, from));
                at += 1;
            }
            Step::Matched(length) => {
                at += length;
                from += 1;
            }
            Step::Failed => {
                let Some((after, swallowed)) = star else {
                    return false;
                };
                star = Some((after, swallowed + 1));
                (at, from) = (after, swallowed + 1);
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

enum Step {
    Star,
    /// One byte of the path matched this many bytes of the pattern.
    Matched(usize),
    Failed,
}

fn step(pattern: &[u8], byte: u8) -> Step {
    match pattern {
        [b'*', ..] => Step::Star,
        [b'?', ..] => Step::Matched(1),
        [b'[', rest @ ..] => class(rest, byte),
        [b'\\', literal, ..] if *literal == byte => Step::Matched(2),
        [b'\\', _, ..] => Step::Failed,
        [literal, ..] if *literal == byte => Step::Matched(1),
        _ => Step::Failed,
    }
}

/// `abc]`, `a-z]`, `!abc]`; without a closing bracket the opening one is literal.
fn class(rest: &[u8], byte: u8) -> Step {
    let negated = matches!(rest.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let Some(length) = rest
        .iter()
        .skip(start + 1)
        .position(|&b| b == b']')
        .map(|end| end + start + 1)
    else {
        return if byte == b'[' {
            Step::Matched(1)
        } else {
            Step::Failed
        };
    };
    let mut set = &rest[start..length];
    let mut found = false;
    while let Some((&first, more)) = set.split_first() {
        set = match more {
            [b'-', last, more @ ..] => {
                found |= (first..=*last).contains(&byte);
                more
            }
            _ => {
                found |= first == byte;
                more
            }
        };
    }
    if found != negated {
        Step::Matched(length + 2)
    } else {
        Step::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn matches_as_fnmatch_without_flags() {
        for (pattern, path, expected) in [
            ("/usr/share/doc/*", "/usr/share/doc/a/b", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("/usr/share/doc/*/copyright", "/usr/share/doc/a/copyright", true),
            ("/usr/share/doc/*/copyright", "/usr/share/doc/a/copyrights", false),
            ("/a?c", "/a/c", true),
            ("/[a-c]x", "/bx", true),
            ("/[!a-c]x", "/bx", false),
            ("/[]x]y", "/]y", true),
            ("/[x", "/[x", true),
            ("/\\*", "/*", true),
            ("/\\*", "/a", false),
            ("*", "", true),
            ("/**/*z", "/a/bz", true),
        ] {
            assert_eq!(matches(pattern, path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        let (pattern, path) = ("*a".repeat(60), "a".repeat(2000) + "b");
        assert!(!matches(&pattern, path.as_bytes()));
    }
}
