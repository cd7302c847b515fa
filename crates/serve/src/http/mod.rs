//! The tools over HTTP. Without a token file nothing starts; what is not said to be allowed is refused.

mod api;
mod body;
mod clients;
mod connection;
mod gate;
mod mcp;
mod metrics;
mod page;
mod presence;
mod settings;
mod shared;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Router, middleware};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::traces::Traces;
use crate::{ServeError, Toolbox, Tools, others};
pub use api::openapi;
use clients::Clients;
pub(crate) use clients::read_private;
use mcp::Face;
use metrics::Metrics;
pub use settings::{HttpSettings, Limits};
pub(crate) use shared::Shared;

/// How long stopped builds have to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long answers have to leave when all calls have ended.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A server that is ready to answer, and has its address.
pub struct HttpServer {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    clients: Clients,
    settings: HttpSettings,
}

impl HttpServer {
    /// Checks the settings, reads tokens and certificate, and takes the address. Starts no thread.
    ///
    /// # Errors
    /// If the settings would let anybody in who is not meant, a file is wrong, or the address cannot be had.
    pub fn open(settings: HttpSettings) -> Result<HttpServer, ServeError> {
        settings.check()?;
        let tokens = settings.tokens.as_deref().unwrap_or_else(|| "".as_ref());
        let clients = Clients::read(tokens, settings.limits.requests)?;
        let tls = settings.tls.as_ref();
        let tls = tls
            .map(|(certificate, key)| tls::acceptor(certificate, key))
            .transpose()?;
        let taken = TcpListener::bind(settings.address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        let listener =
            taken.map_err(|error| ServeError::Machine(format!("--http {}: {error}", settings.address)))?;
        Ok(HttpServer {
            listener,
            tls,
            clients,
            settings,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the machine does not say.
    pub fn url(&self) -> Result<String, ServeError> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.address()?))
    }

    fn address(&self) -> Result<SocketAddr, ServeError> {
        let address = self.listener.local_addr();
        address.map_err(|error| ServeError::machine("--http", error))
    }

    /// Serves until SIGTERM or SIGINT. Then `/readyz` says no, calls that run may end within the time for that, and are
    /// stopped after it, or at a second signal.
    ///
    /// # Errors
    /// If threads or signals cannot be had.
    pub fn serve(self, toolbox: Toolbox) -> Result<(), ServeError> {
        let runtime = Runtime::new().map_err(|error| ServeError::machine("cannot start threads", error))?;
        let toolbox = Arc::new(toolbox);
        others::follow(&toolbox);
        let served = runtime.block_on(self.run(toolbox.clone()));
        toolbox.stop();
        runtime.shutdown_timeout(if toolbox.running() == 0 {
            LAST_WORDS
        } else {
            PATIENCE
        });
        served
    }

    async fn run(self, toolbox: Arc<Toolbox>) -> Result<(), ServeError> {
        let mut signals = Signals::catch()?;
        let (hosts, origins) = self.names()?;
        let listener = tokio::net::TcpListener::from_std(self.listener)
            .map_err(|error| ServeError::machine("--http", error))?;
        let (stop, stopping) = watch::channel(false);
        let close = CancellationToken::new();
        let streams = CancellationToken::new();
        let limits = self.settings.limits;
        let tools = Arc::new(Tools::default());
        let traces = self.settings.otlp.as_deref().map(Traces::start).transpose()?;
        let face = |client: &Arc<clients::Client>| {
            (
                client.name.clone(),
                Face::new(client, &toolbox, &tools, &limits, traces.clone(), &streams),
            )
        };
        let shared = Shared::new(shared::Inner {
            faces: self.clients.iter().map(face).collect(),
            toolbox: toolbox.clone(),
            tools: tools.clone(),
            logins: page::Logins::default(),
            clients: self.clients,
            metrics: Metrics::default(),
            traces: traces.clone(),
            limits,
            settings: self.settings,
            hosts,
            origins,
            stopping,
        });
        let accepting = connection::accept(listener, self.tls, router(&shared), shared, close.clone());
        let accepting = tokio::spawn(accepting);
        signals.next().await;
        let _ = stop.send(true);
        tokio::select! {
            () = idle(&toolbox) => {}
            () = sleep(limits.drain) => {}
            () = signals.next() => {}
        }
        toolbox.stop();
        let _ = timeout(PATIENCE, idle(&toolbox)).await;
        streams.cancel();
        close.cancel();
        if let Ok(open) = accepting.await {
            let _ = timeout(LAST_WORDS, open.join_all()).await;
        }
        Ok(())
    }

    /// What `Host` and `Origin` may say.
    fn names(&self) -> Result<(Vec<String>, Vec<String>), ServeError> {
        let address = self.address()?;
        let mut hosts = vec![address.to_string()];
        if address.ip().is_loopback() {
            hosts
                .extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{}", address.port())));
        }
        hosts.extend(self.settings.hosts.iter().map(|host| host.to_ascii_lowercase()));
        let scheme = if self.settings.secure() { "https" } else { "http" };
        let mut origins: Vec<String> = hosts.iter().map(|host| format!("{scheme}://{host}")).collect();
        origins.extend(
            self.settings
                .origins
                .iter()
                .map(|origin| origin.to_ascii_lowercase()),
        );
        Ok((hosts, origins))
    }
}

/// The signals that end a server.
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

impl Signals {
    fn catch() -> Result<Signals, ServeError> {
        let caught =
            |kind| signal(kind).map_err(|error| ServeError::machine("signals cannot be caught", error));
        Ok(Signals(
            caught(SignalKind::terminate())?,
            caught(SignalKind::interrupt())?,
        ))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

/// Waits until no call runs.
async fn idle(toolbox: &Toolbox) {
    while toolbox.calls() > 0 {
        sleep(Duration::from_millis(50)).await;
    }
}

/// Everything that is answered.
fn router(shared: &Shared) -> Router {
    let authorised = middleware::from_fn_with_state(shared.clone(), gate::authorise);
    let admitted = middleware::from_fn_with_state(shared.clone(), gate::admit);
    guarded_routes()
        .route_layer(authorised)
        .merge(page::routes(shared))
        .merge(open_routes())
        .fallback(missing)
        .layer(middleware::map_response(hardened))
        .layer(admitted)
        .with_state(shared.clone())
}

/// What needs no token.
fn open_routes() -> Router<Shared> {
    Router::new()
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
}

/// What needs one.
fn guarded_routes() -> Router<Shared> {
    Router::new()
        .route("/mcp", any(mcp::serve))
        .route("/metrics", get(metrics::show))
        .merge(api::routes())
}

/// The process answers.
async fn healthy() -> &'static str {
    "ok\n"
}

/// It takes calls.
async fn ready(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    match *shared.stopping.borrow() {
        true => (StatusCode::SERVICE_UNAVAILABLE, "ending\n"),
        false => (StatusCode::OK, "ready\n"),
    }
}

async fn missing() -> Response {
    gate::refusal(StatusCode::NOT_FOUND, "there is nothing at this address")
}

/// Headers of every answer: it is what it says, for nobody's cache and nobody's frame.
async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::REFERRER_POLICY)
        .or_insert(HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    response
}
