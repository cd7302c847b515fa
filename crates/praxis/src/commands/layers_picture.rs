//! The layers of an image as an SVG: bars of size with waste marked.

use praxis_engine::{ImageReport, LayerReport, LayerSource};

use super::tree::made_by;
use crate::progress::units;
use crate::svg::{escape, open};

const STYLE: &str = ".kept{fill:@run}.base{fill:@cached}.wasted{fill:@waste}.axis{stroke:@rule}";
const ROW: f64 = 42.0;
const TOP: f64 = 72.0;
const LEFT: f64 = 24.0;
const BAR: f64 = 640.0;
/// The narrowest part of a bar.
const LEAST: f64 = 1.5;

/// The picture, the lowest layer at the bottom as it lies.
pub fn picture(report: &ImageReport, sources: &[LayerSource]) -> String {
    let height = TOP + report.layers.len() as f64 * ROW + 40.0;
    let mut svg = open(LEFT + BAR + 130.0, height, &report.image, STYLE);
    svg.push_str(&format!(
        "<text class=\"title\" x=\"{LEFT}\" y=\"30\">{}</text>\n<text class=\"dim\" x=\"{LEFT}\" y=\"50\">{} of files, \
         {} wasted, efficiency {:.1} %</text>\n",
        escape(&units::fit(&report.image, 70)),
        units::bytes(report.bytes),
        units::bytes(report.waste.bytes),
        (report.waste.efficiency * 1000.0).floor() / 10.0
    ));
    let largest = report
        .layers
        .iter()
        .map(|layer| layer.bytes)
        .max()
        .unwrap_or(0)
        .max(1);
    for (index, layer) in report.layers.iter().rev().enumerate() {
        let y = TOP + index as f64 * ROW;
        row(layer, sources.get(layer.number - 1), y, largest, &mut svg);
    }
    legend(height - 16.0, &mut svg);
    svg + "</svg>\n"
}

fn row(layer: &LayerReport, source: Option<&LayerSource>, y: f64, largest: u64, svg: &mut String) {
    let width = |bytes: u64| match bytes {
        0 => 0.0,
        bytes => (bytes as f64 / largest as f64 * BAR).max(LEAST),
    };
    let is_base = source.is_some_and(|source| source.base.is_some());
    let (kept, wasted) = (width(layer.bytes - layer.wasted), width(layer.wasted));
    let label = format!("{}  {}", layer.number, made_by(layer, source));
    svg.push_str(&format!(
        "<g><title>{}</title><text class=\"mono\" x=\"{LEFT}\" y=\"{}\">{}</text><rect class=\"{}\" x=\"{LEFT}\" \
         y=\"{}\" width=\"{kept:.1}\" height=\"14\" rx=\"2\"/><rect class=\"wasted\" x=\"{:.1}\" y=\"{}\" \
         width=\"{wasted:.1}\" height=\"14\" rx=\"2\"/><text class=\"dim\" x=\"{:.1}\" y=\"{}\">{}</text></g>\n",
        escape(&label),
        y + 12.0,
        escape(&units::fit(&label, 100)),
        if is_base { "base" } else { "kept" },
        y + 18.0,
        LEFT + kept,
        y + 18.0,
        LEFT + kept + wasted + 8.0,
        y + 29.0,
        sizes(layer)
    ));
}

fn sizes(layer: &LayerReport) -> String {
    match layer.wasted {
        0 => units::bytes(layer.bytes),
        wasted => format!("{}, {} wasted", units::bytes(layer.bytes), units::bytes(wasted)),
    }
}

fn legend(y: f64, svg: &mut String) {
    let mut x = LEFT;
    for (class, text) in [
        ("base", "of the base"),
        ("kept", "seen by containers"),
        ("wasted", "replaced or removed above"),
    ] {
        svg.push_str(&format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"10\" height=\"10\" rx=\"2\"/><text class=\"dim\" x=\"{}\" \
             y=\"{y}\">{text}</text>\n",
            y - 9.0,
            x + 16.0
        ));
        x += 40.0 + text.len() as f64 * 7.0;
    }
}
