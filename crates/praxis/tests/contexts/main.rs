//! The real program on contexts that are no plain directories: archives, addresses and git repositories, hostile
//! ones among them.

mod add;
mod archives;
mod git;
mod hostile;
mod place;
mod server;
mod submodules;
