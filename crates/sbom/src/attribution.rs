//! Who put each file there.

use std::collections::{BTreeSet, HashMap};

use praxis_layer::TreePath;

use crate::component::{Claims, Found};
use crate::files::Files;

/// Directories deeper than this are not walked.
const DEPTH: usize = 512;

/// Gives every component its files, in order, and gives back what no component claims.
pub(crate) fn attribute(files: &Files, found: &mut [Found]) -> Vec<TreePath> {
    let mut owners: HashMap<TreePath, Vec<usize>> = HashMap::new();
    for (index, one) in found.iter().enumerate() {
        for path in claimed(files, &one.claims) {
            owners.entry(path).or_default().push(index);
        }
    }
    let mut unattributed = Vec::new();
    for path in &files.paths {
        let of_source = || compiled_from(path).and_then(|source| owners.get(&source));
        match owners.get(path).or_else(of_source) {
            Some(indexes) => indexes
                .iter()
                .for_each(|index| found[*index].component.files.push(path.clone())),
            None => unattributed.push(path.clone()),
        }
    }
    unattributed
}

/// The files that `claims` are about and that are there; directories are nobody's.
fn claimed(files: &Files, claims: &Claims) -> BTreeSet<TreePath> {
    let named = claims.paths.iter().filter_map(|path| files.located(path));
    let is_file = |path: &TreePath| files.tree.get(path).is_some_and(|node| !node.is_directory());
    let mut paths: BTreeSet<TreePath> = named.filter(is_file).collect();
    for tree in &claims.trees {
        walk(files, tree, claims.except, 0, &mut paths);
    }
    paths
}

fn walk(files: &Files, path: &TreePath, except: Option<&[u8]>, depth: usize, paths: &mut BTreeSet<TreePath>) {
    match files.tree.get(path) {
        Some(node) if node.is_directory() => {}
        Some(_) => {
            paths.insert(path.clone());
            return;
        }
        None => return,
    }
    if depth > DEPTH {
        return;
    }
    for (name, _) in files.tree.children(path) {
        if except != Some(name) {
            walk(files, &path.join(name), except, depth + 1, paths);
        }
    }
}

/// The source of byte code: who has the one has the other.
fn compiled_from(path: &TreePath) -> Option<TreePath> {
    let stem = path.name().strip_suffix(b".pyc")?;
    let directory = path.parent()?;
    if directory.name() != b"__pycache__" {
        return Some(directory.join(&[stem, b".py"].concat()));
    }
    let module = stem
        .split(|&byte| byte == b'.')
        .next()
        .filter(|name| !name.is_empty())?;
    Some(directory.parent()?.join(&[module, b".py"].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_code_belongs_to_its_source() {
        let of = |path: &str| compiled_from(&path.into()).map(|path| path.to_string());
        assert_eq!(
            of("a/__pycache__/b.cpython-313.opt-1.pyc").as_deref(),
            Some("/a/b.py")
        );
        assert_eq!(of("a/b.pyc").as_deref(), Some("/a/b.py"));
        assert_eq!(of("a/b.py"), None);
        assert_eq!(of("a/__pycache__/.pyc"), None);
    }
}
