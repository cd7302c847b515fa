#![no_main]

#[path = "../../crates/serve/tests/frame.rs"]
mod frame;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frame::frame(bytes));
