//! Paragraphs of `Name: value` fields, as dpkg, Python and machine-readable copyright files have them.

/// No field of what is read here is longer; the rest of one is left out.
const LONGEST: usize = 1 << 20;

/// One paragraph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stanza {
    fields: Vec<(String, String)>,
}

impl Stanza {
    /// The first value of a field, whatever the case of its name; lines that continue it are kept as lines.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.fields.iter();
        let (_, value) = found.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.trim())
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self
            .fields
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim())
    }

    /// The value if it has any text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    fn take(&mut self, line: &str) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = self.fields.last_mut()
                && value.len() < LONGEST
            {
                value.push('\n');
                value.push_str(line);
            }
            return;
        }
        if let Some((name, value)) = line.split_once(':')
            && !name.contains(' ')
        {
            self.fields.push((name.into(), value.trim().into()));
        }
    }
}

/// The paragraphs of a text.
pub(crate) fn stanzas(text: &str) -> impl Iterator<Item = Stanza> + '_ {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let mut stanza = Stanza::default();
        for line in lines.by_ref() {
            match line.trim_end() {
                "" if stanza.fields.is_empty() => {}
                "" => return Some(stanza),
                line if line.starts_with('#') => {}
                line => stanza.take(line),
            }
        }
        (!stanza.fields.is_empty()).then_some(stanza)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_continuations() {
        let text = "\n\nA: 1\nB:\n two\n three\n\n\nnonsense\na: x\nC: y: z\n";
        let read: Vec<Stanza> = stanzas(text).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].get("b"), Some("two\n three"));
        assert_eq!(read[1].get("A"), Some("x"));
        assert_eq!(read[1].get("C"), Some("y: z"));
        assert_eq!(stanzas("\n \n").count(), 0);
    }
}
