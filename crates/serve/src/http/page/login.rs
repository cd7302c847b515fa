//! The way in for a browser: a token once, then a cookie that no script sees and no other site sends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::header::{COOKIE, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use praxis_oci::Digest;
use rustix::rand::{GetRandomFlags, getrandom};

use super::view;
use crate::http::clients::Client;
use crate::http::gate::{self, refusal};
use crate::http::{Shared, body};

const COOKIE_NAME: &str = "praxis";
/// How long somebody stays signed in.
const LASTS: Duration = Duration::from_secs(8 * 3600);
/// The most that are signed in at once; the first to come is the first to go.
const MOST: usize = 1024;

/// Who is signed in. Of a cookie only the digest is kept.
#[derive(Default)]
pub(crate) struct Logins(Mutex<VecDeque<Login>>);

struct Login {
    id: Digest,
    client: Arc<Client>,
    until: Instant,
}

impl Logins {
    /// Signs a client in; the value of its cookie.
    fn add(&self, client: Arc<Client>, now: Instant) -> Option<String> {
        let mut random = [0; 32];
        let filled = getrandom(&mut random, GetRandomFlags::empty()).ok()?;
        if filled != random.len() {
            return None;
        }
        let value: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|login| login.until > now);
        if logins.len() >= MOST {
            logins.pop_front();
        }
        logins.push_back(Login {
            id: Digest::of(value.as_bytes()),
            client,
            until: now + LASTS,
        });
        Some(value)
    }

    fn find(&self, value: &str, now: Instant) -> Option<Arc<Client>> {
        let id = Digest::of(value.as_bytes());
        let logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = logins.iter().find(|login| login.id == id && login.until > now);
        found.map(|login| login.client.clone())
    }

    fn remove(&self, value: &str) {
        let id = Digest::of(value.as_bytes());
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|login| login.id != id);
    }
}

/// The value of the cookie; none if there are several.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let pairs = all
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut own = pairs
        .filter(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value);
    own.next().filter(|_| own.next().is_none())
}

/// The gate of the page. What changes something has to come from this page: it says so in `Origin`.
pub(super) async fn authorise(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let known = cookie(request.headers()).and_then(|value| shared.logins.find(value, Instant::now()));
    let Some(client) = known else {
        return Redirect::to("/login").into_response();
    };
    if request.method() != Method::GET && !request.headers().contains_key(ORIGIN) {
        return refusal(
            StatusCode::FORBIDDEN,
            "a form has to come from this server's own page",
        );
    }
    gate::enter(&shared, client, request, next).await
}

/// Asks for a token.
pub(super) async fn ask() -> Html<String> {
    Html(view::login(false).into_string())
}

/// Takes a token, and gives a cookie for it.
pub(super) async fn enter(State(shared): State<Shared>, request: Request) -> Response {
    let read = body::of_kind("application/x-www-form-urlencoded", &shared.limits, request).await;
    let bytes = match read {
        Ok((_, bytes)) => bytes,
        Err(response) => return response,
    };
    let token = field(&bytes, b"token").unwrap_or_default();
    let login = shared
        .clients
        .find(&token)
        .and_then(|client| shared.logins.add(client, Instant::now()));
    let Some(value) = login else {
        shared.metrics.turned_away();
        return (StatusCode::UNAUTHORIZED, Html(view::login(true).into_string())).into_response();
    };
    let secure = if shared.settings.secure() { "; Secure" } else { "" };
    let age = LASTS.as_secs();
    let set = format!("{COOKIE_NAME}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}{secure}");
    ([(SET_COOKIE, set)], Redirect::to("/")).into_response()
}

/// Signs out.
pub(super) async fn leave(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    if let Some(value) = cookie(&headers) {
        shared.logins.remove(value);
    }
    let gone = format!("{COOKIE_NAME}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    ([(SET_COOKIE, gone)], Redirect::to("/login")).into_response()
}

/// A field of a form; `%XX` and `+` are read as browsers write them.
fn field(form: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let pair = form.split(|byte| *byte == b'&').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        (&pair[..at] == wanted).then(|| &pair[at + 1..])
    })?;
    let mut value = Vec::new();
    let mut bytes = pair.iter();
    while let Some(byte) = bytes.next() {
        value.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [*bytes.next()?, *bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => *byte,
        });
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_as_browsers_write_it() {
        let form = b"a=1&token=x%2By+z%21&b=";
        assert_eq!(field(form, b"token").unwrap(), b"x+y z!");
        assert_eq!(field(form, b"b").unwrap(), b"");
        assert_eq!(field(form, b"c"), None);
        assert_eq!(field(b"token=%2", b"token"), None);
        assert_eq!(field(b"token=%\xff\xff", b"token"), None);
    }

    #[test]
    fn service_row_a_cookie_that_is_there_twice_is_none() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "other=1; praxis=abc".parse().unwrap());
        assert_eq!(cookie(&headers), Some("abc"));
        headers.append(COOKIE, "praxis=def".parse().unwrap());
        assert_eq!(cookie(&headers), None);
    }
}
