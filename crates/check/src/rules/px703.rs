//! # HTTP is not open without a token
//!
//! With `--image` and `--run`, the image runs as it is, with no variable set, in a network of its own, and every port it
//! listens on is asked over HTTP without a token. With `image.transport = "stdio"` no port may answer; else each has to
//! answer 401 or 403.
//!
//! # Why
//! A service that opens HTTP by itself is reachable wherever somebody forgets a network policy, and without a token for
//! whoever comes by.
//!
//! # Bad
//! What is seen of the image:
//! ```json bad image.json
//! {"http": [{"port": 8080, "status": 200}]}
//! ```
//! # Good
//! ```json good image.json
//! {"http": [{"port": 8080, "status": 401}]}
//! ```
//! # Fix
//! Serve stdio by default; open HTTP only where a token is set, and beyond loopback only where the operator asks for it.

use crate::Repository;
use crate::rule::Report;

/// Seen of an image only: `evidence.rs`.
pub(super) fn run(_: &Repository, _: &mut Report) {}
