//! What to know about a build that ended well: what was cached, what took long, what came out.

use std::time::Duration;

use praxis_engine::{BuildResponse, LayerInfo};

use super::record::Record;
use super::sanitize::sanitize;
use super::style::Style;
use super::units;

/// Steps shown in the time line.
const SLOWEST: usize = 6;

/// Layers shown for an image; more are counted.
const LAYERS: usize = 12;

/// The summary as text for a terminal of `width` columns.
pub fn summary(record: &Record, response: &BuildResponse, width: usize, style: Style) -> String {
    let took = record.elapsed();
    let mut text = format!("\n{} in {}", style.strong("Built"), units::duration(took));
    if response.steps > 0 {
        text.push_str(&format!(
            " · {} of {} steps cached",
            response.cached, response.steps
        ));
    }
    text.push('\n');
    time_line(record, took, width, style, &mut text);
    for (digest, layers) in &record.images {
        image(digest, layers, width, style, &mut text);
    }
    for (kind, destination, bytes) in &record.exports {
        let size = if *bytes == 0 {
            "unchanged".into()
        } else {
            units::bytes(*bytes)
        };
        text.push_str(&format!("  → {destination} ({kind}, {size})\n"));
    }
    if !record.warnings.is_empty() {
        text.push_str(&style.notable(&format!("  {} warning(s), see above\n", record.warnings.len())));
    }
    text
}

/// The slowest steps in their order, each with a bar where it lay in time.
fn time_line(record: &Record, took: Duration, width: usize, style: Style, text: &mut String) {
    let mut steps: Vec<(Duration, Duration, &str)> = record
        .steps
        .iter()
        .filter(|step| !step.cached)
        .filter_map(|step| Some((step.started?, step.took?, step.label.as_str())))
        .filter(|(_, took, _)| *took >= Duration::from_millis(50))
        .collect();
    steps.sort_by_key(|(_, took, _)| std::cmp::Reverse(*took));
    steps.truncate(SLOWEST);
    if steps.is_empty() || width < 40 {
        return;
    }
    steps.sort_by_key(|(started, ..)| *started);
    let columns = (width / 3).clamp(10, 40);
    let label = width.saturating_sub(columns + 13);
    text.push_str(&format!("\n  {}\n", style.strong("What took long")));
    for (started, step_took, name) in steps {
        let bar = bar(started, step_took, took, columns);
        let time = units::duration(step_took);
        text.push_str(&format!(
            "  {} {} {time:>7}\n",
            units::pad(name, label),
            style.active(&bar)
        ));
    }
}

/// A bar of `columns` cells for the time from `started` on, in a build that took `whole`.
fn bar(started: Duration, took: Duration, whole: Duration, columns: usize) -> String {
    let cell =
        |time: Duration| (time.as_secs_f64() / whole.as_secs_f64().max(0.001) * columns as f64) as usize;
    let from = cell(started).min(columns - 1);
    let to = cell(started + took).clamp(from + 1, columns);
    "·".repeat(from) + &"█".repeat(to - from) + &"·".repeat(columns - to)
}

fn image(digest: &str, layers: &[LayerInfo], width: usize, style: Style, text: &mut String) {
    text.push_str(&format!("\n  {}\n", style.strong("Layers")));
    let skipped = layers.len().saturating_sub(LAYERS);
    if skipped > 0 {
        text.push_str(&format!("  … {skipped} more below\n"));
    }
    for layer in &layers[skipped..] {
        let digest = layer.digest.to_string();
        let created_by = layer.created_by.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = format!(
            "{}  {:>9}  {}",
            units::short_digest(&digest),
            units::bytes(layer.size),
            sanitize(&created_by)
        );
        text.push_str(&format!("  {}\n", units::fit(&line, width.saturating_sub(3))));
    }
    let total: u64 = layers.iter().map(|layer| layer.size).sum();
    text.push_str(&format!(
        "\n  {} in {} layers\n  {digest}\n",
        units::bytes(total),
        layers.len()
    ));
}

#[cfg(test)]
mod tests {
    use praxis_engine::Event;
    use unicode_width::UnicodeWidthStr;

    use super::super::record::tests::info;
    use super::*;

    fn response() -> BuildResponse {
        BuildResponse {
            digest: None,
            config_digest: None,
            size: 0,
            media_type: String::new(),
            steps: 3,
            cached: 1,
            plan: None,
            graph: None,
        }
    }

    #[test]
    fn bars_show_when_and_how_long() {
        let seconds = Duration::from_secs;
        assert_eq!(bar(seconds(0), seconds(5), seconds(10), 10), "█████·····");
        assert_eq!(bar(seconds(5), seconds(5), seconds(10), 10), "·····█████");
        assert_eq!(bar(seconds(10), seconds(0), seconds(10), 4), "···█");
        assert_eq!(bar(seconds(0), seconds(1), seconds(0), 4), "████");
    }

    #[test]
    fn says_what_was_cached_slow_and_made() {
        let mut record = Record::new();
        let long = format!("RUN {}", "漢".repeat(100));
        record.take(&Event::Planned {
            first: 0,
            steps: vec![info("a", 1, 3, "FROM x"), info("a", 2, 3, &long)],
        });
        record.take(&Event::Finished {
            step: 0,
            cached: true,
            took: Duration::ZERO,
        });
        record.take(&Event::Finished {
            step: 1,
            cached: false,
            took: Duration::from_secs(3),
        });
        let digest: praxis_oci::Digest = format!("sha256:{}", "b".repeat(64)).parse().unwrap();
        let layer = LayerInfo {
            digest,
            size: 1_500_000,
            created_by: "RUN a\u{1b}[2J".into(),
        };
        record.take(&Event::Image {
            digest,
            layers: vec![layer],
        });
        record.take(&Event::Exported {
            kind: "oci".into(),
            destination: "x.tar".into(),
            bytes: 0,
        });
        let text = summary(&record, &response(), 80, Style::none());
        for part in [
            "1 of 3 steps cached",
            "█",
            "3.0s",
            "1.5 MB",
            "RUN a\\x1b[2J",
            "x.tar (oci, unchanged)",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.lines().all(|line| line.width() <= 100), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
