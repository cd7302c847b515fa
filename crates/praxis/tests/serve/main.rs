//! `praxis serve` as an agent meets it: the real program on its standard input and output.

mod agent;
mod builds;
mod protocol;
mod refusals;
