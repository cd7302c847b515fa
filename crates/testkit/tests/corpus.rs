//! The inputs that fuzzing found worth keeping still break nothing.

use std::path::Path;

use praxis_testkit::fuzz::TARGETS;

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
    let directories = std::fs::read_dir(corpus).unwrap().count();
    assert_eq!(directories, TARGETS.len(), "a directory of no target");
}
