//! Builds that are made on another machine than the one that has the context (decision 49).

mod context;
mod parcel;
mod received;
mod result;

pub use context::{SentContext, SentDockerfile, SentEntry, SentKind};
pub use parcel::Parcel;
pub use received::Received;
