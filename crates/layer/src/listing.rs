use crate::Entry;

/// The entries of one layer, sorted by path, each path once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    entries: Vec<Entry>,
}

impl Listing {
    /// Sorts `entries`; of several with one path the last wins.
    pub fn new(mut entries: Vec<Entry>) -> Listing {
        if !entries.is_sorted_by(|a, b| a.path < b.path) {
            entries.sort_by(|a, b| a.path.cmp(&b.path));
            // Of two the later is kept: it takes the earlier one's place.
            entries.dedup_by(|later, earlier| {
                let same = later.path == earlier.path;
                if same {
                    std::mem::swap(later, earlier);
                }
                same
            });
        }
        entries.shrink_to_fit();
        Listing { entries }
    }

    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}
