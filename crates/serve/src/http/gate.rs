//! What every request passes: its framing, where it says it comes from and goes to, whose token it has, how many more
//! the client has open.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CONNECTION, HOST, ORIGIN, RETRY_AFTER, TRANSFER_ENCODING, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde_json::json;

use super::Shared;
use super::clients::Client;
use crate::traces::{Span, TraceContext};

/// Asked by programs that know no name of this server, and answered without anything worth a secret.
pub(super) const HEALTH: [&str; 2] = ["/healthz", "/readyz"];

/// Who is at the other end of the connection.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub SocketAddr);

/// An answer that says no, and ends the connection.
pub(crate) fn refusal(status: StatusCode, why: &str) -> Response {
    let said = json!({"error": {"status": status.as_u16(), "message": why}});
    let mut response = (status, axum::Json(said)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    match status {
        StatusCode::UNAUTHORIZED => {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"praxis\""),
            );
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    response
}

type Checked = Result<(), (StatusCode, &'static str)>;

/// The outer gate, for every request.
pub(super) async fn admit(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let span = shared.traces.as_ref().map(|_| begin(&mut request));
    let method = request.method().clone();
    let checked = framing(request.headers()).and_then(|()| match HEALTH.contains(&request.uri().path()) {
        true => Ok(()),
        false => place(&shared, &request),
    });
    let response = match checked {
        Ok(()) => next.run(request).await,
        Err((status, why)) => refusal(status, why),
    };
    if let Some((traces, span)) = shared.traces.as_ref().zip(span) {
        let status = response.status();
        let attributes = [
            ("http.request.method", method.as_str().into()),
            ("http.response.status_code", status.as_u16().into()),
        ];
        traces.end(span, status.is_server_error(), &attributes);
    }
    shared.metrics.answered(response.status());
    response
}

/// Begins the span of a request, and lets what it calls know. A path is what a client says: only the known ones are names.
fn begin(request: &mut Request) -> Span {
    let parent = request
        .headers()
        .get("traceparent")
        .and_then(|parent| parent.to_str().ok());
    let path = ["/mcp", "/metrics", "/healthz", "/readyz"]
        .into_iter()
        .find(|path| *path == request.uri().path());
    let name = format!("{} {}", request.method(), path.unwrap_or("/…"));
    let span = Span::of_request(name, parent.and_then(TraceContext::read));
    request.extensions_mut().insert(span.context());
    span
}

/// A length that is said once and by one header: nothing between client and server can read it otherwise.
fn framing(headers: &HeaderMap) -> Checked {
    if headers.contains_key(TRANSFER_ENCODING) {
        let why = "Transfer-Encoding is not taken: send the body with Content-Length";
        return Err((StatusCode::BAD_REQUEST, why));
    }
    Ok(())
}

/// Whether the request comes from and goes to where it may.
fn place(shared: &Shared, request: &Request) -> Checked {
    let headers = request.headers();
    let proxies = &shared.settings.proxies;
    if !proxies.is_empty() {
        let peer = request.extensions().get::<Peer>();
        let known = peer.is_some_and(|Peer(peer)| proxies.iter().any(|network| network.contains(peer.ip())));
        if !known {
            return Err((
                StatusCode::FORBIDDEN,
                "only the proxy in front of this server may ask it",
            ));
        }
    }
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err((StatusCode::BAD_REQUEST, "a request has exactly one Host"));
    };
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    if !listed(&shared.hosts, host.as_bytes()) || authority.is_some_and(|it| !listed(&shared.hosts, it)) {
        return Err((
            StatusCode::FORBIDDEN,
            "this Host is not one of this server: its operator gives --allow-host",
        ));
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    if origins.any(|origin| !listed(&shared.origins, origin.as_bytes())) {
        return Err((
            StatusCode::FORBIDDEN,
            "pages of this Origin may not call: its operator gives --allow-origin",
        ));
    }
    Ok(())
}

fn listed(known: &[String], said: &[u8]) -> bool {
    known.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(said))
}

/// The inner gate, for all that needs a token.
pub(super) async fn authorise(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let Some(client) = authenticate(&shared, request.headers()) else {
        shared.metrics.turned_away();
        return refusal(
            StatusCode::UNAUTHORIZED,
            "a known token is needed: Authorization: Bearer TOKEN",
        );
    };
    enter(&shared, client, request, next).await
}

/// Lets a known client in, if it has not too much open.
pub(super) async fn enter(
    shared: &Shared,
    client: Arc<Client>,
    mut request: Request,
    next: Next,
) -> Response {
    if *shared.stopping.borrow() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "this server is about to end");
    }
    let Ok(permit) = client.places.clone().try_acquire_owned() else {
        return refusal(
            StatusCode::TOO_MANY_REQUESTS,
            "too many requests of this client are open",
        );
    };
    request.extensions_mut().insert(client);
    let response = next.run(request).await;
    // What is there whole needs no place any more.
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _held = &permit;
            frame
        }))
    })
}

/// The client whose token the request has. A header that is there twice, empty or of another kind is none.
pub(super) fn authenticate(shared: &Shared, headers: &HeaderMap) -> Option<Arc<Client>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (kind, token) = value.as_bytes().split_at_checked(7)?;
    if !kind.eq_ignore_ascii_case(b"bearer ") || token.is_empty() {
        return None;
    }
    shared.clients.find(token)
}
