//! `--chmod`: octal and symbolic modes.

use crate::SolveError;

/// A parsed `--chmod`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ModeChange {
    /// Exactly these bits.
    Octal(u32),
    /// `u=rwX,go-w`, applied in order.
    Symbolic(Vec<Clause>),
}

/// One `ugo+rwx` of a symbolic mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause {
    user: bool,
    group: bool,
    other: bool,
    operation: u8,
    read: bool,
    write: bool,
    execute: bool,
    execute_if_any: bool,
    set_id: bool,
    sticky: bool,
}

impl ModeChange {
    /// Parses the symbolic form.
    pub fn symbolic(text: &str) -> Result<ModeChange, SolveError> {
        let wrong = || {
            SolveError::user(format!(
                "invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            ))
        };
        text.split(',')
            .map(|clause| parse_clause(clause).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(ModeChange::Symbolic)
    }

    /// The mode that `mode` becomes.
    pub fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        match self {
            ModeChange::Octal(bits) => *bits,
            ModeChange::Symbolic(clauses) => clauses
                .iter()
                .fold(mode, |mode, clause| clause.apply(mode, is_directory)),
        }
    }
}

impl Clause {
    fn apply(&self, mode: u32, is_directory: bool) -> u32 {
        let execute = self.execute || (self.execute_if_any && (is_directory || mode & 0o111 != 0));
        let triple = u32::from(self.read) << 2 | u32::from(self.write) << 1 | u32::from(execute);
        let (mut bits, mut mask) = (0, 0);
        for (chosen, shift, special) in [
            (self.user, 6, 0o4000),
            (self.group, 3, 0o2000),
            (self.other, 0, 0),
        ] {
            if chosen {
                bits |= triple << shift;
                mask |= 0o7 << shift;
                if self.set_id {
                    bits |= special;
                }
                if !is_directory {
                    mask |= special;
                }
            }
        }
        if self.sticky {
            bits |= 0o1000;
        }
        match self.operation {
            b'+' => mode | bits,
            b'-' => mode & !bits,
            _ => mode & !mask | bits,
        }
    }
}

fn parse_clause(text: &str) -> Option<Clause> {
    let operation_at = text.find(['+', '-', '='])?;
    let (who, rest) = text.split_at(operation_at);
    let mut rest = rest.bytes();
    let mut clause = Clause {
        user: who.is_empty(),
        group: who.is_empty(),
        other: who.is_empty(),
        operation: rest.next()?,
        read: false,
        write: false,
        execute: false,
        execute_if_any: false,
        set_id: false,
        sticky: false,
    };
    for letter in who.bytes() {
        match letter {
            b'u' => clause.user = true,
            b'g' => clause.group = true,
            b'o' => clause.other = true,
            b'a' => (clause.user, clause.group, clause.other) = (true, true, true),
            _ => return None,
        }
    }
    for letter in rest {
        match letter {
            b'r' => clause.read = true,
            b'w' => clause.write = true,
            b'x' => clause.execute = true,
            b'X' => clause.execute_if_any = true,
            b's' => clause.set_id = true,
            b't' => clause.sticky = true,
            _ => return None,
        }
    }
    Some(clause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbolic_modes() {
        for (text, mode, directory, expected) in [
            ("u=rwX,go=rX", 0o664, false, 0o644),
            ("u=rwX,go=rX", 0o775, false, 0o755),
            ("u=rwX,go=rX", 0o770, true, 0o755),
            ("go-rwx", 0o775, false, 0o700),
            ("a+x", 0o664, false, 0o775),
            ("u+s,g-w", 0o775, false, 0o4755),
            ("+t", 0o606, false, 0o1606),
        ] {
            assert_eq!(
                ModeChange::symbolic(text).unwrap().apply(mode, directory),
                expected,
                "{text} {mode:o}"
            );
        }
        assert!(ModeChange::symbolic("64a").is_err());
        assert!(ModeChange::symbolic("u=q").is_err());
    }
}
