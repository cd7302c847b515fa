//! One engine behind every service: tools for agents (MCP).
//!
//! A tool takes arguments, and gives a result or says why not. No tool can push, sign, release, promote or read a
//! secret: there is no code here that could. What a caller may have done is its [`Tier`]; what a build made for a
//! caller may do is the server's [`Policy`]. What comes from images, files and steps is [`Untrusted`].

mod contexts;
mod deadline;
mod error;
mod http;
mod jobs;
mod mcp;
mod others;
mod policy;
mod remote;
mod roots;
mod tally;
mod tier;
mod toolbox;
mod tools;
mod traces;
mod untrusted;
mod verifier;

pub use error::{ServeError, ToolError, ToolErrorKind};
pub use http::{HttpServer, HttpSettings, Limits, openapi};
pub use mcp::{answers, serve_stdio};
pub use others::{AskedBuild, Builders, OpenBuild, Seen as SeenBuild};
pub use policy::Policy;
pub use praxis_reach::{Destination, Network, Reach};
pub use remote::RemoteServer;
pub use roots::Roots;
pub use tier::Tier;
pub use toolbox::{Call, Caller, DoctorFinding, Machine, Toolbox};
pub use tools::{Done, Tool, Tools};
pub use untrusted::Untrusted;
pub use verifier::Verifier;
