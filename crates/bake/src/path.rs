//! Paths as text.

/// The path without `.`, doubled slashes, and `..` where it takes away something before it.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => _ = parts.pop(),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".into(),
        (false, rest) => rest,
    }
}

/// `path` in `directory`, unless it begins at the root.
pub fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') {
        clean(path)
    } else {
        clean(&format!("{directory}/{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_go_has_them() {
        for (given, cleaned) in [
            ("", "."),
            ("./a//b/", "a/b"),
            ("a/../..", ".."),
            ("/..", "/"),
            ("../x", "../x"),
            (".", "."),
        ] {
            assert_eq!(clean(given), cleaned, "{given}");
        }
        assert_eq!(join(".", "Dockerfile"), "Dockerfile");
        assert_eq!(join("./app", "../Dockerfile"), "Dockerfile");
        assert_eq!(join("app", "/Dockerfile"), "/Dockerfile");
    }
}
