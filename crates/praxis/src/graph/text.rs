//! The plan for other programs and for reading.

use praxis_engine::{BuildGraph, EdgeKind, GraphEdge, GraphEnd, Outlook};

use super::{kind_name, stage_name};
use crate::progress::sanitize::sanitize;

/// An outline for a terminal.
pub fn outline(graph: &BuildGraph) -> String {
    let mut text = String::new();
    for (index, stage) in graph.stages.iter().enumerate() {
        let target = if index + 1 == graph.stages.len() {
            "  (target)"
        } else {
            ""
        };
        text.push_str(&format!(
            "{}  {}{target}\n",
            sanitize(&stage_name(stage)),
            sanitize(&stage.platform)
        ));
        for (number, step) in stage.steps.iter().enumerate() {
            let outlook = match step.outlook {
                Outlook::Cached => "cached",
                Outlook::Run => "run",
                Outlook::Nothing => "",
            };
            let name = step.name.split_whitespace().collect::<Vec<_>>().join(" ");
            text.push_str(&format!("  {outlook:7}{:>4}  {}", step.line, sanitize(&name)));
            let is_taken =
                |edge: &&GraphEdge| edge.stage == index && edge.step == number && edge.kind != EdgeKind::From;
            let origins: Vec<String> = graph
                .edges
                .iter()
                .filter(is_taken)
                .map(|edge| sanitize(&end_name(graph, edge.from)).into_owned())
                .collect();
            if !origins.is_empty() {
                text.push_str(&format!("  ← {}", origins.join(", ")));
            }
            text.push('\n');
        }
    }
    text
}

fn end_name(graph: &BuildGraph, end: GraphEnd) -> String {
    match end {
        GraphEnd::Stage(index) => stage_name(&graph.stages[index]),
        GraphEnd::Source(index) => graph.sources[index].name.clone(),
    }
}

/// Names that programs take: stages `s0`, sources `b0`.
fn end_id(end: GraphEnd) -> String {
    match end {
        GraphEnd::Stage(index) => format!("s{index}"),
        GraphEnd::Source(index) => format!("b{index}"),
    }
}

/// One edge for all steps of a stage that take in one way.
fn stage_edges(graph: &BuildGraph) -> Vec<GraphEdge> {
    let mut edges: Vec<GraphEdge> = Vec::new();
    for edge in &graph.edges {
        let edge = GraphEdge { step: 0, ..*edge };
        if !edges.contains(&edge) {
            edges.push(edge);
        }
    }
    edges
}

/// For graphviz.
pub fn dot(graph: &BuildGraph) -> String {
    let quoted = |text: &str| sanitize(text).replace('\\', "\\\\").replace('"', "\\\"");
    let mut text =
        "digraph build {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n".to_string();
    for (index, source) in graph.sources.iter().enumerate() {
        let (name, kind) = (quoted(&source.name), kind_name(source));
        text.push_str(&format!(
            "  b{index} [label=\"{name}\\n{kind}\", style=\"rounded,dashed\"];\n"
        ));
    }
    for (index, stage) in graph.stages.iter().enumerate() {
        let steps = stage.steps.iter().map(|step| quoted(&step.name) + "\\l");
        let (name, steps) = (quoted(&stage_name(stage)), steps.collect::<String>());
        text.push_str(&format!("  s{index} [label=\"{name}\\n{steps}\"];\n"));
    }
    for edge in stage_edges(graph) {
        let style = match edge.kind {
            EdgeKind::From => "",
            EdgeKind::Copy => " [label=\"copy\"]",
            EdgeKind::Mount => " [label=\"mount\", style=dashed]",
        };
        text.push_str(&format!("  {} -> s{}{style};\n", end_id(edge.from), edge.stage));
    }
    text + "}\n"
}

/// For Markdown that draws Mermaid.
pub fn mermaid(graph: &BuildGraph) -> String {
    let quoted = |text: &str| {
        sanitize(text)
            .replace('#', "#35;")
            .replace('"', "#quot;")
            .replace('<', "#lt;")
            .replace('>', "#gt;")
            .replace('`', "#96;")
    };
    let mut text = "flowchart LR\n".to_string();
    for (index, source) in graph.sources.iter().enumerate() {
        text.push_str(&format!("  b{index}([\"{}\"])\n", quoted(&source.name)));
    }
    for (index, stage) in graph.stages.iter().enumerate() {
        let steps: Vec<String> = stage.steps.iter().map(|step| quoted(&step.name)).collect();
        let name = quoted(&stage_name(stage));
        text.push_str(&format!("  s{index}[\"{name}<br/>{}\"]\n", steps.join("<br/>")));
    }
    for edge in stage_edges(graph) {
        let arrow = match edge.kind {
            EdgeKind::From => "-->",
            EdgeKind::Copy => "-- copy -->",
            EdgeKind::Mount => "-. mount .->",
        };
        text.push_str(&format!("  {} {arrow} s{}\n", end_id(edge.from), edge.stage));
    }
    text
}
