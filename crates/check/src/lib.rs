//! Rules over a repository: Dockerfiles, what they leave out of the context, workflows, charts, packages, decision
//! records and the backlog. Findings point at the line; many carry the edit that mends it.
//!
//! No I/O: files come through [`FileTree`], the date and what git knows through [`Facts`]. The same input always
//! gives the same findings in the same order.

mod action;
mod command;
mod dockerfile;
mod edit;
mod error;
mod evidence;
mod facts;
mod finding;
mod format;
mod image;
mod images;
mod input;
pub mod junit;
mod labels;
mod online;
mod own_rules;
mod page;
mod pin;
mod policy;
mod preset;
mod promote;
mod records;
#[cfg(feature = "rego")]
mod rego;
mod repository;
mod rule;
mod rules;
mod smoke;
mod tree;
mod waiver;
mod workflow;
mod yaml;

pub use dockerfile::DockerfileView;
pub use edit::{Patch, patches};
pub use error::CheckError;
pub use evidence::{HttpAnswer, ImageEvidence};
pub use facts::{Facts, GitFacts};
pub use finding::{Confidence, Edit, Finding, Fix};
pub use format::{Format, write};
pub use image::{FoundCredential, ImageFile, ImageView, check_image};
pub use images::{ImagePlace, ImageUse};
pub use input::policy_input;
pub use online::RegistryAnswer;
pub use own_rules::{RuleTest, test_own_rules};
pub use page::Page;
pub use pin::{Pin, PinState, Repinned, Resolver, pins, repin};
pub use policy::{Policy, SignerIdentity};
pub use promote::{Deployment, Deployments, Promoted, Promotion};
pub use repository::{Repository, YamlFile};
pub use rule::{Level, Rule, check};
pub use rules::{RULES, credential_in};
pub use smoke::{HttpProbe, SmokeTest};
pub use tree::{Entry, EntryKind, FileTree, MemoryTree};
