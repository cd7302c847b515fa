/// `text` with an `x` for each character of a user's name and password in the addresses it holds, such as
/// `https://name:password@host/`. A name alone stays for ssh and git, where it is no secret.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let ends = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace();
        let (authority, next) = after.split_at(after.find(ends).unwrap_or(after.len()));
        let web = before.ends_with("http://") || before.ends_with("https://");
        match authority.rsplit_once('@') {
            Some((user, host)) if web || user.contains(':') => {
                shown.extend(user.chars().map(|c| if c == ':' { ':' } else { 'x' }));
                shown.push('@');
                shown.push_str(host);
            }
            _ => shown.push_str(authority),
        }
        rest = next;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn passwords_are_masked_and_nothing_else() {
        for (text, expected) in [
            (
                "ADD https://u:p@ss@h/x?a=b@c /y",
                "ADD https://x:xxxx@h/x?a=b@c /y",
            ),
            ("http://token@h", "http://xxxxx@h"),
            ("ssh://git@h/r and git://u:w@h", "ssh://git@h/r and git://x:x@h"),
            ("https://h/a@b", "https://h/a@b"),
            ("a@b://", "a@b://"),
            ("\"http://u:é@h\"", "\"http://x:x@h\""),
        ] {
            assert_eq!(masked(text), expected);
            assert_eq!(masked(text).chars().count(), text.chars().count());
        }
    }
}
