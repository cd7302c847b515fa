//! A plan to solved layers and an image.

mod event;

pub use event::{Event, Events, LayerInfo, StepInfo};
