//! Files to everything they define.

use praxis_source::{SourceFile, Span};

use crate::definitions::{Definitions, VariableDescription};
use crate::document::{Body, parse_hcl};
use crate::error::{BakeError, Outcome, Place, Problem};
use crate::evaluate::Evaluator;
use crate::json::parse_json;
use crate::target::{Group, Target, texts};
use crate::{FILE_LIMIT, Inputs, compose, decode, dotenv, yaml};

/// What the files define, before anything is inherited.
#[derive(Clone, Debug, Default)]
pub struct Bake {
    /// Groups.
    pub groups: Vec<Group>,
    /// Targets.
    pub targets: Vec<Target>,
    /// Variables with their values.
    pub variables: Vec<VariableDescription>,
}

/// How a file is written.
#[derive(Clone, Copy, PartialEq)]
enum Language {
    Hcl,
    Json,
    Compose,
}

/// Reads all files.
///
/// # Errors
/// With the place in the file.
pub fn read(inputs: &Inputs) -> Result<Bake, BakeError> {
    let mut files = inputs.files.clone();
    files.extend(inputs.dotenv.clone());
    collect(inputs).map_err(|problem| problem.told(&files))
}

fn collect(inputs: &Inputs) -> Outcome<Bake> {
    let (mut bodies, mut composed) = (Vec::new(), Vec::new());
    for (number, file) in inputs.files.iter().enumerate() {
        if file.text().len() > FILE_LIMIT {
            return Err(Problem::general(format!(
                "{}: the file is longer than the {} KiB allowed",
                file.name(),
                FILE_LIMIT / 1024
            )));
        }
        match language(file) {
            Language::Hcl => bodies.push(parse_hcl(number, file)?),
            Language::Json => bodies.push(parse_json(number, file)?),
            Language::Compose => composed.extend(yaml::parse(number, file)?),
        }
    }
    let mut bake = Bake::default();
    if !composed.is_empty() {
        let (targets, group) = read_compose(inputs, composed)?;
        bake.targets = targets;
        bake.groups.extend(group);
    }
    read_bodies(inputs, bodies, &mut bake)?;
    for group in &mut bake.groups {
        texts(&mut group.targets);
    }
    Ok(bake)
}

/// By the ending of the name; without one, by what the text is.
fn language(file: &SourceFile) -> Language {
    let name = file.name().to_lowercase();
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        Language::Compose
    } else if name.ends_with(".hcl") {
        Language::Hcl
    } else if name.ends_with(".json") || file.text().trim_start().starts_with('{') {
        Language::Json
    } else {
        let is_compose = file.text().lines().any(|line| {
            let key = line.strip_prefix("services").unwrap_or("-").trim_start();
            key.starts_with(':')
        });
        if is_compose {
            Language::Compose
        } else {
            Language::Hcl
        }
    }
}

fn read_compose(inputs: &Inputs, files: Vec<yaml::Node>) -> Outcome<(Vec<Target>, Option<Group>)> {
    let outside = |name: &str| inputs.variable(name).map(String::from);
    let from_file = match &inputs.dotenv {
        Some(file) => dotenv::parse(file.text(), &outside).map_err(|(at, error)| {
            let place = Place {
                file: inputs.files.len(),
                span: Span::new(at, at + 1),
            };
            Problem::at(place, error)
        })?,
        None => Default::default(),
    };
    let lookup = |name: &str| outside(name).or_else(|| from_file.get(name).cloned());
    compose::read(files, &lookup)
}

fn read_bodies(inputs: &Inputs, bodies: Vec<Body>, bake: &mut Bake) -> Outcome<()> {
    if bodies.is_empty() {
        return Ok(());
    }
    let definitions = Definitions::of(inputs, bodies)?;
    let evaluator = Evaluator::new(&definitions);
    definitions.check(&evaluator)?;
    let mut renamed: Vec<Group> = Vec::new();
    for block in &definitions.blocks {
        if block.kind == "group" {
            put_group(bake, decode::group(block, &evaluator)?);
            continue;
        }
        let label = &block.labels[0];
        decode::valid_name(label).map_err(|error| Problem::at(block.place, error))?;
        let variants = decode::variants(block, &evaluator)?;
        let names: Vec<String> = variants.iter().map(|variant| variant.name.clone()).collect();
        if names.iter().any(|name| name != label) {
            match renamed.iter_mut().find(|group| group.name == *label) {
                Some(group) => group.targets.extend(names),
                None => renamed.push(Group {
                    name: label.clone(),
                    description: None,
                    targets: names,
                }),
            }
        }
        for variant in &variants {
            put_target(bake, decode::target(block, variant, &evaluator)?);
        }
    }
    for group in renamed {
        if !bake.groups.iter().any(|known| known.name == group.name) {
            bake.groups.push(group);
        }
    }
    bake.variables = definitions.described(&evaluator)?;
    Ok(())
}

fn put_group(bake: &mut Bake, group: Group) {
    match bake.groups.iter_mut().find(|known| known.name == group.name) {
        Some(known) => *known = group,
        None => bake.groups.push(group),
    }
}

fn put_target(bake: &mut Bake, target: Target) {
    match bake.targets.iter_mut().find(|known| known.name == target.name) {
        Some(known) => known.merge(&target),
        None => bake.targets.push(target),
    }
}
