//! What an image is made of: components with versions, sources and licences, and who put each file there.
//!
//! [`inventory`] reads an image of any origin once, layer by layer, and gives an [`Inventory`]; [`spdx`] and
//! [`cyclonedx`] write it. Images are input of unknown origin: nothing of them is run or unpacked, sizes, counts and
//! depths are bounded, and what was left out is said in [`Inventory::notes`].

mod apk;
mod attribution;
mod binary;
mod compare;
mod component;
mod copyright;
mod cyclonedx;
mod dpkg;
mod error;
mod files;
mod gather;
mod inventory;
mod known;
mod licence;
mod npm;
mod observe;
mod purl;
mod python;
mod rpm;
mod rpm_header;
mod spdx;
mod stanza;
mod system;

pub use compare::{Listed, SbomDifference, differences, listed};
pub use component::{Component, ComponentKind, SourcePackage};
pub use cyclonedx::{CYCLONEDX, cyclonedx};
pub use error::SbomError;
pub use inventory::{FileRecord, Inventory, Subject, inventory, inventory_observed};
pub use known::KnownPackage;
pub use licence::Licence;
pub use observe::LayerObserver;
pub use spdx::{SPDX, spdx};
pub use system::System;
