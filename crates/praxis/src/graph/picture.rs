//! The plan as an SVG that needs nothing else and knows light and dark.

use praxis_engine::{BuildGraph, EdgeKind, GraphEdge, GraphEnd, GraphSource, GraphStage, Outlook};

use super::layout::{HEAD, Layout, Place, ROW, TOP};
use super::{kind_name, stage_name};
use crate::progress::units;
use crate::svg::{escape, open};

const STYLE: &str = "\
.stage{fill:@box;stroke:@rule}.target{stroke:@run;stroke-width:2}\
.source{fill:@paper;stroke:@rule;stroke-dasharray:4 3}.name{font-weight:600;font-size:13px}\
.cached{fill:@cached}.run{fill:@run}.nothing{fill:@rule}.step{font:11px ui-monospace,monospace}\
.edge{fill:none;stroke-width:1.5}.from{stroke:@dim}.copy{stroke:@copy}\
.mount{stroke:@mount;stroke-dasharray:5 4}.tip-from{fill:@dim}.tip-copy{fill:@copy}\
.tip-mount{fill:@mount}";

/// Characters of a step that fit into its box.
const STEP: usize = 38;

/// The picture: sources on the left, stages as boxes of their steps, what they take as curves.
pub fn picture(graph: &BuildGraph, title: &str) -> String {
    let layout = Layout::of(graph);
    let mut svg = open(layout.width, layout.height, title, STYLE);
    svg.push_str(&format!(
        "<text class=\"title\" x=\"24\" y=\"28\">{}</text>\n<text class=\"dim\" x=\"24\" y=\"46\">{}</text>\n",
        escape(&units::fit(title, 80)),
        escape(&summary(graph))
    ));
    // Below the boxes, so that nothing is crossed out.
    graph
        .edges
        .iter()
        .for_each(|edge| curve(graph, &layout, edge, &mut svg));
    for (source, place) in graph.sources.iter().zip(&layout.sources) {
        draw_source(source, place, &mut svg);
    }
    for (index, (stage, place)) in graph.stages.iter().zip(&layout.stages).enumerate() {
        let is_target = index + 1 == graph.stages.len();
        draw_stage(stage, place, is_target, &mut svg);
    }
    graph.edges.iter().for_each(|edge| tip(&layout, edge, &mut svg));
    legend(layout.height - 18.0, &mut svg);
    svg + "</svg>\n"
}

fn summary(graph: &BuildGraph) -> String {
    let steps = || graph.stages.iter().flat_map(|stage| &stage.steps);
    let count = |wanted: Outlook| steps().filter(|step| step.outlook == wanted).count();
    format!(
        "{} stages, {} steps cached, {} to run",
        graph.stages.len(),
        count(Outlook::Cached),
        count(Outlook::Run)
    )
}

fn draw_source(source: &GraphSource, place: &Place, svg: &mut String) {
    let Place { x, y, width, height } = place;
    let digest = source.digest.as_deref().map_or(String::new(), |digest| {
        format!(" · {}", units::short_digest(digest))
    });
    svg.push_str(&format!(
        "<g><title>{}</title><rect class=\"source\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
         rx=\"{}\"/><text class=\"name\" x=\"{}\" y=\"{}\">{}</text><text class=\"dim\" x=\"{}\" y=\"{}\">{}</text></g>\n",
        escape(&source.name),
        height / 2.0,
        x + 18.0,
        y + 19.0,
        escape(&shortened(&source.name, 20)),
        x + 18.0,
        y + 35.0,
        escape(&format!("{}{digest}", kind_name(source)))
    ));
}

/// The end of a long name, which says more than its beginning.
fn shortened(name: &str, length: usize) -> String {
    let count = name.chars().count();
    match count > length {
        true => format!("…{}", name.chars().skip(count + 1 - length).collect::<String>()),
        false => name.into(),
    }
}

fn draw_stage(stage: &GraphStage, place: &Place, is_target: bool, svg: &mut String) {
    let Place { x, y, width, height } = place;
    let class = if is_target { "stage target" } else { "stage" };
    svg.push_str(&format!(
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n<text \
         class=\"name\" x=\"{}\" y=\"{}\">{}</text><text class=\"dim\" x=\"{}\" y=\"{}\" \
         text-anchor=\"end\">{}</text>\n",
        x + 14.0,
        y + 22.0,
        escape(&units::fit(&stage_name(stage), 24)),
        x + width - 12.0,
        y + 22.0,
        escape(&stage.platform)
    ));
    for (index, step) in stage.steps.iter().enumerate() {
        let middle = y + HEAD + (index as f64 + 0.5) * ROW;
        let (class, text, says) = match step.outlook {
            Outlook::Cached => ("cached", "step", "cached"),
            Outlook::Run => ("run", "step", "to run"),
            Outlook::Nothing => ("nothing", "step dim", "nothing to do"),
        };
        let name = step.name.split_whitespace().collect::<Vec<_>>().join(" ");
        svg.push_str(&format!(
            "<g><title>line {}: {} ({says})</title><circle class=\"{class}\" cx=\"{}\" cy=\"{middle}\" r=\"4\"/><text \
             class=\"{text}\" x=\"{}\" y=\"{}\">{}</text></g>\n",
            step.line,
            escape(&name),
            x + 18.0,
            x + 30.0,
            middle + 4.0,
            escape(&units::fit(&name, STEP))
        ));
    }
}

fn class(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::From => "from",
        EdgeKind::Copy => "copy",
        EdgeKind::Mount => "mount",
    }
}

fn curve(graph: &BuildGraph, layout: &Layout, edge: &GraphEdge, svg: &mut String) {
    let (x1, y1) = match edge.from {
        GraphEnd::Source(index) => {
            let place = &layout.sources[index];
            (place.x + place.width, place.y + place.height / 2.0)
        }
        // What a stage gives is what it is after its last step.
        GraphEnd::Stage(index) => {
            let place = &layout.stages[index];
            (
                place.x + place.width,
                layout.step(index, graph.stages[index].steps.len() - 1),
            )
        }
    };
    let (x2, y2) = (layout.stages[edge.stage].x, layout.step(edge.stage, edge.step));
    let bend = ((x2 - x1) / 2.0).clamp(30.0, 60.0);
    svg.push_str(&format!(
        "<path class=\"edge {}\" d=\"M{x1:.0} {y1:.0}C{:.0} {y1:.0} {:.0} {y2:.0} {x2:.0} {y2:.0}\"/>\n",
        class(edge.kind),
        x1 + bend,
        x2 - bend
    ));
}

/// The arrow's end, at the step that takes.
fn tip(layout: &Layout, edge: &GraphEdge, svg: &mut String) {
    let (x, y) = (layout.stages[edge.stage].x, layout.step(edge.stage, edge.step));
    svg.push_str(&format!(
        "<path class=\"tip-{}\" d=\"M{:.0} {:.0}l8 4l-8 4z\"/>\n",
        class(edge.kind),
        x - 1.0,
        y - 4.0
    ));
}

fn legend(y: f64, svg: &mut String) {
    debug_assert!(y > TOP);
    let mut x = 24.0;
    for (class, text) in [
        ("cached", "cached"),
        ("run", "to run"),
        ("nothing", "nothing to do"),
    ] {
        svg.push_str(&format!(
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"4\"/><text class=\"dim\" x=\"{}\" y=\"{y}\">{text}</text>\n",
            x + 4.0,
            y - 4.0,
            x + 14.0
        ));
        x += 34.0 + text.len() as f64 * 6.5;
    }
    for (class, text) in [("from", "FROM"), ("copy", "COPY, ADD"), ("mount", "mount")] {
        svg.push_str(&format!(
            "<path class=\"edge {class}\" d=\"M{x:.0} {:.0}h24\"/><text class=\"dim\" x=\"{}\" y=\"{y}\">{text}</text>\n",
            y - 4.0,
            x + 30.0
        ));
        x += 48.0 + text.len() as f64 * 7.5;
    }
}
