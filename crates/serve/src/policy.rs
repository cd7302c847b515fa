use std::time::Duration;

use praxis_engine::StepBounds;
use praxis_reach::Reach;

use crate::Roots;

/// Bytes of a step's output that are kept.
const MOST_OUTPUT: u64 = 16 << 20;

/// What a server does for its callers, whatever they ask for.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The directories that requests may name.
    pub roots: Roots,
    /// RUN steps reach the network of the server's machine, with all that is on it. Without it they have none.
    pub allow_network: bool,
    /// Where requests may make this server connect to.
    pub reach: Reach,
    /// What one RUN step may take.
    pub bounds: StepBounds,
    /// Bytes of files that are kept of the contexts that one client sends.
    pub most_sent: u64,
    /// Builds and tests at once; more are turned away.
    pub most_jobs: usize,
    /// The longest that one build or test may take.
    pub longest_job: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            roots: Roots::default(),
            allow_network: false,
            reach: Reach::public(Vec::new()),
            bounds: StepBounds {
                processes: Some(4096),
                memory: None,
                output: Some(MOST_OUTPUT),
            },
            most_sent: 10 << 30,
            most_jobs: 2,
            longest_job: Duration::from_secs(3600),
        }
    }
}
