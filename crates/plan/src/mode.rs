//! `--chmod`.

use crate::Mode;

/// Reads a mode: octal up to 07777, or symbolic as chmod(1) has it.
pub(crate) fn mode(text: &str) -> Result<Mode, String> {
    let wrong =
        || format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777");
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let bits = u32::from_str_radix(text, 8).map_err(|_| wrong())?;
        return if bits <= 0o7777 {
            Ok(Mode::Octal(bits))
        } else {
            Err(wrong())
        };
    }
    if text.split(',').all(is_clause) {
        Ok(Mode::Symbolic(text.into()))
    } else {
        Err(wrong())
    }
}

/// `[ugoa]*([-+=]([rwxXst]*|[ugo]))+`
fn is_clause(clause: &str) -> bool {
    let actions = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    if !actions.starts_with(['+', '-', '=']) {
        return false;
    }
    actions.split(['+', '-', '=']).skip(1).all(|permissions| {
        matches!(permissions, "u" | "g" | "o")
            || permissions
                .chars()
                .all(|c| matches!(c, 'r' | 'w' | 'x' | 'X' | 's' | 't'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_and_symbolic() {
        assert_eq!(mode("750"), Ok(Mode::Octal(0o750)));
        assert_eq!(mode("07777"), Ok(Mode::Octal(0o7777)));
        for text in ["u=rwX,go=rX", "go-rwx", "a+x", "u+s,g-w", "+t", "u=g", "u=rw-x"] {
            assert_eq!(mode(text), Ok(Mode::Symbolic(text.into())));
        }
        for text in ["64a", "10000", "", "888", "u", "z+x", "u+ug", "u=rwx,"] {
            assert!(mode(text).unwrap_err().contains("between 0 and 07777"), "{text}");
        }
    }
}
