use praxis_bake::csv;
use praxis_engine::Attestation;

use super::BuildOptions;

impl BuildOptions {
    /// What is attested in the index, each kind once: the last word on a kind counts, `--provenance` and `--sbom` before
    /// `--attest`.
    ///
    /// # Errors
    /// If something is asked for that there is not.
    pub fn attestations(&self) -> Result<Vec<Attestation>, String> {
        let mut wanted: [Option<Attestation>; 2] = [None, None];
        for text in &self.attest {
            let pairs = csv::pairs(text)?;
            let kind = pairs
                .iter()
                .find(|(key, _)| key == "type")
                .map(|(_, kind)| kind.as_str());
            let place = match kind {
                Some("provenance") => 0,
                Some("sbom") => 1,
                Some(other) => {
                    return Err(format!(
                        "--attest {text}: there is no type {other}: provenance or sbom"
                    ));
                }
                None => return Err(format!("--attest {text}: it needs type=provenance or type=sbom")),
            };
            wanted[place] = one(place, text).map_err(|why| format!("--attest {text}: {why}"))?;
        }
        for (place, flag, given) in [(0, "--provenance", &self.provenance), (1, "--sbom", &self.sbom)] {
            if let Some(text) = given {
                wanted[place] = one(place, text).map_err(|why| format!("{flag} {text}: {why}"))?;
            }
        }
        Ok(wanted.into_iter().flatten().collect())
    }
}

/// Provenance (0) or an SBOM (1), as `text` asks for it.
fn one(place: usize, text: &str) -> Result<Option<Attestation>, String> {
    let (mut all, mut builder) = (false, None);
    let plain = matches!(text, "true" | "1" | "");
    if matches!(text, "false" | "0") {
        return Ok(None);
    }
    for (key, value) in if plain { Vec::new() } else { csv::pairs(text)? } {
        match (key.as_str(), value.as_str()) {
            ("type", _) => {}
            ("disabled", value) if csv::boolean("disabled", value)? => return Ok(None),
            ("disabled", _) => {}
            ("mode", "min") if place == 0 => all = false,
            ("mode", "max") if place == 0 => all = true,
            ("mode", _) if place == 0 => return Err(format!("mode={value}: min or max")),
            ("version", "v1") if place == 0 => {}
            ("version", _) if place == 0 => return Err(format!("version={value}: only v1 is written")),
            ("builder-id", _) if place == 0 => builder = Some(value),
            ("inline-only" | "reproducible" | "filename", _) if place == 0 => {}
            ("generator", _) if place == 1 => {
                return Err("there are no generators: praxis reads the image itself".into());
            }
            _ => return Err(format!("there is no {key}")),
        }
    }
    Ok(Some(match place {
        0 => Attestation::Provenance { all, builder },
        _ => Attestation::Sbom,
    }))
}
