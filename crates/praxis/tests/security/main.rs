//! The rows of `docs/security-rows.md` on the real program: hostile images, contexts, mounts and steps.

mod contexts;
mod images;
mod mounts;
mod site;
mod steps;
mod table;
