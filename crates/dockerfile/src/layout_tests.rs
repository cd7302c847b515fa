use praxis_source::SourceFile;

use super::*;
use crate::parse;

fn layout(text: &str) -> Layout {
    let layout = parse(&SourceFile::new("f", text)).0.layout;
    assert_eq!(layout.to_string(), text);
    layout
}

/// The pieces that are no white space, with a letter for their kind.
fn words(text: &str) -> Vec<String> {
    let pieces = layout(text);
    let shown = pieces.pieces().iter().filter_map(|piece| {
        let kind = match piece.kind {
            PieceKind::Blank | PieceKind::LineEnd => return None,
            PieceKind::ByteOrderMark => 'b',
            PieceKind::Comment => 'c',
            PieceKind::Keyword => 'k',
            PieceKind::Flag => 'f',
            PieceKind::Word => 'w',
            PieceKind::Continuation => '\\',
            PieceKind::Heredoc => 'h',
            PieceKind::HeredocEnd => 'e',
        };
        Some(format!("{kind} {}", piece.text.trim_end()))
    });
    shown.collect()
}

#[test]
fn every_byte_is_in_a_piece() {
    assert_eq!(
        words("\u{feff}# escape=`\r\n  FROM  --platform=a/b x AS y \r\n\n # note\nRUN a `  \n# in\n\n  b\n"),
        [
            "b \u{feff}",
            "c # escape=`",
            "k FROM",
            "f --platform=a/b",
            "w x",
            "w AS",
            "w y",
            "c # note",
            "k RUN",
            "w a",
            "\\ `",
            "c # in",
            "w b"
        ]
    );
}

#[test]
fn here_documents_and_triggers() {
    assert_eq!(
        words("FROM a\nONBUILD COPY --link <<A <<-B /\n x\nA\n\ty\n\tB"),
        [
            "k FROM",
            "w a",
            "k ONBUILD",
            "k COPY",
            "f --link",
            "w <<A",
            "w <<-B",
            "w /",
            "h  x",
            "e A",
            "h \ty",
            "e \tB"
        ]
    );
}

#[test]
fn quotes_hold_words_together_where_they_do_in_the_parser() {
    assert_eq!(
        words("FROM a\nENV x=\"a b\" y='c\\\n d'\nRUN --mount=\"type=bind,target=/a b\" echo \"a b\""),
        [
            "k FROM",
            "w a",
            "k ENV",
            "w x=\"a b\"",
            "w y='c",
            "\\ \\",
            "w  d'",
            "k RUN",
            "f --mount=\"type=bind,target=/a b\"",
            "w echo",
            "w \"a",
            "w b\"",
        ]
    );
}

#[test]
fn pieces_of_an_instruction() {
    let text = "FROM a\n# c\nCOPY x \\\n  y\nRUN z\n";
    let tree = parse(&SourceFile::new("f", text)).0;
    let pieces = tree.layout.pieces_in(tree.stages[0].instructions[0].span);
    let copied: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    assert_eq!(copied, "COPY x \\\n  y");
}

#[test]
fn an_edit_changes_its_place_and_nothing_else() {
    let text = "# a\r\nfrom  debian:13 as x\\\n\ncmd é\n";
    let layout = layout(text);
    let base = layout
        .pieces()
        .iter()
        .find(|piece| piece.kind == PieceKind::Word)
        .unwrap();
    let last = Span::new(text.find('é').unwrap(), text.len() - 1);
    assert_eq!(
        layout
            .edited(&[(last, "sh"), (base.span, "debian@sha256:0")])
            .unwrap(),
        text.replace("debian:13", "debian@sha256:0").replace('é', "sh")
    );
    assert_eq!(
        layout
            .edited(&[(Span::new(0, 3), ""), (Span::new(2, 4), "")])
            .unwrap_err()
            .to_string(),
        "two edits change the bytes 2 to 4: make one of them after the other"
    );
    for wrong in [Span::new(0, 999), Span::new(last.start, last.start + 1)] {
        assert!(matches!(layout.edited(&[(wrong, "")]), Err(EditError::Place(..))));
    }
}
