/// What happens while a base is locked or built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A suite's signed Release file was fetched and verified.
    Verified {
        /// The suite.
        suite: String,
        /// The keys whose signatures count.
        signers: Vec<String>,
    },
    /// An index of packages was read.
    Index {
        /// Suite, component and architecture.
        name: String,
        /// How many packages it lists.
        packages: usize,
    },
    /// A package is there, downloaded or from the cache.
    Fetched {
        /// The package.
        package: String,
        /// Its size in bytes.
        size: u64,
        /// Whether it was in the cache.
        cached: bool,
    },
    /// A package was unpacked.
    Unpacked {
        /// The package.
        package: String,
        /// How many are unpacked now.
        done: usize,
        /// How many there will be.
        total: usize,
    },
}

/// Receives [`Progress`], from any thread.
pub type ProgressSink<'a> = &'a (dyn Fn(Progress) + Sync);
