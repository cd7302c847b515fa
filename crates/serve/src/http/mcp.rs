//! MCP over HTTP: one face for each client, so that a session is nobody else's.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::clients::Client;
use super::gate::refusal;
use super::presence::Presence;
use super::settings::Limits;
use super::{Shared, body};
use crate::mcp::Service;
use crate::traces::Traces;
use crate::{Toolbox, Tools};

const SESSION: &str = "mcp-session-id";
/// Silence after which a session ends that has nothing to do.
const IDLE: Duration = Duration::from_secs(300);

/// MCP for one client.
pub(crate) struct Face {
    service: StreamableHttpService<Service, LocalSessionManager>,
    sessions: Arc<LocalSessionManager>,
    presence: Presence,
}

impl Face {
    /// The tools for a client, until `end`.
    pub fn new(
        client: &Client,
        toolbox: &Arc<Toolbox>,
        tools: &Arc<Tools>,
        limits: &Limits,
        traces: Option<Traces>,
        end: &CancellationToken,
    ) -> Face {
        let mut sessions = LocalSessionManager::default();
        // Not shorter than what a call may take without a word.
        sessions.session_config.keep_alive = Some(toolbox.policy.longest_job + IDLE);
        let sessions = Arc::new(sessions);
        // Host and Origin have been looked at by the gate.
        let config = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_max_request_body_bytes(limits.message)
            .with_cancellation_token(end.clone());
        let service = Service::new(toolbox.clone(), tools.clone(), client.caller()).traced(traces);
        Face {
            service: StreamableHttpService::new(move || Ok(service.clone()), sessions.clone(), config),
            presence: Presence::new(limits.reconnect, sessions.clone()),
            sessions,
        }
    }

    async fn knows(&self, session: Option<&str>) -> bool {
        self.sessions
            .sessions
            .read()
            .await
            .contains_key(session.unwrap_or_default())
    }

    /// How many sessions are open.
    pub async fn sessions(&self) -> usize {
        self.sessions.sessions.read().await.len()
    }
}

/// `/mcp`.
pub(super) async fn serve(
    State(shared): State<Shared>,
    Extension(client): Extension<Arc<Client>>,
    request: Request,
) -> Response {
    let Some(face) = shared.faces.get(&client.name) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such client");
    };
    let request = match request.method() {
        &Method::POST => match body::json(&shared.limits, request).await {
            Ok((parts, bytes)) => {
                let full = begins(&parts.headers, &bytes) && face.sessions().await >= shared.limits.sessions;
                if full {
                    return refusal(
                        StatusCode::TOO_MANY_REQUESTS,
                        "too many sessions of this client are open",
                    );
                }
                Request::from_parts(parts, Body::from(bytes))
            }
            Err(response) => return response,
        },
        _ => request,
    };
    let session = header(request.headers(), SESSION).map(String::from);
    if request.method() == Method::DELETE && !face.knows(session.as_deref()).await {
        return refusal(StatusCode::NOT_FOUND, "there is no such session");
    }
    // The stream of a call, or one that takes up such a stream again; not the one for whatever else may be said.
    let carries = request.method() == Method::POST || request.headers().contains_key("last-event-id");
    let response = face.service.handle(request).await.map(Body::new);
    let streams =
        header(response.headers(), CONTENT_TYPE.as_str()).is_some_and(|kind| kind.contains("event-stream"));
    match session {
        Some(session) if streams => face.presence.watch(&session, carries, response),
        _ => response,
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a message begins a session.
fn begins(headers: &HeaderMap, message: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Method<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
    }
    let method = serde_json::from_slice::<Method<'_>>(message);
    !headers.contains_key(SESSION) && method.is_ok_and(|message| message.method == "initialize")
}
