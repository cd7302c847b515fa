//! From a recipe to the root file system of a base image, without debootstrap, apt or root.
//!
//! [`Recipe`] → [`lock`] → [`Lock`] → [`build`] → [`BuiltRootFs`].
//!
//! [`lock`] asks the archives: signature → Release → index → digest of each package. From then on only digests
//! count: the same lock and recipe give the same bytes on any machine, whatever mirror served them.

mod accounts;
mod ar;
mod build;
mod cache;
mod control;
mod database;
mod date;
mod deb;
mod error;
mod fetch;
mod forward;
mod glob;
mod index;
mod lock;
mod locking;
mod merge;
mod mirrors;
pub mod openpgp;
mod progress;
mod recipe;
mod relation;
mod release;
mod resolve;
mod scripts;
mod spool;
mod toml_position;
mod version;

pub use build::{BuildDirectories, BuiltRootFs, build};
pub use error::{DebianError, FetchError, FetchErrorKind};
pub use fetch::{Fetch, HttpFetch, HttpSettings};
pub use lock::{Lock, LockedArchitecture, LockedPackage, LockedSuite};
pub use locking::{LockOptions, lock};
pub use mirrors::{MAIN_ARCHIVE, Mirrors, SECURITY_ARCHIVE, host_mirrors};
pub use progress::{Progress, ProgressSink};
pub use recipe::{DeclaredFile, Group, ImageSettings, Recipe, Source, User};
pub use scripts::ScriptCommand;
pub use version::{Version, VersionError};
