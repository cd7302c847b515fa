//! `praxis sbom`.

use praxis_engine::{Component, Inventory, SbomDifference, cyclonedx, spdx};

use super::{Outcome, Surroundings, write_file, write_stdout};
use crate::arguments::{SbomFormat, SbomOptions};
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;

/// Lists what an image is made of, or compares a list with it.
pub fn run(options: &SbomOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let platform = options.platform.platform.as_ref();
    let engine = surroundings.engine()?.0.0;
    if let Some(path) = &options.verify {
        let bytes =
            std::fs::read(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
        let found = engine.sbom_differences(&options.image, &bytes, platform)?;
        write_stdout(verdict(&found).as_bytes())?;
        return Ok(if found.is_empty() {
            Outcome::Done
        } else {
            Outcome::Found
        });
    }
    let inventory = engine.components(&options.image, options.lock.as_deref(), platform)?;
    for note in &inventory.notes {
        eprintln!("warning: {}", sanitize(note));
    }
    let text = match options.format {
        SbomFormat::SpdxJson => spdx(&inventory).to_string() + "\n",
        SbomFormat::CyclonedxJson => cyclonedx(&inventory).to_string() + "\n",
        SbomFormat::Table => table(&inventory),
    };
    match &options.output {
        Some(path) => write_file(path, "--output", &text)?,
        None => write_stdout(text.as_bytes())?,
    }
    Ok(Outcome::Done)
}

fn verdict(found: &[SbomDifference]) -> String {
    if found.is_empty() {
        return "the SBOM and the image agree\n".into();
    }
    found
        .iter()
        .map(|one| format!("PX803 {}\n", sanitize(&one.to_string())))
        .collect()
}

fn table(inventory: &Inventory) -> String {
    let rows: Vec<[String; 5]> = inventory.components.iter().map(row).collect();
    let title = ["TYPE", "NAME", "VERSION", "FILES", "LICENCE"].map(String::from);
    let width = |column: usize| {
        let cells = rows.iter().chain([&title]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |row: &[String; 5]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        let cells: Vec<String> = cells.collect();
        format!("{}  {}\n", cells.join("  "), row[4])
            .trim_end()
            .to_string()
            + "\n"
    };
    let mut text = line(&title);
    text.extend(rows.iter().map(line));
    let system = inventory
        .system
        .as_ref()
        .map_or("no operating system is named".into(), |system| {
            sanitize(&system.distro()).into_owned()
        });
    let (files, nobodys) = (inventory.files.len(), inventory.unattributed.len());
    text + &format!(
        "\n{system}; {} components; {} of {files} files are theirs, {nobodys} are nobody's\n",
        rows.len(),
        files - nobodys
    )
}

fn row(one: &Component) -> [String; 5] {
    let licence = one.licence.expression.as_deref().unwrap_or("-");
    let shown: String = licence.chars().take(60).collect();
    [
        one.kind.purl_type().into(),
        sanitize(&one.name).into_owned(),
        sanitize(&one.version).into_owned(),
        one.files.len().to_string(),
        sanitize(&shown).into_owned(),
    ]
}
