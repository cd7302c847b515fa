//! Contexts that clients sent, to be built here: each is its client's, and so is what comes of it.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use praxis_engine::{BuildId, SentContext};
use praxis_oci::{Descriptor, Digest};

use crate::{Caller, Tier, ToolError, ToolErrorKind, Toolbox};

/// Contexts of one client at once; the one that was not used for longest goes first.
const MOST: usize = 4;
/// How long a context is remembered that nobody uses.
const LASTS: Duration = Duration::from_secs(900);

/// All of them.
#[derive(Default)]
pub(crate) struct Contexts(Mutex<VecDeque<Arc<Held>>>);

/// One context.
pub(crate) struct Held {
    /// Its id.
    pub id: String,
    client: String,
    /// What was said of it.
    pub context: SentContext,
    /// Files that are still to come, in this order.
    lacking: Mutex<Vec<(Digest, u64)>>,
    /// Held by who sends files.
    sending: Mutex<()>,
    /// What the images that were built of it are made of.
    parts: Mutex<BTreeMap<Digest, Descriptor>>,
    used: Mutex<Instant>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who may send contexts.
///
/// # Errors
/// If this caller may not have builds made, or the builds of this server are made by others.
pub(crate) fn permit(toolbox: &Toolbox, caller: &Caller) -> Result<(), ToolError> {
    if caller.tier < Tier::Guarded {
        return Err(ToolError::refused(format!(
            "sending a context needs the tier {}, and this caller has {}",
            Tier::Guarded,
            caller.tier
        )));
    }
    match toolbox.builders {
        Some(_) => Err(ToolError::refused(
            "this server has its builds made by workers, which have no part in contexts that are sent",
        )),
        None => Ok(()),
    }
}

impl Contexts {
    /// Takes note of a context.
    ///
    /// # Errors
    /// If it is none, or too large for the client.
    pub fn add(
        &self,
        toolbox: &Toolbox,
        caller: &Caller,
        context: SentContext,
    ) -> Result<Arc<Held>, ToolError> {
        let lacking = toolbox
            .engine
            .lacks(&caller.name, &context)
            .map_err(|error| ToolError {
                kind: ToolErrorKind::Arguments,
                ..error.into()
            })?;
        let more = lacking
            .iter()
            .fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        let most = toolbox.policy.most_sent;
        let room = toolbox
            .engine
            .make_room(&caller.name, &context, more, most)
            .map_err(|error| ToolError {
                kind: ToolErrorKind::Refused,
                ..error.into()
            });
        room?;
        let held = Arc::new(Held {
            id: BuildId::fresh().to_string(),
            client: caller.name.clone(),
            context,
            lacking: Mutex::new(lacking),
            sending: Mutex::default(),
            parts: Mutex::default(),
            used: Mutex::new(Instant::now()),
        });
        let mut all = lock(&self.0);
        all.retain(|held| lock(&held.used).elapsed() < LASTS);
        let own = |held: &&Arc<Held>| held.client == caller.name;
        if all.iter().filter(own).count() >= MOST {
            let oldest = all
                .iter()
                .filter(own)
                .min_by_key(|held| *lock(&held.used))
                .cloned();
            all.retain(|held| !oldest.as_ref().is_some_and(|oldest| Arc::ptr_eq(held, oldest)));
        }
        all.push_back(held.clone());
        Ok(held)
    }

    /// A context of this caller.
    ///
    /// # Errors
    /// If there is none of this id, or it is another's: which of both is not said.
    pub fn find(&self, caller: &Caller, id: &str) -> Result<Arc<Held>, ToolError> {
        let mut all = lock(&self.0);
        all.retain(|held| lock(&held.used).elapsed() < LASTS);
        let found = all
            .iter()
            .find(|held| held.id == id && held.client == caller.name);
        let found = found.cloned().ok_or_else(|| {
            ToolError::new(ToolErrorKind::Missing, "no context with this id is yours")
                .with_hint("send it again: contexts are forgotten after some time")
        })?;
        found.touch();
        Ok(found)
    }

    /// Forgets one. Its files stay for the next build.
    pub fn forget(&self, held: &Arc<Held>) {
        lock(&self.0).retain(|one| !Arc::ptr_eq(one, held));
    }
}

impl Held {
    /// Notes that it is in use.
    pub fn touch(&self) {
        *lock(&self.used) = Instant::now();
    }

    /// Files that are still to come, in the order in which they are to be sent.
    pub fn lacking(&self) -> Vec<(Digest, u64)> {
        lock(&self.lacking).clone()
    }

    /// Takes all files that are lacking, one after the other.
    ///
    /// # Errors
    /// If one is not what was said, or somebody else is sending them. What was whole before is kept.
    pub fn take(&self, toolbox: &Toolbox, reader: &mut dyn Read) -> Result<(), ToolError> {
        let Ok(_sending) = self.sending.try_lock() else {
            return Err(ToolError::new(
                ToolErrorKind::Busy,
                "the files of this context are being sent already",
            ));
        };
        let lacking = self.lacking();
        let taken = toolbox.engine.take_files(&self.client, &lacking, reader);
        *lock(&self.lacking) = toolbox.engine.lacks(&self.client, &self.context)?;
        self.touch();
        Ok(taken?)
    }

    /// What an image that was built of it is made of can be fetched from now on.
    pub fn add_parts(&self, parts: BTreeMap<Digest, Descriptor>) {
        self.touch();
        lock(&self.parts).extend(parts);
    }

    /// A part of an image that was built of it.
    ///
    /// # Errors
    /// If it is none.
    pub fn part(&self, digest: &Digest) -> Result<Descriptor, ToolError> {
        lock(&self.parts).get(digest).cloned().ok_or_else(|| {
            ToolError::new(
                ToolErrorKind::Missing,
                format!("{digest} is no part of an image that was built of this context"),
            )
        })
    }
}
