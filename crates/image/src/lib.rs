//! Images of any origin, opened, verified, taken apart and compared.
//!
//! An image is input of unknown origin: every blob is compared with its digest, sizes and depths are bounded, links in
//! layouts are refused, and layers are read by `praxis-layer`. Nothing is unpacked.

mod archive;
mod blobs;
mod changes;
mod configuration;
mod difference;
mod docker;
mod error;
mod file;
mod layer;
mod location;
mod open;
mod report;
mod select;
mod story;
mod waste;

pub use changes::{Change, FileChange};
pub use configuration::{FieldChange, configuration_changes};
pub use difference::{Cause, Difference, differences, entry_causes};
pub use error::ImageError;
pub use file::FileFacts;
pub use layer::{ReadLayer, member_order};
pub use location::Location;
pub use open::{ImageLayer, OpenedImage, open};
pub use report::{ImageReport, LayerReport, report};
pub use story::{PathEvent, PathStory, story};
pub use waste::{Duplicate, Ledger as WasteLedger, Waste, WastedPath};
