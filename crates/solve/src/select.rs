//! What the sources of a COPY, ADD or bind mount name: wildcards, links, excludes, and the content key of it all.

use praxis_layer::TreePath;
use praxis_oci::{Digest, Hasher};

use crate::SolveError;
use crate::matching::{Patterns, matches_wildcard};
use crate::source::{FileAt, NodeKind, SourceNode, SourceTree, SourceView};
use crate::view::resolve;

/// One thing a source names: a file, or a directory with what is to be copied of it.
pub(crate) struct Selected {
    /// Its own name, for destinations that are directories.
    pub name: Vec<u8>,
    /// Where it is, links followed.
    pub path: TreePath,
    pub node: SourceNode,
    pub digest: Option<Digest>,
    /// What is in it, parents first, for directories.
    pub inside: Vec<Picked>,
}

/// One entry inside a selected directory.
pub(crate) struct Picked {
    /// Path below the selected directory.
    pub relative: TreePath,
    pub node: SourceNode,
    pub digest: Option<Digest>,
}

/// How to select.
#[derive(Default)]
pub(crate) struct SelectOptions<'a> {
    pub excludes: Option<&'a Patterns>,
    /// `--parents`.
    pub parents: bool,
}

/// Everything `source` (as written) names. Empty when a wildcard matches nothing.
///
/// # Errors
/// If a path without wildcards is not there.
pub(crate) fn select(
    tree: &dyn SourceTree,
    source: &str,
    options: &SelectOptions<'_>,
) -> Result<Vec<Selected>, SolveError> {
    let mut selected = if options.parents {
        select_with_parents(tree, source, options)?
    } else {
        let mut selected = Vec::new();
        for path in expand(tree, source)? {
            let inside = |path: &TreePath, node: &SourceNode| {
                if node.is_directory() {
                    walk(tree, path, options.excludes)
                } else {
                    Ok(Vec::new())
                }
            };
            let followed = resolve(&SourceView(tree), &path, true)?;
            let Some(node) = tree.node(&followed)? else {
                return Err(not_found(tree, source));
            };
            let name = TreePath::clean(&path).name().to_vec();
            selected.push(Selected {
                name,
                inside: inside(&followed, &node)?,
                path: followed,
                node,
                digest: None,
            });
        }
        selected
    };
    fill_digests(tree, &mut selected)?;
    Ok(selected)
}

fn not_found(tree: &dyn SourceTree, source: &str) -> SolveError {
    let clean = TreePath::clean(source.as_bytes());
    SolveError::user(format!("\"{clean}\": not found in {}", tree.describe()))
        .with_hint("check the spelling, and whether .dockerignore leaves it out")
}

fn has_wildcard(part: &[u8]) -> bool {
    let mut escaped = false;
    part.iter().any(|&b| {
        let wild = !escaped && b"*?[".contains(&b);
        escaped = !escaped && b == b'\\';
        wild
    })
}

/// Takes backslashes off a component without wildcards.
fn unescape(part: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(part.len());
    let mut bytes = part.iter();
    while let Some(&b) = bytes.next() {
        plain.push(if b == b'\\' {
            *bytes.next().unwrap_or(&b)
        } else {
            b
        });
    }
    plain
}

/// The paths a source with or without wildcards stands for, links not yet followed.
fn expand(tree: &dyn SourceTree, source: &str) -> Result<Vec<Vec<u8>>, SolveError> {
    let clean = TreePath::clean(source.as_bytes());
    let parts: Vec<&[u8]> = clean.components().collect();
    let Some(first) = parts.iter().position(|part| has_wildcard(part)) else {
        return Ok(vec![
            parts
                .iter()
                .map(|part| unescape(part))
                .collect::<Vec<_>>()
                .join(&b'/'),
        ]);
    };
    let plain = parts[..first]
        .iter()
        .map(|part| unescape(part))
        .collect::<Vec<_>>()
        .join(&b'/');
    let base = resolve(&SourceView(tree), &plain, true)?;
    let pattern = &parts[first..];
    let mut found = Vec::new();
    if tree.node(&base)?.is_some_and(|node| node.is_directory()) {
        match_below(tree, &base, &mut plain.clone(), pattern, &mut found)?;
    }
    Ok(found)
}

fn match_below(
    tree: &dyn SourceTree,
    directory: &TreePath,
    shown: &mut Vec<u8>,
    pattern: &[&[u8]],
    found: &mut Vec<Vec<u8>>,
) -> Result<(), SolveError> {
    let Some((part, rest)) = pattern.split_first() else {
        return Ok(());
    };
    for name in tree.children(directory)? {
        if !matches_wildcard(part, &name)? {
            continue;
        }
        let length = shown.len();
        if !shown.is_empty() {
            shown.push(b'/');
        }
        shown.extend(&name);
        let path = directory.join(&name);
        if rest.is_empty() {
            found.push(shown.clone());
        } else if tree.node(&path)?.is_some_and(|node| node.is_directory()) {
            match_below(tree, &path, shown, rest, found)?;
        }
        shown.truncate(length);
    }
    Ok(())
}

/// Everything below `directory`, parents first, less what `excludes` leaves out.
fn walk(
    tree: &dyn SourceTree,
    directory: &TreePath,
    excludes: Option<&Patterns>,
) -> Result<Vec<Picked>, SolveError> {
    let mut picked = Vec::new();
    walk_into(tree, directory, &TreePath::root(), excludes, &mut picked)?;
    picked.shrink_to_fit();
    Ok(picked)
}

fn walk_into(
    tree: &dyn SourceTree,
    directory: &TreePath,
    relative: &TreePath,
    excludes: Option<&Patterns>,
    picked: &mut Vec<Picked>,
) -> Result<(), SolveError> {
    for name in tree.children(directory)? {
        let path = directory.join(&name);
        let relative = relative.join(&name);
        let Some(node) = tree.node(&path)? else { continue };
        let excluded = excludes.is_some_and(|patterns| patterns.matches(relative.as_bytes()));
        let is_directory = node.is_directory();
        if excluded {
            if is_directory
                && excludes.is_some_and(|patterns| patterns.may_include_below(relative.as_bytes()))
            {
                let before = picked.len();
                picked.push(Picked {
                    relative: relative.clone(),
                    node,
                    digest: None,
                });
                walk_into(tree, &path, &relative, excludes, picked)?;
                if picked.len() == before + 1 {
                    picked.truncate(before);
                }
            }
            continue;
        }
        picked.push(Picked {
            relative: relative.clone(),
            node,
            digest: None,
        });
        if is_directory {
            walk_into(tree, &path, &relative, excludes, picked)?;
        }
    }
    Ok(())
}

/// `--parents`: the directory part of each match is kept, from the pivot `/./` on if there is one. What is before the
/// pivot may have wildcards of its own.
fn select_with_parents(
    tree: &dyn SourceTree,
    source: &str,
    options: &SelectOptions<'_>,
) -> Result<Vec<Selected>, SolveError> {
    let trimmed = source.strip_prefix("./").unwrap_or(source);
    let (pivot, rest) = trimmed.split_once("/./").unwrap_or(("", trimmed));
    let pattern = TreePath::clean(rest.as_bytes());
    let parts: Vec<&[u8]> = pattern.components().collect();
    let required = !parts.iter().any(|part| has_wildcard(part)) && !has_wildcard(pivot.as_bytes());
    let mut selected = Vec::new();
    for pivot in expand(tree, pivot)? {
        let root = resolve(&SourceView(tree), &pivot, true)?;
        let Some(node) = tree.node(&root)? else {
            return Err(not_found(tree, source));
        };
        let mut inside = Vec::new();
        let top = TreePath::root();
        pick_matching(tree, &root, &top, &parts, options.excludes, &mut inside)?;
        inside.sort_by(|a, b| a.relative.cmp(&b.relative));
        inside.dedup_by(|a, b| a.relative == b.relative);
        if !inside.is_empty() {
            // The pivot itself is a plain directory here: what is copied is what is in it.
            selected.push(Selected {
                name: Vec::new(),
                path: root,
                node,
                digest: None,
                inside,
            });
        }
    }
    if selected.is_empty() && required && !parts.is_empty() {
        return Err(not_found(tree, source));
    }
    Ok(selected)
}

fn pick_matching(
    tree: &dyn SourceTree,
    directory: &TreePath,
    relative: &TreePath,
    pattern: &[&[u8]],
    excludes: Option<&Patterns>,
    picked: &mut Vec<Picked>,
) -> Result<bool, SolveError> {
    let Some((part, rest)) = pattern.split_first() else {
        return Ok(false);
    };
    if *part == b"**" && pick_matching(tree, directory, relative, rest, excludes, picked)? {
        // What matches with no directory in between was taken; deeper ones follow below.
    }
    let mut any = false;
    for name in tree.children(directory)? {
        let path = directory.join(&name);
        let below = relative.join(&name);
        let Some(node) = tree.node(&path)? else { continue };
        if excludes.is_some_and(|patterns| patterns.matches(below.as_bytes())) {
            continue;
        }
        let before = picked.len();
        let is_directory = node.is_directory();
        let taken = if *part == b"**" {
            is_directory && pick_matching(tree, &path, &below, pattern, excludes, picked)?
        } else if !matches_wildcard(part, &name)? {
            false
        } else if rest.is_empty() || (rest == [b"**"] && !is_directory) {
            if is_directory {
                let inside = walk(tree, &path, None)?;
                for entry in inside {
                    let relative = below.join_path(&entry.relative);
                    if !excludes.is_some_and(|patterns| patterns.matches(relative.as_bytes())) {
                        picked.push(Picked { relative, ..entry });
                    }
                }
            }
            true
        } else {
            is_directory && pick_matching(tree, &path, &below, rest, excludes, picked)?
        };
        if taken || picked.len() > before {
            picked.push(Picked {
                relative: below,
                node,
                digest: None,
            });
            any = true;
        }
    }
    Ok(any)
}

fn fill_digests(tree: &dyn SourceTree, selected: &mut [Selected]) -> Result<(), SolveError> {
    let root = TreePath::root();
    let mut wanted = Vec::new();
    for one in selected.iter() {
        let own = std::iter::once((&root, &one.node));
        let inside = one.inside.iter().map(|entry| (&entry.relative, &entry.node));
        wanted.extend(own.chain(inside).filter_map(|(relative, node)| {
            let size = file_size(node)?;
            Some(FileAt {
                directory: &one.path,
                relative,
                size,
            })
        }));
    }
    let mut digests = tree.digests(&wanted)?.into_iter();
    for one in selected {
        if file_size(&one.node).is_some() {
            one.digest = digests.next();
        }
        for entry in one
            .inside
            .iter_mut()
            .filter(|entry| file_size(&entry.node).is_some())
        {
            entry.digest = digests.next();
        }
    }
    Ok(())
}

fn file_size(node: &SourceNode) -> Option<u64> {
    match node.kind {
        NodeKind::File { size } => Some(size),
        _ => None,
    }
}

/// Adds everything of `selected` that can change a result to `hasher`: names, types, modes, owners, sizes, links,
/// devices, content and extended attributes; no times.
pub(crate) fn add_to_key(selected: &[Selected], hasher: &mut Hasher) {
    hasher.field(b"selection");
    for one in selected {
        hasher.field(&one.name);
        add_node(&one.node, one.digest.as_ref(), hasher);
        for entry in &one.inside {
            hasher.field(entry.relative.as_bytes());
            add_node(&entry.node, entry.digest.as_ref(), hasher);
        }
    }
}

fn add_node(node: &SourceNode, digest: Option<&Digest>, hasher: &mut Hasher) {
    let (kind, a, b): (u8, u32, u32) = match &node.kind {
        NodeKind::Directory => (1, 0, 0),
        NodeKind::File { .. } => (2, 0, 0),
        NodeKind::Symlink { target } => {
            hasher.field(target);
            (3, 0, 0)
        }
        NodeKind::Character { major, minor } => (4, *major, *minor),
        NodeKind::Block { major, minor } => (5, *major, *minor),
        NodeKind::Fifo => (6, 0, 0),
    };
    hasher.update(&[kind]);
    for number in [a, b, node.mode, node.uid, node.gid] {
        hasher.update(&number.to_le_bytes());
    }
    if let Some(digest) = digest {
        hasher.update(digest.as_bytes());
    }
    for (name, value) in node.xattrs.iter().flat_map(|xattrs| xattrs.iter()) {
        hasher.field(name);
        hasher.field(value);
    }
}
