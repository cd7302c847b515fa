//! Following symbolic links inside a root, on anything that can say what a path is.

use praxis_layer::TreePath;

use crate::SolveError;

/// No path may be longer; recursion over the components of paths relies on it.
const LONGEST: usize = 4095;

/// What a view says of a path.
pub(crate) enum Look {
    Nothing,
    Directory,
    Link(Vec<u8>),
    Other,
}

/// A tree that can be looked at, path by path, without following links.
pub(crate) trait View {
    fn look(&self, path: &TreePath) -> Result<Look, SolveError>;
}

/// Resolves `path` the way a process whose root is this tree would: every link is followed (the last one too if
/// `follow_last`), absolute links start at the root, `..` stops there. What does not exist is kept as it is, so
/// that a destination can be made.
pub(crate) fn resolve(view: &dyn View, path: &[u8], follow_last: bool) -> Result<TreePath, SolveError> {
    let mut rest: Vec<Vec<u8>> = components(path);
    let mut here = TreePath::root();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        if here.as_bytes().len() + part.len() + rest.len() > LONGEST {
            return Err(SolveError::user(format!(
                "a path of more than {LONGEST} bytes: no file system takes it"
            )));
        }
        if part == b".." {
            here = here.parent().unwrap_or_default();
            continue;
        }
        let next = here.join(&part);
        if rest.is_empty() && !follow_last {
            return Ok(next);
        }
        match view.look(&next)? {
            Look::Link(target) => {
                links += 1;
                if links > 255 {
                    let shown = String::from_utf8_lossy(path);
                    return Err(SolveError::user(format!("too many symbolic links in {shown}")));
                }
                if target.starts_with(b"/") {
                    here = TreePath::root();
                }
                rest.extend(components(&target));
            }
            _ => here = next,
        }
    }
    Ok(here)
}

/// The components of `path`, last first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path
        .split(|&b| b == b'/')
        .filter(|part| !part.is_empty() && part != b".");
    let mut parts: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    struct Fixed(HashMap<&'static str, &'static str>);

    impl View for Fixed {
        fn look(&self, path: &TreePath) -> Result<Look, SolveError> {
            Ok(match self.0.get(path.to_string().as_str()) {
                Some(&"dir") => Look::Directory,
                Some(target) => Look::Link(target.as_bytes().to_vec()),
                None => Look::Nothing,
            })
        }
    }

    fn shown(path: &str) -> String {
        let view = Fixed(HashMap::from([
            ("/a", "dir"),
            ("/abs", "/a"),
            ("/up", "../../../../a"),
            ("/gone", "/not/there"),
            ("/loop", "loop"),
        ]));
        match resolve(&view, path.as_bytes(), true) {
            Ok(path) => path.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn row_2_and_3_links_stay_in_the_root() {
        assert_eq!(shown("/abs/x"), "/a/x");
        assert_eq!(shown("up/x"), "/a/x");
        assert_eq!(shown("gone/x/y"), "/not/there/x/y");
        assert_eq!(shown("../../etc"), "/etc");
        assert_eq!(shown("loop"), "too many symbolic links in loop");
    }
}
