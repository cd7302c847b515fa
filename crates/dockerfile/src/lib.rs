//! Dockerfile text to a typed syntax tree; words and their expansion, here-documents, ignore files and the
//! patterns of COPY. No I/O, and no panic on any input.

mod check;
mod directive;
mod duration;
mod expand;
mod flag;
mod glob;
mod health;
mod heredoc;
mod ignore;
mod instruction;
mod layout;
mod line;
mod mount;
mod parse;
mod path;
mod patterns;
mod shell_pattern;
mod suggest;
mod tree;
mod words;

pub use check::{CheckOptions, is_sensitive};
pub use duration::{format_duration, parse_duration};
pub use expand::{Expander, Expansion, ExpansionError};
pub use glob::Glob;
pub use heredoc::Heredoc;
pub use ignore::{IgnoreError, IgnoreFile, IgnoreLine, IgnoreLineKind};
pub use layout::{EditError, Layout, Piece, PieceKind};
pub use mount::{CacheSharing, MountError, MountOptions, MountText, MountType, parse_size};
pub use parse::{parse, parse_trigger};
pub use path::{clean, resolve};
pub use patterns::{Pattern, PatternError, Patterns, Verdict};
pub use suggest::nearest;
pub use tree::{
    Argument, Command, Device, Directives, Dockerfile, From, Healthcheck, Instruction, Kind, Network, Pair,
    Run, Stage, Transfer,
};
