//! The real program on real Dockerfiles: one digest from everywhere, nothing left behind, nothing done twice.

mod attested;
mod bad_input;
mod bases;
mod bench;
mod cache;
mod canaries;
mod ci;
mod container;
mod crash;
mod determinism;
mod disk;
mod environment;
mod foreign;
mod foreign_packages;
mod full_disk;
mod granted;
mod history;
mod image_checks;
mod ledger;
mod looking;
mod outputs;
mod platforms;
mod reproduce;
mod shell;
mod site;
mod step_cache;
