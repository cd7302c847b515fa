use crate::{Pattern, PatternError};

/// A wildcard of a COPY source: `*`, `?` and `[…]` within one name each; `**` is no more than `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    names: Vec<Pattern>,
}

impl Glob {
    /// Reads a pattern. It is matched name by name, so it never spans directories.
    pub fn parse(text: &str) -> Result<Glob, PatternError> {
        let single = |name: &str| {
            let mut name = name.to_string();
            while name.contains("**") {
                name = name.replace("**", "*");
            }
            Pattern::name(&name)
        };
        Ok(Glob {
            names: text
                .split('/')
                .filter(|name| !name.is_empty())
                .map(single)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether the whole of `path` matches.
    pub fn matches(&self, path: &str) -> bool {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        self.names
            .iter()
            .all(|pattern| names.next().is_some_and(|name| pattern.matches(name)))
            && names.next().is_none()
    }

    /// How many names a path needs to match.
    pub fn depth(&self) -> usize {
        self.names.len()
    }

    /// Whether the name at `depth`, counted from 0, can be part of a match.
    pub fn matches_name(&self, depth: usize, name: &str) -> bool {
        self.names.get(depth).is_some_and(|pattern| pattern.matches(name))
    }

    /// Whether a source is a wildcard at all: it has a `*`, `?` or `[` that is not escaped.
    pub fn is_wildcard(text: &str) -> bool {
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            match character {
                '\\' => {
                    rest.next();
                }
                '*' | '?' | '[' => return true,
                _ => {}
            }
        }
        false
    }

    /// Cuts a source into the directory before its first wildcard name and the pattern from there on. The
    /// pattern is empty for a source without wildcards.
    pub fn split(text: &str) -> (String, String) {
        let names: Vec<&str> = text.split('/').collect();
        let first = names
            .iter()
            .position(|name| Glob::is_wildcard(name))
            .unwrap_or(names.len());
        (names[..first].join("/"), names[first..].join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_name_by_name() {
        for (pattern, path, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "d/a.conf", false),
            ("sub/*/deep.txt", "sub/x/deep.txt", true),
            ("sub/**/deep.txt", "sub/x/y/deep.txt", false),
            ("[ab]*.log", "b1.log", true),
            ("odd/[[]x]", "odd/[x]", true),
            ("odd/?y?", "odd/[y]", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("!x", "!x", true),
            ("d*", "d1/x", false),
        ] {
            assert_eq!(
                Glob::parse(pattern).unwrap().matches(path),
                expected,
                "{pattern} {path}"
            );
        }
        assert!(Glob::parse("a/[x").is_err());
    }

    #[test]
    fn splits_at_the_first_wildcard() {
        assert_eq!(Glob::split("a/b/*.c/d"), ("a/b".into(), "*.c/d".into()));
        assert_eq!(Glob::split("a/b"), ("a/b".into(), String::new()));
        assert_eq!(Glob::split("*"), (String::new(), "*".into()));
        assert!(!Glob::is_wildcard("a\\*b") && Glob::is_wildcard("a[b"));
    }
}
