//! One build as a picture: an SVG that needs nothing else and knows light and dark.

use std::collections::BTreeMap;

use praxis_engine::{BuildRecord, RecordedStep, StepStatus};

use super::{label, seconds};
use crate::progress::units;
use crate::svg::escape;

/// Left of the time line: names of stages.
const MARGIN: f64 = 150.0;
const WIDTH: f64 = 900.0;
const ROW: f64 = 44.0;
const BAR: f64 = 22.0;
const TOP: f64 = 64.0;
/// The narrowest bar.
const LEAST: f64 = 2.0;

const STYLE: &str = "\
svg{--paper:#fff;--ink:#1f2328;--dim:#656d76;--rule:#d0d7de;--done:#2f6feb;--cached:#8c959f;--failed:#cf222e;\
--stopped:#bf8700;--wait:#bf8700;font:12px system-ui,sans-serif}\
@media(prefers-color-scheme:dark){svg{--paper:#0d1117;--ink:#e6edf3;--dim:#8d96a0;--rule:#30363d;--done:#4493f8;\
--cached:#6e7681;--failed:#f85149;--stopped:#d29922;--wait:#d29922}}\
.paper{fill:var(--paper)}text{fill:var(--ink)}.dim{fill:var(--dim)}.title{font-size:16px;font-weight:600}\
.rule{stroke:var(--rule);stroke-width:1}.done{fill:var(--done)}.cached{fill:var(--cached)}.failed{fill:var(--failed)}\
.stopped{fill:var(--stopped)}.wait{stroke:var(--wait);stroke-width:2;stroke-dasharray:3 3}\
.need{fill:none;stroke:var(--dim);stroke-width:1}.in{fill:#fff;font-size:11px}";

/// The picture: stages as rows, steps as bars on a line of time, what waited for what as curves.
pub fn picture(record: &BuildRecord) -> String {
    let rows = rows(&record.steps);
    let scale = Scale {
        whole: record.duration.max(0.001),
    };
    let timed = TOP + rows.len() as f64 * ROW;
    let height = timed + 40.0 + record.steps.len() as f64 * 18.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {height}\" width=\"{w}\" height=\"{height}\" \
         role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n<rect class=\"paper\" width=\"{w}\" \
         height=\"{height}\"/>\n",
        escape(&record.name),
        w = MARGIN + WIDTH + 20.0
    );
    svg.push_str(&title(record));
    axis(&scale, timed, &mut svg);
    let place: BTreeMap<usize, usize> = rows
        .iter()
        .enumerate()
        .flat_map(|(row, (_, steps))| steps.iter().map(move |step| (step.number, row)))
        .collect();
    for (row, (stage, steps)) in rows.iter().enumerate() {
        let y = TOP + row as f64 * ROW;
        svg.push_str(&format!(
            "<text x=\"10\" y=\"{}\">{}</text>\n",
            y + 22.0,
            escape(&units::fit(stage, 20))
        ));
        steps.iter().for_each(|step| bar(step, y, &scale, &mut svg));
    }
    for step in &record.steps {
        needs(step, &record.steps, &place, &scale, &mut svg);
    }
    legend(record, timed + 34.0, &mut svg);
    svg + "</svg>\n"
}

struct Scale {
    whole: f64,
}

impl Scale {
    fn x(&self, time: f64) -> f64 {
        MARGIN + (time / self.whole).clamp(0.0, 1.0) * WIDTH
    }
}

/// Stages in order of their first step, with their steps.
fn rows(steps: &[RecordedStep]) -> Vec<(String, Vec<&RecordedStep>)> {
    let mut rows: Vec<(String, Vec<&RecordedStep>)> = Vec::new();
    for step in steps {
        if step.position == 1 || rows.is_empty() {
            let name = if step.stage.is_empty() {
                "the stage"
            } else {
                &step.stage
            };
            rows.push((name.to_string(), Vec::new()));
        }
        if let Some((_, of_stage)) = rows.last_mut() {
            of_stage.push(step);
        }
    }
    rows
}

fn title(record: &BuildRecord) -> String {
    let (steps, cached) = record.counts();
    format!(
        "<text class=\"title\" x=\"10\" y=\"24\">{}</text>\n<text class=\"dim\" x=\"10\" y=\"42\">{} · {} · {cached} of \
         {steps} steps cached · build {}</text>\n",
        escape(&units::fit(&record.name, 90)),
        escape(&record.started),
        units::duration(seconds(record.duration)),
        escape(&record.id)
    )
}

/// Lines at round times.
fn axis(scale: &Scale, bottom: f64, svg: &mut String) {
    let step = [
        0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 3600.0, 86_400.0,
    ]
    .into_iter()
    .find(|step| scale.whole / step <= 10.0)
    .unwrap_or(scale.whole);
    for number in 0..=10 {
        let time = f64::from(number) * step;
        if time > scale.whole {
            break;
        }
        let x = scale.x(time);
        let shown = if step < 1.0 {
            format!("{time:.2}s")
        } else {
            units::duration(seconds(time))
        };
        svg.push_str(&format!(
            "<line class=\"rule\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\n<text class=\"dim\" \
             x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{shown}</text>\n",
            bottom + 14.0
        ));
    }
}

fn class(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Cached => "cached",
        StepStatus::Done => "done",
        StepStatus::Failed => "failed",
        StepStatus::Stopped => "stopped",
    }
}

fn bar(step: &RecordedStep, y: f64, scale: &Scale, svg: &mut String) {
    let Some(started) = step.started else { return };
    let x = scale.x(started);
    let width = (scale.x(started + step.took) - x).max(LEAST);
    let middle = y + ROW / 2.0;
    if !step.needs.is_empty() && step.waited > 0.0 {
        let from = scale.x(started - step.waited);
        svg.push_str(&format!(
            "<line class=\"wait\" x1=\"{from:.1}\" x2=\"{x:.1}\" y1=\"{middle}\" y2=\"{middle}\"/>\n"
        ));
    }
    svg.push_str(&format!(
        "<rect class=\"{}\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\"><title>#{} {} ({})</title>\
         </rect>\n",
        class(step.status),
        middle - BAR / 2.0,
        step.number,
        escape(&label(step)),
        units::duration(seconds(step.took))
    ));
    if width > 28.0 {
        svg.push_str(&format!(
            "<text class=\"in\" x=\"{:.1}\" y=\"{}\">#{}</text>\n",
            x + 4.0,
            middle + 4.0,
            step.number
        ));
    }
}

/// Curves from the steps that this one waited for.
fn needs(
    step: &RecordedStep,
    all: &[RecordedStep],
    place: &BTreeMap<usize, usize>,
    scale: &Scale,
    svg: &mut String,
) {
    let Some(started) = step.started else { return };
    let middle = |number| place.get(&number).map(|row| TOP + *row as f64 * ROW + ROW / 2.0);
    for need in step
        .needs
        .iter()
        .filter_map(|number| all.get(number.checked_sub(1)?))
    {
        let (Some(ended), Some(from), Some(to)) = (
            need.started.map(|started| started + need.took),
            middle(need.number),
            middle(step.number),
        ) else {
            continue;
        };
        let (x1, x2) = (scale.x(ended), scale.x(started));
        let bend = (x1 + x2) / 2.0;
        svg.push_str(&format!(
            "<path class=\"need\" d=\"M{x1:.1} {from}C{bend:.1} {from} {bend:.1} {to} {x2:.1} {to}\"/>\n"
        ));
    }
}

fn legend(record: &BuildRecord, top: f64, svg: &mut String) {
    for (index, step) in record.steps.iter().enumerate() {
        let y = top + index as f64 * 18.0;
        svg.push_str(&format!(
            "<rect class=\"{}\" x=\"10\" y=\"{}\" width=\"10\" height=\"10\" rx=\"2\"/><text x=\"28\" y=\"{y}\">#{} \
             {}</text><text class=\"dim\" x=\"{}\" y=\"{y}\" text-anchor=\"end\">{}</text>\n",
            class(step.status),
            y - 9.0,
            step.number,
            escape(&units::fit(&label(step), 130)),
            MARGIN + WIDTH,
            units::duration(seconds(step.took))
        ));
    }
}
