//! What a client may write to the service: any bytes. Fuzzing (`fuzz/fuzz_targets/frame.rs`) runs [`frame`] on new inputs, the
//! test here on those that were kept.

use std::sync::{Arc, LazyLock};

use praxis_serve::{Machine, Policy, Roots, Tier, Toolbox, Tools, answers};

/// A server of the tier readonly, with an empty root.
static SERVER: LazyLock<(Arc<Toolbox>, Arc<Tools>)> = LazyLock::new(|| {
    let place = std::env::temp_dir().join(format!("praxis-frame-{}", std::process::id()));
    std::fs::create_dir_all(place.join("ctx")).expect("a directory");
    let root = place.join("store");
    let settings = praxis_engine::Settings {
        books: praxis_engine::own_books(&root),
        owns_ids: false,
        root,
    };
    let engine = praxis_engine::Engine::open(settings).expect("a store");
    let policy = Policy {
        roots: Roots::open(&[place.join("ctx")]).expect("a root"),
        ..Policy::default()
    };
    let machine = Machine {
        site: Default::default(),
        registries: Default::default(),
        verifier: None,
        doctor: Box::new(Vec::new),
    };
    (Arc::new(Toolbox::new(engine, policy, machine)), Arc::default())
});

/// Whatever is written, what is answered is lines of JSON-RPC, with no control character in them.
pub fn frame(bytes: &[u8]) {
    let (toolbox, tools) = &*SERVER;
    let said = answers(toolbox, tools, Tier::Readonly, bytes);
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        let (end, line) = line.split_last().expect("no empty line");
        assert_eq!(*end, b'\n', "a line that is cut");
        let message: serde_json::Value = serde_json::from_slice(line).expect("a message");
        assert_eq!(message["jsonrpc"], "2.0");
        assert!(!line.iter().any(|byte| byte.is_ascii_control()));
    }
}

#[test]
fn service_row_07_no_bytes_break_the_service() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/frame");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("an input");
        frame(&bytes);
        count += 1;
    }
    assert!(count >= 10, "{count} inputs");
}

#[test]
fn a_session_is_answered() {
    let (toolbox, tools) = &*SERVER;
    let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"doctor","arguments":{}}}
"#;
    let said = String::from_utf8(answers(toolbox, tools, Tier::Readonly, hello.as_bytes())).expect("text");
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("\"tier\":\"readonly\""), "{said}");
}
