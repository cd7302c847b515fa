//! What happens during a call, told to a client that asked for it.

use std::sync::{Arc, Mutex, PoisonError};

use praxis_engine::{Event, Events};
use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use tokio::task::JoinHandle;

use crate::Untrusted;

/// Notices on their way at most: who reads slowly misses some.
const WAITING: usize = 64;

/// Progress of one call.
pub(super) struct Progress {
    notices: Option<Sender<Notice>>,
    sender: Option<JoinHandle<()>>,
}

struct Notice {
    done: usize,
    total: usize,
    message: String,
}

impl Progress {
    /// Begins to send notices, if the client gave a token for them.
    pub fn start(context: &RequestContext<RoleServer>) -> Progress {
        let Some(token) = context.meta.get_progress_token() else {
            return Progress {
                notices: None,
                sender: None,
            };
        };
        let (notices, mut waiting): (_, Receiver<Notice>) = mpsc::channel(WAITING);
        let peer = context.peer.clone();
        let sender = tokio::spawn(async move {
            while let Some(notice) = waiting.recv().await {
                let param = ProgressNotificationParam::new(token.clone(), notice.done as f64)
                    .with_total(notice.total as f64)
                    .with_message(notice.message);
                if peer.notify_progress(param).await.is_err() {
                    return;
                }
            }
        });
        Progress {
            notices: Some(notices),
            sender: Some(sender),
        }
    }

    /// Takes events of the call.
    pub fn events(&self) -> Steps {
        Steps {
            notices: self.notices.clone(),
            state: Arc::default(),
        }
    }

    /// Waits until every notice is sent: none comes after the result.
    pub async fn finish(mut self) {
        self.notices = None;
        if let Some(sender) = self.sender.take() {
            let _ = sender.await;
        }
    }
}

/// Counts steps.
pub(super) struct Steps {
    notices: Option<Sender<Notice>>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    names: Vec<String>,
    done: usize,
}

impl Events for Steps {
    fn event(&self, event: Event) {
        let Some(notices) = &self.notices else {
            return;
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = state.take(event) {
            let notice = Notice {
                done: state.done,
                total: state.names.len().max(state.done),
                message,
            };
            match notices.try_send(notice) {
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {}
            }
        }
    }
}

impl State {
    /// Counts; the progress grows with every notice, as the protocol wants it.
    fn take(&mut self, event: Event) -> Option<String> {
        match event {
            Event::Planned { steps, .. } => {
                self.names.extend(steps.into_iter().map(|step| step.name));
                None
            }
            Event::Finished { step, cached, .. } => {
                self.done += 1;
                let how = if cached { "cached" } else { "done" };
                Some(format!("{how}: {}", self.name(step)))
            }
            Event::Failed { step, .. } => {
                self.done += 1;
                Some(format!("failed: {}", self.name(step)))
            }
            _ => None,
        }
    }

    fn name(&self, step: usize) -> String {
        let name = self.names.get(step).map_or("", String::as_str);
        let first: String = name
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(120)
            .collect();
        Untrusted::text(&first).as_str().to_string()
    }
}
