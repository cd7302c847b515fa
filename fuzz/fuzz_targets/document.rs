#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| praxis_testkit::fuzz::document(bytes));
