//! What bake files mean: cases that the documentation of buildx describes, and files as projects write them.

use praxis_source::SourceFile;
use serde_json::Value as Json;

use crate::{BakeError, Inputs, Resolved, read};

mod compose;
mod expressions;
mod files;

/// Files, variables of the environment, names and `--set` options to what `--print` shows.
#[derive(Default)]
struct Call<'t> {
    files: &'t [(&'t str, &'t str)],
    environment: &'t [(&'t str, &'t str)],
    names: &'t [&'t str],
    set: &'t [&'t str],
}

impl Call<'_> {
    fn inputs(&self) -> Inputs {
        let dotenv = self.files.iter().find(|(name, _)| *name == ".env");
        let files = self.files.iter().filter(|(name, _)| *name != ".env");
        Inputs {
            files: files.map(|(name, text)| SourceFile::new(*name, *text)).collect(),
            environment: self
                .environment
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            dotenv: dotenv.map(|(name, text)| SourceFile::new(*name, *text)),
            command_context: "cwd://".into(),
            local_platform: "linux/amd64".into(),
            time: 1_709_210_096,
            ..Inputs::default()
        }
    }

    fn resolve(&self) -> Result<Resolved, BakeError> {
        let inputs = self.inputs();
        let texts = |given: &[&str]| given.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        read(&inputs)?.resolve(&texts(self.names), &texts(self.set), &inputs.environment)
    }

    fn print(&self) -> Json {
        serde_json::to_value(self.resolve().unwrap().escaped()).unwrap()
    }

    fn error(&self) -> BakeError {
        self.resolve().unwrap_err()
    }
}

fn hcl(text: &str) -> Json {
    named(text, &[])
}

fn named(text: &str, names: &[&str]) -> Json {
    let files = [("docker-bake.hcl", text)];
    Call {
        files: &files,
        names,
        ..Call::default()
    }
    .print()
}

fn fails(text: &str) -> BakeError {
    let files = [("docker-bake.hcl", text)];
    Call {
        files: &files,
        ..Call::default()
    }
    .error()
}

/// The arguments of the target `default`.
fn arguments(text: &str) -> Json {
    hcl(text)["target"]["default"]["args"].clone()
}

/// An expression's value as a text.
fn value(expression: &str) -> String {
    let args = arguments(&format!(
        "target \"default\" {{\n args = {{ v = {expression} }}\n}}\n"
    ));
    args["v"].as_str().unwrap_or("<null>").to_string()
}
