//! What the machine can do, as reported.

use praxis_sandbox::{State, probe};

use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("what_these_tests_use_is_reported_as_working", what_is_used_works),
    (
        "what_does_not_work_says_what_it_means",
        what_does_not_work_says_what_it_means,
    ),
];

fn what_is_used_works() {
    let facts = probe();
    for name in [
        "user namespace",
        "namespaces",
        "proc",
        "mount interface",
        "overlay",
        "system call filter",
        "contained lookup",
    ] {
        let fact = facts.iter().find(|fact| fact.name == name).expect(name);
        assert_eq!(fact.state, State::Works, "{fact:?}");
    }
}

fn what_does_not_work_says_what_it_means() {
    for fact in probe() {
        assert_eq!(
            fact.state == State::Works,
            fact.consequence.is_empty(),
            "{fact:?}"
        );
    }
}
