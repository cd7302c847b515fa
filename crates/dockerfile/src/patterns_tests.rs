use super::*;

fn matches(pattern: &str, path: &str) -> bool {
    Pattern::parse(pattern).unwrap().matches(path)
}

#[test]
fn one_pattern() {
    for (pattern, path, expected) in [
        ("a", "a", true),
        ("a", "a/b", false),
        ("*.log", "x.log", true),
        ("*.log", "d/x.log", false),
        ("tmp?", "tmp1", true),
        ("tmp?", "tmp22", false),
        ("**", "any/thing", true),
        ("**/*.o", "t.o", true),
        ("**/*.o", "a/b/t.o", true),
        ("**/node_modules", "node_modules", true),
        ("**/node_modules", "x/node_modules", true),
        ("**/node_modules", "xnode_modules", false),
        ("**foo", "xfoo", true),
        ("**foo", "a/xfoo", true),
        ("keep/**", "keep", false),
        ("keep/**", "keep/a/b", true),
        ("a/**/secret", "a/secret", true),
        ("a/**/secret", "a/b/c/secret", true),
        ("a/**/secret", "a/bsecret", false),
        ("a**b", "a/x/b", true),
        ("[a-c]x", "bx", true),
        ("[^a-c]x", "bx", false),
        ("\\[b]", "[b]", true),
        ("\\*", "x", false),
        ("./three", "three", true),
        ("two/", "two", true),
        ("x/../four", "four", true),
        ("a.c", "abc", false),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
    }
}

#[test]
fn bad_patterns() {
    assert_eq!(Pattern::parse("!"), Err(PatternError::LoneExclamation));
    for text in ["[a", "[", "[]", "[b-a]", "a\\", "[a-", "[-a]"] {
        assert_eq!(
            Pattern::parse(text),
            Err(PatternError::Syntax(text.into())),
            "{text}"
        );
    }
}

#[test]
fn the_last_match_wins_and_parents_count() {
    let list = Patterns::parse([
        "docs",
        "!docs/b.md",
        "!docs/in/deep/*.md",
        "a/*",
        "!a/b",
        "!a/d",
        "a/d",
    ])
    .unwrap();
    for (path, expected) in [
        ("docs", true),
        ("docs/a.md", true),
        ("docs/b.md", false),
        ("docs/in/deep/d.md", false),
        ("docs/in/deep/e.txt", true),
        ("a", false),
        ("a/b/c", false),
        ("a/d", true),
        ("a/x", true),
    ] {
        assert_eq!(list.matches(path), expected, "{path}");
    }
}

#[test]
fn walkers_know_where_to_look() {
    let list = Patterns::parse(["*", "!src/app", "!docs/*/x"]).unwrap();
    assert!(list.may_take_back_below("src"));
    assert!(
        !list.may_take_back_below("src/app"),
        "app itself is taken back already"
    );
    assert!(list.may_take_back_below("docs"));
    assert!(list.may_take_back_below("docs/a"));
    assert!(!list.may_take_back_below("other"));
    assert!(!Patterns::parse(["*"]).unwrap().may_take_back_below("a"));
    assert!(
        Patterns::parse(["*", "!**/x"])
            .unwrap()
            .may_take_back_below("any/where")
    );
}

#[test]
fn row_38_many_stars_take_no_exponential_time() {
    let pattern = Pattern::parse(&"**/a*".repeat(40)).unwrap();
    assert!(!pattern.matches(&"a/".repeat(500)));
}
