//! `praxis inspect`.

use praxis_engine::ImageDescription;
use serde_json::Value;

use super::{Surroundings, result};
use crate::arguments::InspectOptions;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::progress::units;
use crate::registries;

/// Describes an image.
pub fn run(options: &InspectOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let image = match options.image.strip_prefix("docker://") {
        Some(name) => {
            let reference = name
                .parse()
                .map_err(|error| Failure::usage(format!("{}: {error}", options.image)))?;
            let settings = registries::settings(&options.registries, surroundings)?;
            surroundings.engine()?.0.0.inspect_remote(
                &reference,
                &settings,
                options.platform.platform.as_ref(),
            )?
        }
        None => surroundings
            .engine()?
            .0
            .inspect(&options.image, options.platform.platform.as_ref())?,
    };
    result(options.format.json, &image, || description(&image))
}

fn description(image: &ImageDescription) -> String {
    let mut text = format!(
        "digest      {}\nplatform    {}\n",
        image.digest,
        sanitize(&image.platform)
    );
    let config = &image.config["config"];
    for (title, key) in [
        ("user", "User"),
        ("directory", "WorkingDir"),
        ("entrypoint", "Entrypoint"),
        ("command", "Cmd"),
    ] {
        match &config[key] {
            Value::Null => {}
            Value::String(value) => text.push_str(&format!("{title:11} {}\n", sanitize(value))),
            other => text.push_str(&format!("{title:11} {}\n", sanitize(&other.to_string()))),
        }
    }
    for (name, value) in config["Labels"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        text.push_str(&format!("label       {}={}\n", sanitize(name), sanitize(value)));
    }
    for layer in &image.layers {
        let digest = layer.digest.to_string();
        let created_by = layer.created_by.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = format!(
            "{:>9}  {}",
            units::bytes(layer.size),
            units::fit(&sanitize(&created_by), 100)
        );
        text.push_str(&format!("layer       {}  {line}\n", units::short_digest(&digest)));
    }
    let total: u64 = image.layers.iter().map(|layer| layer.size).sum();
    text + &format!("size        {}\n", units::bytes(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_68_labels_are_data() {
        let image = ImageDescription {
            annotations: Default::default(),
            digest: "sha256:a".into(),
            config: serde_json::json!({"config": {
                "User": "10001:10001", "Cmd": null, "Entrypoint": ["python", "-m", "x"],
                "Labels": {"a": "b\nlayer  forged\u{1b}[2J"},
            }}),
            platform: "linux/amd64".into(),
            layers: vec![],
        };
        let text = description(&image);
        assert!(text.contains("user        10001:10001\n"));
        assert!(text.contains("entrypoint  [\"python\",\"-m\",\"x\"]\n"));
        assert!(
            text.contains("label       a=b\\nlayer  forged\\x1b[2J\n"),
            "{text}"
        );
        assert!(!text.contains("command"));
    }
}
