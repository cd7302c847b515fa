/// The shortest path that means the same, by looking at the text alone: no `.`, no empty parts, `..` applied.
/// An absolute path never leaves the root; the empty path is `.`.
pub fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(last) if *last != ".." => {
                    parts.pop();
                }
                _ if absolute => {}
                _ => parts.push(".."),
            },
            _ => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".into(),
        (false, false) => parts.join("/"),
    }
}

/// `path` as seen from the absolute directory `from`: absolute and clean.
pub fn resolve(from: &str, path: &str) -> String {
    if path.starts_with('/') {
        clean(path)
    } else {
        clean(&format!("/{from}/{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans() {
        for (path, expected) in [
            ("", "."),
            ("a//b/./c/", "a/b/c"),
            ("a/../..", ".."),
            ("../../x", "../../x"),
            ("/a/../../etc", "/etc"),
            ("/", "/"),
            ("./", "."),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    /// security rows 49 and 50: `..` in WORKDIR, VOLUME and COPY.
    #[test]
    fn row_49_dots_never_leave_the_root() {
        assert_eq!(resolve("/w", "../../../etc"), "/etc");
        assert_eq!(resolve("/w", "/../../etc"), "/etc");
        assert_eq!(resolve("", "x"), "/x");
        assert_eq!(resolve("/w/one", "./x/../y"), "/w/one/y");
    }
}
