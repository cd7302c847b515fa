//! MCP on standard input and output.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rmcp::ServiceExt;
use tokio::io::AsyncWrite;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::Service;
use crate::{Caller, ServeError, Tier, Toolbox, Tools};

/// How long running builds have to stop when the client is gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves one client on standard input and output until it closes them or a signal comes; then what runs is stopped.
/// Standard output is the protocol's alone.
///
/// # Errors
/// If the runtime cannot be started, or the client does not speak the protocol.
pub fn serve_stdio(toolbox: Toolbox, tier: Tier) -> Result<(), ServeError> {
    let runtime = Runtime::new().map_err(|error| ServeError::machine("cannot start threads", error))?;
    let toolbox = Arc::new(toolbox);
    crate::others::follow(&toolbox);
    let caller = Caller {
        name: "stdio".into(),
        tier,
    };
    let service = Service::new(toolbox.clone(), Arc::new(Tools::default()), caller);
    let served = runtime.block_on(serve(service));
    toolbox.stop();
    // A read of standard input that waits for a line would be waited for.
    runtime.shutdown_timeout(if toolbox.running() == 0 {
        Duration::ZERO
    } else {
        PATIENCE
    });
    served
}

/// What a client of this tier is answered that writes `input` and closes. For tests of what may be written.
pub fn answers(toolbox: &Arc<Toolbox>, tools: &Arc<Tools>, tier: Tier, input: &[u8]) -> Vec<u8> {
    let caller = Caller {
        name: "bytes".into(),
        tier,
    };
    let service = Service::new(toolbox.clone(), tools.clone(), caller);
    let said = Collected::default();
    let (reader, writer) = (Cursor::new(input.to_vec()), said.clone());
    if let Ok(runtime) = Builder::new_current_thread().enable_time().build() {
        runtime.block_on(async {
            if let Ok(running) = service.serve((reader, writer)).await {
                let _ = running.waiting().await;
            }
        });
    }
    std::mem::take(&mut *said.0.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<u8>>>);

impl AsyncWrite for Collected {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

async fn serve(service: Service) -> Result<(), ServeError> {
    let caught = |kind| signal(kind).map_err(|error| ServeError::machine("signals cannot be caught", error));
    let (mut terminated, mut interrupted) =
        (caught(SignalKind::terminate())?, caught(SignalKind::interrupt())?);
    let serving = async {
        match service.serve(rmcp::transport::stdio()).await {
            Ok(running) => running
                .waiting()
                .await
                .map(|_| ())
                .map_err(|error| ServeError::machine("the service ended", error)),
            Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => Ok(()),
            Err(error) => Err(ServeError::machine("the client does not speak MCP", error)),
        }
    };
    tokio::select! {
        served = serving => served,
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
    }
}
