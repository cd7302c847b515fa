//! Whether somebody still waits for what a session's calls give.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;

/// The streams of sessions. The protocol lets a client lose its connection and take up the stream again; one that does
/// not come back in time ends its session, and with it what runs.
#[derive(Clone)]
pub(super) struct Presence {
    patience: Duration,
    sessions: Arc<LocalSessionManager>,
    watched: Arc<Mutex<HashMap<String, Streams>>>,
}

#[derive(Default)]
struct Streams {
    open: usize,
    /// A stream with a result to come was cut.
    cut: bool,
    /// Counts what happened, so that a wait knows whether something did.
    turn: u64,
}

/// One open stream.
struct Stream {
    presence: Presence,
    session: String,
    carries: bool,
    ended: bool,
}

impl Presence {
    pub fn new(patience: Duration, sessions: Arc<LocalSessionManager>) -> Presence {
        Presence {
            patience,
            sessions,
            watched: Arc::default(),
        }
    }

    /// Watches the stream of a response; `carries`: a result is to come on it.
    pub fn watch(&self, session: &str, carries: bool, response: Response) -> Response {
        self.change(session, |streams| {
            streams.open += 1;
            streams.cut &= !carries;
        });
        let stream = Stream {
            presence: self.clone(),
            session: session.into(),
            carries,
            ended: false,
        };
        response.map(|body| Body::new(Watched { body, stream }))
    }

    fn change(&self, session: &str, change: impl FnOnce(&mut Streams)) -> (bool, u64) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let streams = watched.entry(session.into()).or_default();
        change(streams);
        streams.turn += 1;
        let told = (streams.open == 0 && streams.cut, streams.turn);
        if streams.open == 0 && !streams.cut {
            watched.remove(session);
        }
        told
    }

    async fn wait(self, session: String, turn: u64) {
        tokio::time::sleep(self.patience).await;
        let gone = {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            let gone = watched.get(&session).is_some_and(|streams| streams.turn == turn);
            if gone {
                watched.remove(&session);
            }
            gone
        };
        if gone {
            let _ = self.sessions.close_session(&session.into()).await;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let cut = self.carries && !self.ended;
        let (alone, turn) = self.presence.change(&self.session, |streams| {
            streams.open = streams.open.saturating_sub(1);
            streams.cut |= cut;
        });
        if alone && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(self.presence.clone().wait(self.session.clone(), turn));
        }
    }
}

/// A body that tells whether it was read to its end.
struct Watched {
    body: Body,
    stream: Stream,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.stream.ended |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp::transport::streamable_http_server::session::SessionId;

    async fn session(presence: &Presence) -> (String, impl Sized) {
        let (id, transport) = presence.sessions.create_session().await.unwrap();
        (id.to_string(), transport)
    }

    async fn is_open(presence: &Presence, session: &str) -> bool {
        let id: SessionId = session.to_string().into();
        presence.sessions.has_session(&id).await.unwrap()
    }

    fn endless() -> Response {
        let (sender, receiver) = tokio::sync::mpsc::channel::<()>(1);
        std::mem::forget(sender);
        Response::new(Body::new(Never(receiver)))
    }

    struct Never(tokio::sync::mpsc::Receiver<()>);

    impl HttpBody for Never {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            self.0.poll_recv(context).map(|_| None)
        }
    }

    fn presence(patience: Duration) -> Presence {
        Presence::new(patience, Arc::new(LocalSessionManager::default()))
    }

    #[tokio::test]
    async fn service_row_14_a_client_that_does_not_come_back_ends_its_session() {
        let presence = presence(Duration::from_millis(20));
        let (id, _transport) = session(&presence).await;
        drop(presence.watch(&id, true, endless()));
        while is_open(&presence, &id).await {
            tokio::task::yield_now().await;
        }
        assert!(presence.watched.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_client_that_comes_back_keeps_its_session() {
        let presence = presence(Duration::from_millis(20));
        let (id, _transport) = session(&presence).await;
        drop(presence.watch(&id, true, endless()));
        let again = presence.watch(&id, true, endless());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(is_open(&presence, &id).await);
        drop(again);
        // A stream that was read to its end leaves nothing to wait for, and so does one that carries no result.
        let (other, _transport) = session(&presence).await;
        let read = presence
            .watch(&other, true, Response::new(Body::from("all")))
            .into_body();
        axum::body::to_bytes(read, 10).await.unwrap();
        drop(presence.watch(&other, false, endless()));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(is_open(&presence, &other).await && !is_open(&presence, &id).await);
    }
}
