//! `praxis provenance`.

use super::{Surroundings, write_file, write_stdout};
use crate::arguments::ProvenanceOptions;
use crate::failure::Failure;

/// Writes what an image was made from.
pub fn run(options: &ProvenanceOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let statement = surroundings.engine()?.0.0.provenance(
        &options.image,
        options.platform.platform.as_ref(),
        options.mode == crate::arguments::ProvenanceMode::Max,
        options.builder_id.as_deref(),
    )?;
    let text = statement.to_string() + "\n";
    match &options.output {
        Some(path) => write_file(path, "--output", &text),
        None => write_stdout(text.as_bytes()),
    }
}
