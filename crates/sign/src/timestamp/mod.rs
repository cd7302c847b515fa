//! RFC 3161 timestamps: who signed something had it at that time, says an authority that is named.

mod message;
mod server;
mod verify;

pub use server::{TimestampServer, TimestampTransport};
