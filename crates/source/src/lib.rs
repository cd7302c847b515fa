//! Files, byte spans and diagnostics: what every parser of this workspace reports with. No I/O.

mod diagnostic;
mod file;
mod masked;
mod render;
pub mod sanitize;

pub use diagnostic::{Diagnostic, Severity};
pub use file::{Position, SourceFile, Span};
pub use masked::masked;
pub use render::render;
