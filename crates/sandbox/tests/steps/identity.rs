use crate::runner::Test;
pub const TESTS: &[Test] = &[];
