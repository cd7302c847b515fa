//! MCP on standard input and output.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ServiceExt;
use tokio::runtime::Runtime;
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
