use std::io::Write;
use std::sync::Arc;

use praxis_oci::{Descriptor, Digest, Hasher, Reference};
use praxis_registry::{Client, RegistryError, Settings};
use praxis_solve::{RemoteImages, SolveError};
use praxis_store::Store;

/// Images of registries, for builds.
pub(crate) struct Remote {
    client: Client,
    offline: bool,
    store: Arc<Store>,
}

impl Remote {
    pub fn new(settings: Settings, offline: bool, store: Arc<Store>) -> Remote {
        Remote {
            client: Client::new(settings),
            offline,
            store,
        }
    }

    /// What sources said of the pull that were asked first and passed over.
    pub fn take_warnings(&self) -> Vec<String> {
        self.client.take_warnings()
    }

    fn reach(&self, reference: &Reference, what: &dyn std::fmt::Display) -> Result<(), SolveError> {
        match self.offline {
            false => Ok(()),
            true => Err(SolveError::user(format!(
                "{}: {what} is missing here, and --offline forbids to fetch it",
                reference.familiar()
            ))
            .with_hint("run the build once without --offline, or praxis pull")),
        }
    }
}

impl RemoteImages for Remote {
    fn resolve(&self, reference: &Reference) -> Result<Descriptor, SolveError> {
        let key = resolution(reference);
        if self.offline {
            let known: Option<Descriptor> = self.store.record(&key);
            return known.ok_or_else(|| {
                SolveError::user(format!(
                    "{}: not found: no such image in the store, and --offline forbids to ask its registry",
                    reference.familiar()
                ))
                .with_hint("run the build once without --offline, or praxis pull")
            });
        }
        let fetched = self
            .client
            .repository(reference)
            .and_then(|repository| repository.manifest(reference));
        let fetched = fetched.map_err(|error| {
            let mut error = solve_error(error);
            error.message = format!(
                "{}: not found: no such image in the store, and not from its registry: {}",
                reference.familiar(),
                error.message
            );
            let name = reference.familiar();
            error.hint.get_or_insert_with(|| {
                format!(
                    "check the name and the registry's settings, build the image (`praxis base build RECIPE -t {name}`), \
                     or say where it is with --build-context {name}=oci-layout://DIR"
                )
            });
            error
        })?;
        self.store
            .put_blob(&fetched.descriptor.media_type, &fetched.bytes)?;
        self.store.put_record(&key, &fetched.descriptor)?;
        Ok(fetched.descriptor)
    }

    fn document(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Vec<u8>, SolveError> {
        self.reach(reference, &descriptor.digest)?;
        let repository = self.client.repository(reference).map_err(solve_error)?;
        Ok(repository.manifest_of(descriptor).map_err(solve_error)?.bytes)
    }

    fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        out: &mut dyn Write,
    ) -> Result<bool, SolveError> {
        self.reach(reference, &descriptor.digest)?;
        let repository = self.client.repository(reference).map_err(solve_error)?;
        match repository.fetch_blob(descriptor, out) {
            Err(error) if error.is_worth_another_source() => Ok(false),
            fetched => fetched.map(|()| true).map_err(solve_error),
        }
    }

    fn parallel(&self) -> usize {
        self.client.settings().parallel
    }

    fn is_offline(&self) -> bool {
        self.offline
    }
}

/// Under which key the store remembers what a name stood for: the repository is part of it, so that what one
/// repository gave is nothing that another has.
fn resolution(reference: &Reference) -> Digest {
    let mut hasher = Hasher::new();
    hasher.field(b"resolution of a registry 1");
    hasher.field(reference.to_string().as_bytes());
    hasher.finish()
}

pub(super) fn solve_error(error: RegistryError) -> SolveError {
    SolveError {
        kind: super::kind(error.kind),
        hint: error.hint.clone(),
        ..SolveError::user(error.message)
    }
}
