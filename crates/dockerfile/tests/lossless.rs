//! What was parsed can be written back, byte for byte, whatever it is.

use praxis_dockerfile::{IgnoreFile, IgnoreLineKind, parse};
use praxis_source::SourceFile;
use proptest::prelude::*;

/// Texts made of what Dockerfiles are made of, so that most of them get past the first line.
fn dockerfile() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        Just("FROM "),
        Just("run "),
        Just("COPY "),
        Just("ADD --link "),
        Just("ONBUILD "),
        Just("ENV a=\"b c\""),
        Just("ARG X='"),
        Just("LABEL "),
        Just("# escape=`\n"),
        Just("#"),
        Just("\u{feff}"),
        Just("\\\n"),
        Just("`\n"),
        Just("\\  \r\n"),
        Just("\n"),
        Just("\r"),
        Just("\n\n"),
        Just(" "),
        Just("\t"),
        Just("\u{a0}"),
        Just("<<EOF"),
        Just("<<-'E'"),
        Just("EOF\n"),
        Just("\tE\n"),
        Just("--mount=type=cache,target=/x "),
        Just("[\"a\", \"b\"]"),
        Just("$x"),
        Just("\""),
        Just("'"),
        Just("é"),
        Just("\u{2028}"),
        Just("x"),
        Just("\0"),
    ];
    proptest::collection::vec(parts, 0..40).prop_map(|parts| parts.concat())
}

fn round_trip(text: &str) {
    let (tree, _) = parse(&SourceFile::new("Dockerfile", text));
    assert_eq!(tree.to_string(), text);
    let mut end = 0;
    for piece in tree.layout.pieces() {
        assert_eq!(
            (piece.span.start, &text[piece.span.start..piece.span.end]),
            (end, piece.text.as_str())
        );
        assert!(!piece.text.is_empty());
        end = piece.span.end;
    }
    assert_eq!(end, text.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_text(text in "\\PC*|[ -~\\n\\r\\t]*") {
        round_trip(&text);
    }

    #[test]
    fn likely_texts(text in dockerfile()) {
        round_trip(&text);
    }

    /// A change of one word leaves all other bytes, and with the old word back the file is what it was.
    #[test]
    fn edits_are_local(text in dockerfile(), choice in any::<prop::sample::Index>(), word in "[a-z:@]{0,9}") {
        let layout = parse(&SourceFile::new("Dockerfile", text.as_str())).0.layout;
        prop_assume!(!layout.pieces().is_empty());
        let piece = choice.get(layout.pieces());
        let edited = layout.edited(&[(piece.span, &word)]).unwrap();
        let (before, after) = (&text[..piece.span.start], &text[piece.span.end..]);
        prop_assert_eq!(&edited, &format!("{before}{word}{after}"));
    }

    #[test]
    fn ignore_files(text in "(\\PC|\\n|\\r\\n|#|!|\u{feff}| )*") {
        if let Ok(file) = IgnoreFile::parse(&text) {
            prop_assert_eq!(file.to_string(), text.clone());
            let patterns = file.lines().iter().filter(|line| line.kind == IgnoreLineKind::Pattern).count();
            prop_assert_eq!(patterns == 0, file.is_empty());
        }
    }
}
