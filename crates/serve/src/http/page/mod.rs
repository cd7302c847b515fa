//! The page for people: made on the server, without anything from elsewhere.

mod image;
mod login;
mod source;
mod timeline;
mod view;

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use maud::{Markup, html};
use praxis_engine::EngineError;
use serde::Deserialize;

use super::Shared;
use super::api::{apart, events, graph, stop};
use super::clients::Client;
use crate::{ToolError, Untrusted};

pub(crate) use login::Logins;
pub(super) use timeline::timeline;

/// Own style and script alone; nothing in a page can add to that.
const CONTENT: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                       form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Records of the ledger on one page.
const MOST_RECORDS: usize = 200;

type Asker = Extension<Arc<Client>>;

/// The page; all but the way in needs a cookie, which opens nothing else.
pub(super) fn routes(shared: &Shared) -> Router<Shared> {
    let inside = Router::new()
        .route("/", get(builds))
        .route("/builds/{id}", get(build))
        .route("/builds/{id}/cancel", post(cancel))
        .route("/builds/{id}/events", get(events))
        .route("/builds/{id}/graph", get(graph))
        .route("/image", get(picture))
        .route("/ledger", get(ledger))
        .route("/logout", post(login::leave))
        .route_layer(middleware::from_fn_with_state(shared.clone(), login::authorise));
    let outside = Router::new()
        .route("/login", get(login::ask).post(login::enter))
        .route("/page/style.css", get(style))
        .route("/page/live.js", get(script));
    inside.merge(outside).layer(middleware::map_response(confined))
}

async fn confined(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT));
    // Without a referrer, browsers send no Origin with a form.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

async fn style() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("style.css"),
    )
}

async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        include_str!("live.js"),
    )
}

/// A text of unknown origin, without what could lead the eye astray. Escaping is not its matter.
fn clean(text: &str) -> String {
    Untrusted::text(text).as_str().to_string()
}

/// A page, or one that says why there is none.
async fn shown(
    shared: &Shared,
    client: &Client,
    work: impl FnOnce(&Shared) -> Result<(String, Markup), ToolError> + Send + 'static,
) -> Response {
    let name = client.name.clone();
    let done = apart(shared, move |shared, _| work(shared)).await;
    match done {
        Ok(Ok((title, body))) => Html(view::layout(&title, Some(&name), &body).into_string()).into_response(),
        Ok(Err(error)) => {
            let body = html! { h1 { "Not to be shown" } p class="bad" { (clean(&error.message)) } };
            let page = view::layout("Not to be shown", Some(&name), &body);
            (StatusCode::NOT_FOUND, Html(page.into_string())).into_response()
        }
        Err(response) => response,
    }
}

async fn builds(State(shared): State<Shared>, Extension(client): Asker) -> Response {
    shown(&shared, &client, |shared| {
        let builds = shared.toolbox.builds()?;
        Ok(("Builds".into(), view::builds(&builds)))
    })
    .await
}

/// Which part of a build's log.
#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    search: String,
}

async fn build(
    State(shared): State<Shared>,
    Extension(client): Asker,
    Path(id): Path<String>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let search = query.map(|Query(wanted)| wanted.search).unwrap_or_default();
    let caller = client.caller();
    shown(&shared, &client, move |shared| {
        // First, so that no event is missed between the record and the stream.
        let latest = shared.toolbox.jobs.find(&id).map_or(0, |job| job.latest());
        let seen = shared.toolbox.build(&id)?;
        let source = source::of(&shared.toolbox, &caller, &seen.record);
        let title = clean(&seen.record.name);
        Ok((title, view::build(&seen, latest, source.as_ref(), &search)))
    })
    .await
}

/// Which image.
#[derive(Default, Deserialize)]
struct Which {
    #[serde(default)]
    name: String,
}

async fn picture(
    State(shared): State<Shared>,
    Extension(client): Asker,
    query: Result<Query<Which>, QueryRejection>,
) -> Response {
    let name = query.map(|Query(which)| which.name).unwrap_or_default();
    let caller = client.caller();
    shown(&shared, &client, move |shared| {
        let known = shared.toolbox.image(&caller, &name)?;
        let body = image::look(&shared.toolbox, &known)?;
        Ok((clean(&name), body))
    })
    .await
}

async fn ledger(State(shared): State<Shared>, Extension(client): Asker) -> Response {
    shown(&shared, &client, |shared| {
        let Some(ledger) = shared.toolbox.engine.ledger()? else {
            return Ok((
                "Ledger".into(),
                html! { h1 { "Ledger" } p { "Nothing is written down yet." } },
            ));
        };
        let verified = ledger.verify(&[]).map_err(EngineError::from)?;
        let records = ledger.latest(MOST_RECORDS, |_| true).unwrap_or_default();
        Ok(("Ledger".into(), view::ledger(&records, &verified)))
    })
    .await
}

async fn cancel(State(shared): State<Shared>, Extension(client): Asker, Path(id): Path<String>) -> Response {
    let place = format!("/builds/{id}");
    let stopped = {
        let client = client.clone();
        apart(&shared, move |shared, _| stop(shared, &client, &id)).await
    };
    match stopped {
        Ok(Ok(())) => Redirect::to(&place).into_response(),
        Ok(Err(error)) => shown(&shared, &client, move |_| Err(error)).await,
        Err(response) => response,
    }
}
