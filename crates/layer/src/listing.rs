use crate::Entry;

/// The entries of one layer, sorted by path, each path once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    entries: Vec<Entry>,
}

impl Listing {
    /// Sorts `entries`; of several with one path the last wins.
    pub fn new(mut entries: Vec<Entry>) -> Listing {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match kept.last_mut() {
                Some(last) if last.path == entry.path => *last = entry,
                _ => kept.push(entry),
            }
        }
        Listing { entries: kept }
    }

    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}
