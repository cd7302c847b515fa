//! `praxis serve` as an agent meets it: the real program on its standard input and output.

mod agent;
mod api;
mod builds;
mod http;
mod judged;
mod protocol;
mod reach;
mod refusals;
mod remote;
mod transcript;
mod web;
