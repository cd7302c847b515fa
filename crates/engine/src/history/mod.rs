//! What was built: one record a build, kept in the store.

mod hidden;
mod holdings;
mod log;
mod record;
mod recorder;

use praxis_solve::{Event, Events};
use praxis_store::{BuildId, Store};

use crate::{Engine, EngineError};

pub use holdings::{BuildHolding, StepHolding};
pub use record::{
    BuildRecord, BuildStatus, RecordedError, RecordedImage, RecordedOutput, RecordedStep, StepStatus,
};
pub use recorder::Recorder;

/// Builds that are kept on record.
const KEPT: usize = 200;

impl Engine {
    /// All builds on record, latest first; where books are shared, those of all who share them. Damaged records are left
    /// out.
    pub fn history(&self) -> Result<Vec<BuildRecord>, EngineError> {
        if let Some(shared) = self.shared_history()? {
            return Ok(shared);
        }
        let store = self.store()?;
        let ids = store.build_ids();
        Ok(ids.iter().rev().filter_map(|id| read(&store, id)).collect())
    }

    /// Builds of all who share the books; nothing if they are not shared.
    fn shared_history(&self) -> Result<Option<Vec<BuildRecord>>, EngineError> {
        let accounts = self.settings.books.builds()?;
        let record = |account: &String| serde_json::from_str(account).ok();
        Ok(accounts.map(|accounts| accounts.iter().filter_map(record).collect()))
    }

    /// The record of one build: `latest`, an id, or the beginning or end of one.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn build_record(&self, text: &str) -> Result<BuildRecord, EngineError> {
        let store = self.store()?;
        // What was built here is here.
        if let Some(record) = text.parse().ok().and_then(|id| read(&store, &id)) {
            return Ok(record);
        }
        if let Some(mut shared) = self.shared_history()? {
            let ids = shared
                .iter()
                .rev()
                .filter_map(|record| record.id.parse().ok())
                .collect();
            let id = find(ids, text)?;
            shared.retain(|record| record.id == id.as_str());
            return shared
                .pop()
                .ok_or_else(|| EngineError::user(format!("the record of build {id} is damaged")));
        }
        let id = find(store.build_ids(), text)?;
        read(&store, &id).ok_or_else(|| EngineError::user(format!("the record of build {id} is damaged")))
    }

    /// Forgets builds; gives their ids.
    ///
    /// # Errors
    /// If one is not on record: then none is forgotten.
    pub fn forget_builds(&self, texts: &[String]) -> Result<Vec<String>, EngineError> {
        let store = self.store()?;
        let ids: Vec<BuildId> = texts
            .iter()
            .map(|text| find(store.build_ids(), text))
            .collect::<Result<_, _>>()?;
        ids.iter().for_each(|id| _ = store.remove_build(id));
        Ok(ids.iter().map(BuildId::to_string).collect())
    }

    /// Keeps the record of a build. That it cannot be kept is worth a warning, not a failure.
    pub(crate) fn keep_record(&self, record: &BuildRecord, events: &dyn Events) {
        let kept = || -> Result<(), String> {
            let id: BuildId = record.id.parse()?;
            let body = serde_json::to_vec(record).map_err(|error| error.to_string())?;
            let store = Store::open(&self.settings.root).map_err(|error| error.to_string())?;
            store
                .put_build(&id, &body, KEPT)
                .map_err(|error| error.to_string())
        };
        if let Err(why) = kept() {
            let code = "History".into();
            let message = format!("this build is not in praxis history: {why}");
            events.event(Event::Warning {
                code,
                message,
                line: None,
            });
        }
    }
}

fn read(store: &Store, id: &BuildId) -> Option<BuildRecord> {
    serde_json::from_slice(&store.build(id)?).ok()
}

/// The one of `ids`, latest last, that `text` names.
fn find(ids: Vec<BuildId>, text: &str) -> Result<BuildId, EngineError> {
    if text == "latest" {
        let latest = ids.into_iter().next_back();
        return latest.ok_or_else(|| EngineError::user("no build is on record"));
    }
    let fits = |id: &&BuildId| id.as_str().starts_with(text) || id.as_str().ends_with(text);
    let found: Vec<&BuildId> = ids.iter().filter(fits).collect();
    match (found.as_slice(), text.is_empty()) {
        ([one], false) => Ok((*one).clone()),
        ([], _) | (_, true) => Err(EngineError::user(format!("no build {text:?} is on record"))
            .with_hint("praxis history lists those that are")),
        (several, _) => Err(EngineError::user(format!(
            "{} builds fit {text:?}: give more of the id",
            several.len()
        ))),
    }
}
