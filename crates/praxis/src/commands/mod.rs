//! One file a command.

mod bake;
mod base;
mod build;
mod check;
mod check_image;
mod ci;
mod database;
mod diff;
mod disk;
mod explain;
mod graph;
mod history;
mod inspect;
mod layers_picture;
mod ledger;
mod manual;
mod online;
mod pin;
mod policy;
mod promote;
mod provenance;
mod queue;
mod record;
mod registry;
mod release;
mod reproduce;
mod run;
mod sbom;
mod serve;
mod sign;
mod store;
mod test;
mod tree;
mod work;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::arguments::{Arguments, Command, DatabaseOption};
use praxis_engine::Books;
use praxis_sandbox::UserNamespace;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::style::Style;
use crate::{doctor, root, site};

/// What all commands need.
pub struct Surroundings {
    /// Variables of the process.
    pub environment: Environment,
    root: Option<PathBuf>,
    database: Option<DatabaseOption>,
}

/// An ordinary user without subordinate ids: what the reader should know.
const SINGLE_ID: &str =
    "this user has no subordinate ids, so RUN steps know no user but root; praxis doctor says more";

/// An ordinary user where nobody may have a user namespace.
const NO_NAMESPACE: &str =
    "user namespaces are not allowed here: what runs commands is refused; praxis doctor says more";

/// Whether a failure was told to the user already.
pub enum Outcome {
    /// Success.
    Done,
    /// A failure that was shown by a printer.
    Shown(Failure),
    /// The result, which is written, is a finding: exit status 1.
    Found,
    /// The status of a command that was run for the user.
    Status(u8),
}

impl Surroundings {
    /// Where the store lies.
    pub fn store_root(&self) -> Result<PathBuf, Failure> {
        root::store_root(self.root.clone(), &self.environment, root::is_root())
    }

    /// The engine on the store, for what runs nothing: an ordinary user first becomes root of a user namespace, but stays
    /// who they are where the machine allows none, as in a pod under the usual restrictions. Must be called before any
    /// thread is started. The text is a warning for the user.
    pub fn engine(&self) -> Result<(crate::backend::Engine, Option<&'static str>), Failure> {
        self.engine_that_writes_to(None)
    }

    /// The same, with books of the caller's if it has its own.
    pub fn engine_that_writes_to(
        &self,
        books: Option<Arc<dyn Books>>,
    ) -> Result<(crate::backend::Engine, Option<&'static str>), Failure> {
        let (user, root) = (rustix::process::geteuid(), self.store_root()?);
        match self.engine_with(&[], books.clone()) {
            // In half a namespace nobody is anybody.
            Err(_) if UserNamespace::needed() && rustix::process::geteuid() == user => {
                let books = books.map_or_else(|| self.books(), Ok)?;
                let engine = crate::backend::Engine::open(&root, false, books)?;
                Ok((engine, Some(NO_NAMESPACE)))
            }
            engine => engine,
        }
    }

    /// The engine as root, of a user namespace at least, for builds for these platforms: root then has a user namespace too
    /// where programs of one of them need an emulator that the host does not know.
    pub fn engine_for(
        &self,
        platforms: &[praxis_oci::Platform],
    ) -> Result<(crate::backend::Engine, Option<&'static str>), Failure> {
        self.engine_with(platforms, None)
    }

    fn engine_with(
        &self,
        platforms: &[praxis_oci::Platform],
        books: Option<Arc<dyn Books>>,
    ) -> Result<(crate::backend::Engine, Option<&'static str>), Failure> {
        let ordinary = UserNamespace::needed();
        let (root, warning) = self.enter()?;
        if !ordinary && praxis_engine::wants_own_emulators(platforms) {
            // Without it the emulator is missing, which is said where it is needed.
            let _ = praxis_sandbox::enter_user_namespace(praxis_sandbox::Identities::All);
        }
        let books = books.map_or_else(|| self.books(), Ok)?;
        Ok((
            crate::backend::Engine::open(&root, warning.is_none(), books)?,
            warning,
        ))
    }

    /// Whether books are kept in a database.
    pub fn shares_books(&self) -> bool {
        self.database.is_some()
    }

    /// Where what is done is written down: in the database that is named, else in the store. Must be called when no user
    /// namespace is entered afterwards: finding the server takes a thread.
    pub fn books(&self) -> Result<Arc<dyn Books>, Failure> {
        match &self.database {
            Some(option) => database::books(option, &self.environment),
            None => Ok(praxis_engine::own_books(&self.store_root()?)),
        }
    }

    /// Becomes root of a user namespace where that is needed, and gives the store's directory and a warning.
    fn enter(&self) -> Result<(PathBuf, Option<&'static str>), Failure> {
        // In the namespace everyone looks like root: where the store lies is decided before.
        let root = self.store_root()?;
        let mut warning = None;
        if UserNamespace::needed() {
            let identities = praxis_sandbox::Identities::RangeOrSingle;
            let namespace = praxis_sandbox::enter_user_namespace(identities)
                .map_err(|error| Failure::failed(error.to_string()).with_hint("praxis doctor"))?;
            warning = (namespace == UserNamespace::Single).then_some(SINGLE_ID);
        }
        Ok((root, warning))
    }

    /// Colours for results on standard output.
    pub fn style(&self) -> Style {
        Style::of(&self.environment, std::io::stdout().is_terminal())
    }

    /// What this machine lends to RUN steps.
    pub fn site(&self) -> site::Gathered {
        site::gather(&self.environment, Path::new("/"))
    }
}

/// Runs a command.
pub fn run(arguments: Arguments, environment: Environment) -> Result<Outcome, Failure> {
    let surroundings = Surroundings {
        environment,
        root: arguments.root,
        database: arguments.database,
    };
    match arguments.command {
        Command::Build(options) => return build::run(&options, &surroundings),
        Command::Bake(options) => return bake::run(&options, &surroundings),
        Command::Check(options) => return check::run(&options, &surroundings),
        Command::Ci(options) => return ci::run(&options, &surroundings),
        Command::Run(options) => return run::run(&options, &surroundings),
        Command::Test(options) => return test::run(&options, &surroundings),
        Command::Ledger(command) => return ledger::run(&command, &surroundings),
        Command::Pin(options) => return pin::run(&options, &surroundings),
        Command::Policy(command) => return policy::run(&command),
        Command::Promote(options) => return promote::run(&options, &surroundings),
        Command::Base(command) => return base::run(&command, &surroundings),
        Command::Store(command) => store::run(&command, &surroundings)?,
        Command::History(options) => history::run(&options, &surroundings)?,
        Command::Pull(options) => registry::pull(&options, &surroundings)?,
        Command::Push(options) => registry::push(&options, &surroundings)?,
        Command::Copy(options) => registry::copy(&options, &surroundings)?,
        Command::Tags(options) => registry::tags(&options, &surroundings)?,
        Command::Referrers(command) => registry::referrers(&command, &surroundings)?,
        Command::Login(options) => registry::login(&options, &surroundings)?,
        Command::Logout(options) => registry::logout(&options, &surroundings)?,
        Command::Inspect(options) => inspect::run(&options, &surroundings)?,
        Command::Graph(options) => graph::run(&options, &surroundings)?,
        Command::Tree(options) => tree::run(&options, &surroundings)?,
        Command::Diff(options) => return diff::run(&options, &surroundings),
        Command::Provenance(options) => provenance::run(&options, &surroundings)?,
        Command::Sbom(options) => return sbom::run(&options, &surroundings),
        Command::Key(command) => sign::key(&command, &surroundings)?,
        Command::Sign(options) => sign::sign(&options, &surroundings)?,
        Command::Attest(options) => sign::attest(&options, &surroundings)?,
        Command::Verify(options) => return sign::verify(&options, &surroundings),
        Command::Release(options) => release::run(&options, &surroundings)?,
        Command::Reproduce(options) => return reproduce::run(&options, &surroundings),
        Command::Database(command) => database::run(&command, &surroundings)?,
        Command::Queue(command) => return queue::run(&command, &surroundings),
        Command::Work(options) => work::run(&options, &surroundings)?,
        Command::Serve(options) => serve::run(&options, &surroundings)?,
        Command::Explain(options) => explain::run(&options, &surroundings)?,
        Command::Doctor(format) => {
            let findings = doctor::findings(&surroundings.site(), &surroundings.store_root()?);
            result(format.json, &findings, || {
                doctor::table(&findings, &surroundings.environment)
            })?;
        }
        Command::Completion { shell } => manual::completion(shell)?,
        Command::Man { directory } => manual::pages(directory.as_deref())?,
    }
    Ok(Outcome::Done)
}

pub use history::ago;

/// Writes a result to standard output, as JSON or as text.
fn result(json: bool, value: &impl serde::Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
    let text = if json {
        let json = serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))?;
        crate::progress::sanitize::json(&json).into_owned() + "\n"
    } else {
        text()
    };
    write_stdout(text.as_bytes())
}

fn write_stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(format!(
            "standard output cannot be written: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Writes a file whole or not at all.
fn write_file(path: &Path, flag: &str, text: &str) -> Result<(), Failure> {
    let failure = |error| Failure::failed(format!("{flag} {} cannot be written: {error}", path.display()));
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = Path::new(&name);
    let written = if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_file()) {
        std::fs::write(path, text)
    } else {
        std::fs::write(part, text).and_then(|()| std::fs::rename(part, path))
    };
    written
        .inspect_err(|_| _ = std::fs::remove_file(part))
        .map_err(failure)
}
