//! What the engine did, written into the ledger of its store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use praxis_layer::Timestamp;
use praxis_ledger::{Books, Entry, Kind, LedgerBooks, LedgerError};
use praxis_oci::Digest;
use praxis_solve::{Event, Events, rfc3339};
use serde_json::json;

use crate::{BuildRecord, BuildStatus, Engine, EngineError};

/// The file in the store's directory.
const FILE: &str = "ledger";

/// Where the ledger of the store under `root` is.
pub fn ledger_file(root: &Path) -> PathBuf {
    root.join(FILE)
}

/// The ledger of the store under `root`.
pub fn own_books(root: &Path) -> Arc<dyn Books> {
    Arc::new(LedgerBooks(ledger_file(root)))
}

/// The time now, as records have it.
pub fn record_time() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    rfc3339(Timestamp::seconds(i64::try_from(seconds).unwrap_or_default()))
}

impl Engine {
    /// The ledger, to be read; nothing if there is none yet.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn ledger(&self) -> Result<Option<praxis_ledger::Ledger>, EngineError> {
        Ok(self.settings.books.read()?)
    }

    /// Writes a record.
    ///
    /// # Errors
    /// If it cannot be written, or the ledger is damaged at its end.
    pub fn record(&self, entry: Entry) -> Result<(), EngineError> {
        Ok(self.settings.books.write(entry)?)
    }

    /// Writes down that a build ended. That it cannot be written down is worth a warning, not a failure.
    pub(crate) fn record_build(&self, record: &BuildRecord, digest: Option<Digest>, events: &dyn Events) {
        let account = serde_json::to_string(record).unwrap_or_default();
        let written = self
            .settings
            .books
            .write_build(build_entry(record, digest), &account);
        if let Err(why) = written {
            events.event(Event::Warning {
                code: "Ledger".into(),
                message: format!("this build is not in the ledger: {why}"),
                line: None,
            });
        }
    }
}

fn build_entry(record: &BuildRecord, digest: Option<Digest>) -> Entry {
    let (done, cached) = record.counts();
    let how = match record.status {
        BuildStatus::Done => "built",
        BuildStatus::Failed => "failed to build",
        BuildStatus::Cancelled => "stopped building",
    };
    Entry {
        time: record.ended.clone(),
        kind: Kind::Build,
        subject: digest,
        success: record.status == BuildStatus::Done,
        summary: format!("{how} {}", record.name),
        body: json!({
            "build": record.id,
            "context": record.context,
            "dockerfile": record.dockerfile,
            "dockerfile_digest": record.dockerfile_digest,
            "target": record.target,
            "platforms": record.platforms,
            "tags": record.tags,
            "images": record.images.iter().map(|image| image.digest).collect::<Vec<_>>(),
            "steps": {"done": done, "cached": cached},
            "outputs": record.outputs.iter().map(|output| json!({"kind": output.kind, "destination": output.destination})).collect::<Vec<_>>(),
            "error": record.error.as_ref().map(|error| error.message.clone()),
        }),
    }
}

impl From<LedgerError> for EngineError {
    fn from(error: LedgerError) -> EngineError {
        EngineError::environment(error.to_string())
    }
}
