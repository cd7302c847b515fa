//! The events of a build as server-sent events.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use serde_json::json;

use super::{apart, problem};
use crate::http::Shared;
use crate::jobs::Job;
use crate::{ToolError, ToolErrorKind};

/// How often something is sent when nothing happens, so that it shows when the client is gone.
const PULSE: Duration = Duration::from_secs(15);

/// Each event is JSON with its number as the id: `Last-Event-ID` takes up where a client was. The last one is `ended`.
pub(crate) async fn events(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let last = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let after: u64 = last.unwrap_or(0);
    let (sender, body) = Channel::<Bytes, ToolError>::new(8);
    let jobs = &shared.toolbox.jobs;
    match jobs.find(&id).or_else(|| Some(jobs.running(&id)?.0)) {
        Some(job) => {
            tokio::spawn(async move {
                let mut stopping = shared.stopping.clone();
                tokio::select! {
                    _ = follow(&job, after, sender) => {}
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
            });
        }
        None => {
            let seen = apart(&shared, move |shared, _| shared.toolbox.build(&id));
            let status = match seen.await {
                Ok(Ok(seen)) => seen.status(),
                Ok(Err(error)) => return problem(&error),
                Err(response) => return response,
            };
            let told = json!({"event": "ended", "result": {"status": status}}).to_string();
            tokio::spawn(async move { send(&mut { sender }, 1, &told).await });
        }
    }
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::new(body)).into_response()
}

async fn follow(job: &Job, mut after: u64, mut sender: Sender<Bytes, ToolError>) -> Result<(), ToolError> {
    let mut news = job.news();
    loop {
        news.borrow_and_update();
        for told in job.after(after) {
            send(&mut sender, told.number, &told.text).await?;
            after = told.number;
            if told.last {
                return Ok(());
            }
        }
        if job.ended() && job.latest() <= after {
            return Ok(());
        }
        if tokio::time::timeout(PULSE, news.changed()).await.is_err() {
            give(&mut sender, ": \n\n".into()).await?;
        }
    }
}

async fn send(sender: &mut Sender<Bytes, ToolError>, number: u64, text: &str) -> Result<(), ToolError> {
    give(sender, format!("id: {number}\ndata: {text}\n\n")).await
}

async fn give(sender: &mut Sender<Bytes, ToolError>, text: String) -> Result<(), ToolError> {
    let gone = |_| ToolError::new(ToolErrorKind::Cancelled, "the client is gone");
    sender.send_data(text.into()).await.map_err(gone)
}
