/// The one of `names` that is most like `word`, if any is near enough to be what was meant. Letter case does not
/// count.
pub fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    let word = word.to_lowercase();
    if word.chars().count() > 40 {
        return None;
    }
    let most = if word.chars().count() > 3 { 2 } else { 1 };
    names
        .iter()
        .map(|name| (distance(&word, &name.to_lowercase()), *name))
        .filter(|(far, _)| *far <= most)
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// How many letters have to be added, removed or replaced.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_likely_name() {
        assert_eq!(nearest("COPPY", &["ADD", "COPY", "CMD"]), Some("COPY"));
        assert_eq!(nearest("chwon", &["chown", "chmod", "from"]), Some("chown"));
        assert_eq!(nearest("xyzzy", &["ADD", "COPY"]), None);
        assert_eq!(nearest("UN", &["RUN"]), Some("RUN"));
    }
}
