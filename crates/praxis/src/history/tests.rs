use praxis_engine::{BuildRecord, RecordedStep};
use serde_json::json;

use super::*;

fn step(number: usize, stage: &str, position: usize, more: serde_json::Value) -> RecordedStep {
    let mut value = json!({
        "number": number, "stage": stage, "position": position, "count": 2, "name": format!("RUN step {number}"),
        "needs": [], "status": "done", "started": 0.0, "waited": 0.0, "took": 1.0, "layers": [],
    });
    let fields = value.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    serde_json::from_value(value).unwrap()
}

fn record() -> BuildRecord {
    let mut record: BuildRecord = serde_json::from_value(json!({
        "id": "0123456789abcdef", "name": "app:1", "status": "done", "started": "2026-01-01T00:00:00Z",
        "ended": "2026-01-01T00:00:04Z", "duration": 4.0, "context": ".", "platforms": [], "tags": [],
        "build_args": {"MODE": "fast", "TOKEN": null}, "secrets": ["npm"], "ssh": [], "steps": [], "images": [],
        "outputs": [], "warnings": [],
    }))
    .unwrap();
    record.steps = vec![
        step(1, "tools", 1, json!({"status": "cached", "took": 0.0})),
        step(2, "tools", 2, json!({"took": 2.0})),
        step(3, "stage-1", 1, json!({"name": "FROM <a>&\u{1b}[2J"})),
        step(
            4,
            "stage-1",
            2,
            json!({"started": 2.0, "waited": 1.0, "took": 2.0, "needs": [2]}),
        ),
    ];
    record
}

#[test]
fn a_build_in_a_list() {
    let text = listing(&[record()], SystemTime::now(), 100, Style::none());
    let line = text.lines().nth(1).unwrap();
    for part in ["0123456789abcdef", "app:1", "done", "days ago", "4.0s", "1/4"] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn a_build_by_itself_shows_work_and_waiting() {
    let text = story(&record(), 100, Style::none());
    for part in [
        "1 of 4 cached",
        "argument  MODE=fast",
        "argument  TOKEN=(not kept)",
        "[tools 1/2] RUN step 1",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let last = text.lines().last().unwrap();
    let bar = last.split_whitespace().last().unwrap();
    assert!(bar.contains('░') && bar.ends_with('█'), "{last}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn row_72_a_picture_is_well_formed_whatever_the_names() {
    let svg = picture(&record());
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains("FROM &lt;a&gt;&amp;\\x1b[2J"), "{svg}");
    assert!(!svg.contains('\u{1b}') && !svg.contains("<script") && !svg.contains("href"));
    assert_eq!(svg.matches("class=\"need\"").count(), 1);
    assert_eq!(svg.matches("class=\"wait\"").count(), 1);
    assert!(svg.contains("prefers-color-scheme:dark"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn numbers_that_no_build_has_are_shown_as_nothing() {
    let mut odd = record();
    odd.duration = -1.0;
    odd.steps[1].took = f64::MAX;
    odd.steps[3].needs = vec![0, 99];
    let svg = picture(&odd);
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    assert!(!story(&odd, 20, Style::none()).is_empty());
}
