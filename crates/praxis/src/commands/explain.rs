//! `praxis explain`.

use praxis_engine::{Change, Explanation, LayerSource, PathEvent};

use super::diff::facts;
use super::tree::place;
use super::{Surroundings, result};
use crate::arguments::ExplainOptions;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;
use crate::progress::units;

/// Explains a file of an image.
pub fn run(options: &ExplainOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let style = surroundings.style();
    let explanation = surroundings.engine()?.0.explain(options)?;
    result(options.format.json, &explanation, || text(&explanation, style))
}

fn text(explanation: &Explanation, style: Style) -> String {
    let story = &explanation.story;
    let mut text = style.strong(&sanitize(&story.asked));
    if story.asked != story.path {
        text.push_str(&format!(" is {}", style.strong(&sanitize(&story.path))));
    }
    match &story.file {
        Some(file) => text.push_str(&facts(file)),
        None => text.push_str("  is not in the image any more"),
    }
    text.push('\n');
    // The last event is the answer; what was before it comes after it.
    let events = story.events.iter().zip(&explanation.sources).rev();
    for (event, source) in events {
        text.push_str(&told(event, source, style));
    }
    text
}

fn told(event: &PathEvent, source: &LayerSource, style: Style) -> String {
    let what = match event.change {
        Change::Added => style.good("added"),
        Change::Changed => {
            let causes: Vec<String> = event.causes.iter().map(ToString::to_string).collect();
            style.notable(&format!("changed ({})", causes.join(", ")))
        }
        Change::Removed => style.bad("removed"),
        Change::Repeated => style.dim("written again as it was"),
    };
    let place = place(source);
    let place = if place.is_empty() {
        place
    } else {
        format!(", {place}")
    };
    let instruction = source.instruction.as_deref().unwrap_or("(not in the history)");
    let instruction = instruction.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = format!(
        "\n{what} by layer {}{place}\n  {}\n",
        event.layer,
        units::fit(&sanitize(&instruction), 160)
    );
    match &event.by {
        Some(by) if event.change == Change::Removed => {
            text.push_str(&format!("  the layer removes {}\n", sanitize(by)));
        }
        _ => text.push_str(&format!("{}, {}\n", facts(&event.file), event.file.modified)),
    }
    for line in source.excerpt.iter().flat_map(|excerpt| excerpt.lines()) {
        text.push_str(&format!("  {}\n", style.dim(&sanitize(line))));
    }
    text
}
