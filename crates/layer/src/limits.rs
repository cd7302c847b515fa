/// How much an archive may ask for before it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members.
    pub max_entries: u64,
    /// Bytes after decompression, holes of sparse files included.
    pub max_bytes: u64,
    /// Bytes of a path or link target.
    pub max_name: usize,
    /// Bytes of the extended header of one member.
    pub max_records: u64,
    /// Data segments of one sparse file.
    pub max_segments: usize,
    /// From [`Limits::ratio_floor`] on, how many times larger than its compressed form the data may be.
    pub max_ratio: u64,
    /// Up to this many bytes any ratio is accepted.
    pub ratio_floor: u64,
    /// Base-2 logarithm of the largest zstd window; xz may use as much memory.
    pub max_window_log: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_entries: 4_000_000,
            max_bytes: 128 << 30,
            max_name: 4095,
            max_records: 1 << 20,
            max_segments: 1 << 18,
            max_ratio: 200,
            ratio_floor: 4 << 30,
            max_window_log: 27,
        }
    }
}
