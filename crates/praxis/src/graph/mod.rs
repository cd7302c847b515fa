//! The plan of a build drawn and written.

mod layout;
mod picture;
mod text;

pub use picture::picture;
pub use text::{dot, mermaid, outline};

use praxis_engine::{GraphSource, GraphStage, SourceKind};

/// A stage as people call it.
fn stage_name(stage: &GraphStage) -> String {
    match stage.name.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("stage {}", stage.name),
        false => stage.name.clone(),
    }
}

/// What a source is, in a word or two.
fn kind_name(source: &GraphSource) -> &'static str {
    match source.kind {
        SourceKind::Image => "image",
        SourceKind::Context => "context",
        SourceKind::NamedContext => "named context",
        SourceKind::Address => "address",
    }
}

#[cfg(test)]
mod tests;
