//! The time line of a build: what ran when, what waited for what, what was in the store.

use maud::{Markup, html};
use praxis_engine::{BuildRecord, RecordedStep, StepStatus};

use super::clean;

const LABEL: f64 = 330.0;
const WIDTH: f64 = 1000.0;
const ROW: f64 = 22.0;
const TOP: f64 = 28.0;
/// Steps of one picture.
const MOST: usize = 400;

/// The picture. Its colours are those of the page, and plain ones where there is none.
pub(crate) fn timeline(record: &BuildRecord) -> Markup {
    let steps = &record.steps[..record.steps.len().min(MOST)];
    let ends = steps.iter().filter_map(|step| Some(step.started? + step.took));
    let whole = ends.fold(record.duration, f64::max).max(0.001);
    let x = |seconds: f64| LABEL + (seconds / whole).clamp(0.0, 1.0) * (WIDTH - LABEL - 70.0);
    let y = |index: usize| TOP + index as f64 * ROW;
    let height = y(steps.len()) + 8.0;
    html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (WIDTH) " " (height) } role="img" class="timeline"
            font-family="system-ui, sans-serif" font-size="12" {
            title { "Time line of " (clean(&record.name)) }
            @for tick in 0..=4u8 {
                @let seconds = whole * f64::from(tick) / 4.0;
                line class="tick" stroke="#ddd" x1=(at(x(seconds))) x2=(at(x(seconds))) y1="20" y2=(at(height)) {}
                text class="dim" fill="#666" x=(at(x(seconds))) y="14" text-anchor="middle" { (time(seconds)) }
            }
            @for (index, step) in steps.iter().enumerate() {
                @for need in step.needs.iter().filter_map(|number| steps.get(number.checked_sub(1)?)) {
                    @if let (Some(from), Some(to)) = (need.started, step.started) {
                        @let (from, to) = (x(from + need.took), x(to));
                        @let (above, below) = (y(need.number - 1) + ROW / 2.0, y(index) + ROW / 2.0);
                        path class="need" fill="none" stroke="#8250df"
                            d={ "M" (at(from)) " " (at(above)) "C" (at(from + 14.0)) " " (at(above)) " "
                                (at(to - 14.0)) " " (at(below)) " " (at(to)) " " (at(below)) } {}
                    }
                }
            }
            @for (index, step) in steps.iter().enumerate() {
                text class="label" fill="#222" x="4" y=(at(y(index) + 15.0)) { (label(step)) }
                @if let Some(started) = step.started {
                    @if step.waited > 0.0 {
                        rect class="wait" fill="#ddd" x=(at(x(started - step.waited))) y=(at(y(index) + 8.0))
                            width=(at(x(started) - x(started - step.waited))) height="6" {}
                    }
                    rect class={ "bar " (word(record, step)) } fill=(colour(step)) x=(at(x(started))) y=(at(y(index) + 4.0)) rx="2"
                        width=(at((x(started + step.took) - x(started)).max(4.0))) height="14" {}
                    text class="dim" fill="#666" x=(at(x(started + step.took).max(x(started) + 4.0) + 6.0)) y=(at(y(index) + 15.0)) {
                        @if step.status == StepStatus::Cached { "cached" } @else { (time(step.took)) }
                    }
                } @else {
                    text class="dim" fill="#666" x=(at(LABEL)) y=(at(y(index) + 15.0)) { (word(record, step)) }
                }
            }
        }
    }
}

/// One decimal is enough for a place.
fn at(place: f64) -> String {
    format!("{place:.1}")
}

/// A time for people.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 60.0 => format!("{seconds:.1} s"),
        seconds => format!("{} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

fn label(step: &RecordedStep) -> String {
    let name = clean(&step.name);
    let stage = match step.stage.as_str() {
        "" => String::new(),
        stage => format!("{} ", clean(stage)),
    };
    let whole = format!(
        "{} {stage}{}",
        step.number,
        name.lines().next().unwrap_or_default()
    );
    match whole.char_indices().nth(48) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

/// A status in one word; what has neither begun nor ended waits only while the build runs.
pub(super) fn word(record: &BuildRecord, step: &RecordedStep) -> &'static str {
    let runs = record.ended.is_empty();
    match (step.status, step.started) {
        (StepStatus::Cached, _) => "cached",
        (StepStatus::Done, _) => "done",
        (StepStatus::Failed, _) => "failed",
        (StepStatus::Stopped, Some(_)) if runs => "running",
        (StepStatus::Stopped, Some(_)) => "stopped",
        (StepStatus::Stopped, None) if runs => "waiting",
        (StepStatus::Stopped, None) => "skipped",
    }
}

fn colour(step: &RecordedStep) -> &'static str {
    match step.status {
        StepStatus::Cached => "#1a7f37",
        StepStatus::Done => "#2f6feb",
        StepStatus::Failed => "#cf222e",
        StepStatus::Stopped => "#bf8700",
    }
}
