use praxis_engine::{
    BuildGraph, EdgeKind, GraphEdge, GraphEnd, GraphSource, GraphStage, GraphStep, Outlook, SourceKind,
};

use super::layout::Layout;
use super::*;

fn stage(name: &str, steps: &[(&str, Outlook)]) -> GraphStage {
    GraphStage {
        name: name.into(),
        platform: "linux/amd64".into(),
        steps: steps
            .iter()
            .enumerate()
            .map(|(index, (name, outlook))| GraphStep {
                name: (*name).into(),
                line: index + 1,
                outlook: *outlook,
            })
            .collect(),
    }
}

fn graph() -> BuildGraph {
    let edge = |from, stage, step, kind| GraphEdge {
        from,
        stage,
        step,
        kind,
    };
    BuildGraph {
        sources: vec![GraphSource {
            kind: SourceKind::Image,
            name: "example.org/<base>".into(),
            digest: Some("sha256:0123456789abcdef".into()),
        }],
        stages: vec![
            stage(
                "a",
                &[
                    ("FROM example.org/<base>", Outlook::Cached),
                    ("RUN \u{1b}[2J \"x\"", Outlook::Run),
                ],
            ),
            stage("b", &[("FROM scratch", Outlook::Cached)]),
            stage(
                "2",
                &[
                    ("FROM a", Outlook::Run),
                    ("COPY --from=b / /", Outlook::Run),
                    ("CMD x", Outlook::Nothing),
                ],
            ),
        ],
        edges: vec![
            edge(GraphEnd::Source(0), 0, 0, EdgeKind::From),
            edge(GraphEnd::Stage(0), 2, 0, EdgeKind::From),
            edge(GraphEnd::Stage(1), 2, 1, EdgeKind::Copy),
            edge(GraphEnd::Stage(1), 2, 1, EdgeKind::Mount),
        ],
    }
}

#[test]
fn row_72_a_picture_is_well_formed_whatever_the_names() {
    let svg = picture(&graph(), "a & b");
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(
        svg.contains("example.org/&lt;base&gt;") && svg.contains("a &amp; b"),
        "{svg}"
    );
    assert!(!svg.contains('\u{1b}') && !svg.contains("<script") && !svg.contains("href"));
    assert_eq!(
        svg.matches("class=\"edge copy\" d=\"M").count(),
        2,
        "one edge and one of the legend"
    );
    assert!(svg.contains("prefers-color-scheme:dark"));
}

#[test]
fn boxes_stand_apart_and_right_of_what_they_need() {
    let layout = Layout::of(&graph());
    let [a, b, last] = layout.stages[..] else { panic!() };
    assert_eq!(a.x, b.x);
    assert!(a.y + a.height < b.y, "no box over another");
    assert!(layout.sources[0].x + layout.sources[0].width < a.x && a.x + a.width < last.x);
    for place in layout.sources.iter().chain(&layout.stages) {
        assert!(place.x + place.width <= layout.width && place.y + place.height <= layout.height);
    }
}

#[test]
fn an_outline_says_what_runs_and_where_files_come_from() {
    let text = outline(&graph());
    assert!(text.contains("stage 2  linux/amd64  (target)\n"), "{text}");
    assert!(
        text.contains("  run       2  COPY --from=b / /  ← b, b\n"),
        "{text}"
    );
    assert!(text.contains("  cached    1  FROM scratch\n"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn row_72_other_programs_get_quoted_text() {
    let dot = dot(&graph());
    assert!(dot.contains("RUN \\\\x1b[2J \\\"x\\\"\\l"), "{dot}");
    assert_eq!(dot.matches("s1 -> s2").count(), 2);
    let mermaid = mermaid(&graph());
    assert!(
        mermaid.contains("b0([\"example.org/#lt;base#gt;\"])"),
        "{mermaid}"
    );
    assert!(mermaid.contains("  s1 -. mount .-> s2\n"), "{mermaid}");
}
