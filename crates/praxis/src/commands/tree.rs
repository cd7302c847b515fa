//! `praxis tree`.

use std::collections::BTreeMap;

use praxis_engine::{Change, FileChange, ImageReport, LayerReport, LayerSource, Waste};
use serde::Serialize;

use super::layers_picture::picture;
use super::{Surroundings, result, write_file};
use crate::arguments::TreeOptions;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;
use crate::progress::units;

/// Files shown of each kind of waste.
const SHOWN: usize = 20;

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    report: &'a ImageReport,
    sources: &'a [LayerSource],
}

/// Takes an image apart.
pub fn run(options: &TreeOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let style = surroundings.style();
    let engine = surroundings.engine()?.0;
    let (mut report, sources) = engine.tree(&options.image, options.platform.platform.as_ref())?;
    if let Some(number) = options.layer {
        let count = report.layers.len();
        report.layers.retain(|layer| layer.number == usize::from(number));
        if report.layers.is_empty() {
            let message = format!("{}: no layer {number}: it has {count}", options.image);
            return Err(Failure::failed(message));
        }
    }
    if let Some(path) = &options.path
        && !report.keep_below(path)
    {
        let message = format!("{}: no layer has /{}", report.image, path.trim_matches('/'));
        return Err(Failure::failed(message));
    }
    if let Some(path) = &options.svg {
        write_file(path, "--svg", &picture(&report, &sources))?;
    }
    let shown = Shown {
        report: &report,
        sources: &sources,
    };
    result(options.format.json, &shown, || {
        if options.waste {
            return head(&report, style) + &waste(&report.waste, style);
        }
        let whole = options.layer.is_some() || options.path.is_some();
        let depth = options.depth.unwrap_or(if whole { 0 } else { 2 });
        let layers = report.layers.iter().map(|layer| {
            let source = sources.get(layer.number - 1);
            layer_text(layer, source, depth, style)
        });
        head(&report, style) + &layers.collect::<String>()
    })
}

fn head(report: &ImageReport, style: Style) -> String {
    let digest = report.digest.unwrap_or(report.config_digest).to_string();
    let count = report.waste.by_layer.len();
    let mut text = format!(
        "{}  {}  {}\n{count} layer{}: {} stored, {} of files",
        style.strong(&sanitize(&report.image)),
        units::short_digest(&digest),
        sanitize(&report.platform),
        if count == 1 { "" } else { "s" },
        units::bytes(report.stored),
        units::bytes(report.bytes),
    );
    let wasted = match report.waste.bytes {
        0 => ", none wasted".to_string(),
        bytes => format!(", {}", style.notable(&format!("{} wasted", units::bytes(bytes)))),
    };
    text.push_str(&wasted);
    text + &format!(", efficiency {}\n", percent(report.waste.efficiency))
}

/// Never 100 % unless it is.
fn percent(share: f64) -> String {
    format!("{:.1} %", (share * 1000.0).floor() / 10.0)
}

fn layer_text(layer: &LayerReport, source: Option<&LayerSource>, depth: usize, style: Style) -> String {
    let mut text = format!(
        "\n{}  {}  {}\n",
        style.strong(&format!("layer {}", layer.number)),
        units::bytes(layer.bytes),
        made_by(layer, source)
    );
    let mut parts: Vec<String> = [
        (layer.added, "added"),
        (layer.changed, "changed"),
        (layer.removed, "removed"),
        (layer.repeated, "repeated"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    if layer.wasted > 0 {
        parts.push(style.notable(&format!("{} wasted", units::bytes(layer.wasted))));
    }
    if parts.is_empty() {
        parts.push("nothing".into());
    }
    text.push_str(&format!("  {}\n", parts.join(", ")));
    let mut top = Branch::default();
    for change in &layer.changes {
        top.put(change);
    }
    top.draw(
        "  ",
        1,
        if depth == 0 { usize::MAX } else { depth },
        style,
        &mut text,
    );
    text
}

/// The instruction, with its line where that is known.
pub(super) fn made_by(layer: &LayerReport, source: Option<&LayerSource>) -> String {
    let place = source.map_or_else(String::new, place);
    let noted = source.and_then(|source| source.instruction.as_deref());
    let told = layer
        .created_by
        .as_deref()
        .or(noted)
        .unwrap_or("(not in the history)");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = units::fit(&sanitize(&told), 100);
    if place.is_empty() {
        told
    } else {
        format!("{place}  {told}")
    }
}

/// `base NAME` and `Dockerfile:7`.
pub(super) fn place(source: &LayerSource) -> String {
    let mut parts = Vec::new();
    parts.extend(
        source
            .base
            .as_ref()
            .map(|base| format!("base {}", sanitize(base))),
    );
    if let (Some(file), Some(line)) = (&source.dockerfile, source.line) {
        parts.push(format!("{}:{line}", sanitize(file)));
    }
    parts.join(" ")
}

/// A directory of what changed.
#[derive(Default)]
struct Branch<'a> {
    change: Option<&'a FileChange>,
    below: BTreeMap<&'a str, Branch<'a>>,
    count: usize,
    bytes: u64,
}

impl<'a> Branch<'a> {
    fn put(&mut self, change: &'a FileChange) {
        let bytes = match change.change {
            Change::Removed => 0,
            _ if change.hard_link.is_some() => 0,
            _ => change.file.size,
        };
        let mut branch = self;
        branch.count += 1;
        branch.bytes += bytes;
        for name in change.path.split('/').filter(|name| !name.is_empty()) {
            branch = branch.below.entry(name).or_default();
            branch.count += 1;
            branch.bytes += bytes;
        }
        branch.change = Some(change);
    }

    fn draw(&self, indent: &str, level: usize, depth: usize, style: Style, text: &mut String) {
        for (index, (name, branch)) in self.below.iter().enumerate() {
            let is_last = index + 1 == self.below.len();
            let (elbow, bar) = if is_last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            let (mut branch, mut name) = (branch, sanitize(name).into_owned());
            while branch.change.is_none()
                && let [(next, child)] = branch.below.iter().collect::<Vec<_>>()[..]
            {
                name = format!("{name}/{}", sanitize(next));
                branch = child;
            }
            text.push_str(&format!(
                "{}{}{}\n",
                style.dim(indent),
                style.dim(elbow),
                branch.line(&name, level >= depth, style)
            ));
            if level < depth {
                branch.draw(&format!("{indent}{bar}"), level + 1, depth, style, text);
            }
        }
    }

    fn line(&self, name: &str, closed: bool, style: Style) -> String {
        let Some(change) = self.change else {
            return format!("{name}/{}", self.sum(closed, style));
        };
        let name = match (change.file.kind, &change.file.target, &change.hard_link) {
            ("directory", ..) => format!("{name}/"),
            (_, Some(target), _) => format!("{name} → {}", sanitize(target)),
            (_, _, Some(first)) => format!("{name} = {}", sanitize(first)),
            _ => name.to_string(),
        };
        let size = match change.file.kind {
            "file" if change.hard_link.is_none() => format!("  {}", units::bytes(change.file.size)),
            _ => String::new(),
        };
        let causes = change
            .causes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        let causes = if causes.is_empty() {
            causes
        } else {
            format!("  ({causes})")
        };
        let line = format!("{} {name}{size}{causes}", symbol(change.change));
        let line = match change.change {
            Change::Added => style.good(&line),
            Change::Changed => style.notable(&line),
            Change::Removed => style.bad(&line),
            Change::Repeated => style.dim(&line),
        };
        line + &self.sum(closed, style)
    }

    /// What is in a directory that is not shown.
    fn sum(&self, closed: bool, style: Style) -> String {
        let inside = self.count - usize::from(self.change.is_some());
        if !closed || inside == 0 {
            return String::new();
        }
        style.dim(&format!("  … {inside} below, {}", units::bytes(self.bytes)))
    }
}

/// One character for what became of a path.
pub(super) fn symbol(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Changed => '~',
        Change::Removed => '-',
        Change::Repeated => '=',
    }
}

fn waste(waste: &Waste, style: Style) -> String {
    let mut text = format!(
        "\n{}\n",
        style.strong(&format!(
            "files that higher layers replace or remove: {}",
            units::bytes(waste.bytes)
        ))
    );
    for path in waste.paths.iter().take(SHOWN) {
        let layers: Vec<String> = path.layers.iter().map(ToString::to_string).collect();
        let layers = format!(
            "layer{} {}",
            if layers.len() == 1 { "" } else { "s" },
            layers.join(", ")
        );
        let line = format!(
            "{:>9}  {}  {}\n",
            units::bytes(path.bytes),
            sanitize(&path.path),
            style.dim(&layers)
        );
        text.push_str(&line);
    }
    text.push_str(&more(waste.paths.len()));
    let copies = format!(
        "further copies of one content: {}",
        units::bytes(waste.duplicate_bytes)
    );
    text.push_str(&format!("\n{}\n", style.strong(&copies)));
    for one in waste.duplicates.iter().take(SHOWN) {
        let further = one.paths.len() - 1;
        let bytes = units::bytes(one.size * further as u64);
        let count = style.dim(&format!("and {further} more"));
        text.push_str(&format!("{bytes:>9}  {}  {count}\n", sanitize(&one.paths[0])));
    }
    text + &more(waste.duplicates.len())
}

fn more(count: usize) -> String {
    match count.saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("{:>9}  and {more} more: --json has all\n", "…"),
    }
}
