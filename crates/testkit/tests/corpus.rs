//! The inputs that fuzzing found worth keeping still break nothing.

use std::path::Path;

use praxis_testkit::fuzz::TARGETS;

/// Targets of crates above this one, which replay their inputs themselves.
const ELSEWHERE: [&str; 1] = ["frame"];

#[test]
fn row_38_kept_inputs_break_no_promise() {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"));
    for (name, target) in TARGETS {
        let inputs: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap().collect();
        assert!(!inputs.is_empty(), "{name} has no inputs");
        for input in inputs {
            let path = input.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            std::panic::catch_unwind(|| target(&bytes)).unwrap_or_else(|_| panic!("{}", path.display()));
        }
    }
    assert!(ELSEWHERE.iter().all(|name| corpus.join(name).is_dir()));
    let directories = std::fs::read_dir(corpus).unwrap().count();
    assert_eq!(
        directories,
        TARGETS.len() + ELSEWHERE.len(),
        "a directory of no target"
    );
}
