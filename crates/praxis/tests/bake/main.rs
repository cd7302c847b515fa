//! The real program on bake and compose files.

mod builds;
mod mistakes;
mod place;
mod printing;
