use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::watch;

use super::clients::Clients;
use super::mcp::Face;
use super::metrics::Metrics;
use super::page::Logins;
use super::settings::{HttpSettings, Limits};
use crate::traces::Traces;
use crate::{Toolbox, Tools};

/// What all requests work with.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Inner>);

/// See [`Shared`].
pub(crate) struct Inner {
    pub toolbox: Arc<Toolbox>,
    pub tools: Arc<Tools>,
    pub clients: Clients,
    /// Who is signed in to the page.
    pub logins: Logins,
    /// MCP for each client, by its name: nobody finds the sessions of others.
    pub faces: BTreeMap<String, Face>,
    pub metrics: Metrics,
    pub traces: Option<Traces>,
    pub limits: Limits,
    pub settings: HttpSettings,
    /// What `Host` may say, in lower case.
    pub hosts: Vec<String>,
    /// What `Origin` may say, in lower case.
    pub origins: Vec<String>,
    /// True when the server is to end.
    pub stopping: watch::Receiver<bool>,
}

impl Shared {
    pub fn new(inner: Inner) -> Shared {
        Shared(Arc::new(inner))
    }
}

impl Deref for Shared {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}
