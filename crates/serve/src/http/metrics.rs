//! What a monitor wants to know, as Prometheus' text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::Shared;

/// Counts of requests.
#[derive(Default)]
pub(crate) struct Metrics {
    answers: Mutex<BTreeMap<u16, u64>>,
    turned_away: AtomicU64,
    /// Connections that are open.
    pub connections: AtomicU64,
}

impl Metrics {
    pub fn answered(&self, status: StatusCode) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry(status.as_u16()).or_default() += 1;
    }

    pub fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }
}

/// `/metrics`.
pub(super) async fn show(State(shared): State<Shared>) -> impl IntoResponse {
    let mut text = String::new();
    let metrics = &shared.metrics;
    family(
        &mut text,
        "praxis_http_responses_total",
        "counter",
        "Answers by status.",
    );
    for (status, count) in metrics
        .answers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .iter()
    {
        let _ = writeln!(text, "praxis_http_responses_total{{status=\"{status}\"}} {count}");
    }
    let count = metrics.turned_away.load(Ordering::Relaxed);
    one(
        &mut text,
        "praxis_http_unauthorized_total",
        "counter",
        "Requests without a known token.",
        count,
    );
    let count = metrics.connections.load(Ordering::Relaxed);
    one(
        &mut text,
        "praxis_http_connections",
        "gauge",
        "Connections that are open.",
        count,
    );
    if let Some(traces) = &shared.traces {
        let help = "Spans that could not be sent.";
        one(
            &mut text,
            "praxis_spans_dropped_total",
            "counter",
            help,
            traces.dropped(),
        );
    }
    let mut sessions = 0;
    for face in shared.faces.values() {
        sessions += face.sessions().await as u64;
    }
    one(
        &mut text,
        "praxis_mcp_sessions",
        "gauge",
        "Sessions of MCP that are open.",
        sessions,
    );
    let jobs = shared.toolbox.running() as u64;
    one(
        &mut text,
        "praxis_jobs_running",
        "gauge",
        "Builds and tests that run.",
        jobs,
    );
    let most = shared.toolbox.policy.most_jobs as u64;
    one(
        &mut text,
        "praxis_jobs_limit",
        "gauge",
        "Builds and tests that may run at once.",
        most,
    );
    family(
        &mut text,
        "praxis_tool_calls_total",
        "counter",
        "Calls of tools by how they ended.",
    );
    let calls = shared.toolbox.tally.all();
    for ((tool, outcome), told) in &calls {
        let labels = format!("tool=\"{tool}\",outcome=\"{outcome}\"");
        let _ = writeln!(text, "praxis_tool_calls_total{{{labels}}} {}", told.count);
    }
    family(
        &mut text,
        "praxis_tool_seconds_total",
        "counter",
        "Seconds that calls of tools took.",
    );
    for ((tool, outcome), told) in &calls {
        let labels = format!("tool=\"{tool}\",outcome=\"{outcome}\"");
        let _ = writeln!(
            text,
            "praxis_tool_seconds_total{{{labels}}} {:.3}",
            told.time.as_secs_f64()
        );
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn one(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    family(text, name, kind, help);
    let _ = writeln!(text, "{name} {value}");
}
