//! Connections: how many, how long for a request's head, and how they end.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::gate::Peer;

/// Headers of one request.
const MOST_HEADERS: usize = 64;
/// Bytes of a request's head.
const LARGEST_HEAD: usize = 32 << 10;

/// Takes connections until `end`; those that are open then may finish what they are at. Gives them back.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    shared: Shared,
    end: CancellationToken,
) -> JoinSet<()> {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = end.cancelled() => return open,
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match accepted {
                // Too many: whoever waits here at least costs nothing.
                Ok(_) if open.len() >= shared.limits.connections => {}
                Ok((stream, peer)) => {
                    let held = Held::new(&shared);
                    let (tls, router, end) = (tls.clone(), router.clone(), end.clone());
                    let head = shared.limits.head;
                    open.spawn(async move {
                        let _held = held;
                        greet(stream, peer, tls, router, head, end).await;
                    });
                }
                // Out of descriptors or memory: some connection has to end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
}

/// A connection that is counted.
struct Held(Shared);

impl Held {
    fn new(shared: &Shared) -> Held {
        shared
            .metrics
            .connections
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Held(shared.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0
            .metrics
            .connections
            .fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    head: Duration,
    end: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => serve(stream, peer, router, head, end).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(head, tls.accept(stream)).await {
                serve(stream, peer, router, head, end).await;
            }
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    head: Duration,
    end: CancellationToken,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        hyper::service::Service::call(&router, request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_headers(MOST_HEADERS)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = end.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
