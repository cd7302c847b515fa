//! Blocks to targets and groups.

use std::collections::BTreeMap;

use crate::definitions::unknown;
use crate::document::{Attribute, Block};
use crate::entry::{Attestation, Cache, Export, list};
use crate::error::{Outcome, Problem};
use crate::evaluate::{Evaluator, Scope, Sight};
use crate::target::{Group, Target};
use crate::value::Value;

/// Attributes of a target.
pub(crate) const ATTRIBUTES: [&str; 31] = [
    "name",
    "matrix",
    "description",
    "inherits",
    "annotations",
    "attest",
    "context",
    "contexts",
    "dockerfile",
    "dockerfile-inline",
    "args",
    "labels",
    "tags",
    "cache-from",
    "cache-to",
    "target",
    "secret",
    "ssh",
    "platforms",
    "output",
    "pull",
    "no-cache",
    "network",
    "no-cache-filter",
    "shm-size",
    "ulimits",
    "call",
    "entitlements",
    "extra-hosts",
    "policy",
    "resources",
];

/// Most targets of one matrix.
const MOST: usize = 1000;

/// A block with the variables of one field of its matrix.
pub(crate) struct Variant {
    pub name: String,
    pub scope: Scope<'static>,
}

/// What a block stands for: itself, or one target for each field of its matrix.
pub(crate) fn variants(block: &Block, evaluator: &Evaluator<'_>) -> Outcome<Vec<Variant>> {
    let label = block.labels[0].clone();
    let name = block.body.attribute("name");
    let Some(matrix) = block.body.attribute("matrix") else {
        if let Some(name) = name {
            return Err(Problem::at(
                name.place,
                "name is only for targets with a matrix: leave it out, or add matrix = { … }",
            ));
        }
        return Ok(vec![Variant {
            name: label,
            scope: Scope::default(),
        }]);
    };
    let mut variants = Vec::new();
    for scope in fields(matrix, evaluator)? {
        let name = match name {
            Some(name) => {
                let value = read(name, &scope, evaluator)?;
                let text = value
                    .to_text()
                    .map_err(|error| Problem::at(name.value.origin.whole, error))?;
                valid_name(&text).map_err(|error| Problem::at(name.value.origin.whole, error))?;
                text
            }
            None => label.clone(),
        };
        if variants.iter().any(|variant: &Variant| variant.name == name) {
            return Err(Problem::at(
                matrix.place,
                format!("the matrix gives two targets the name {name:?}"),
            )
            .with_help("give each a name with the variables of the matrix: name = \"app-${…}\""));
        }
        variants.push(Variant { name, scope });
    }
    Ok(variants)
}

/// Every choice of one value for each variable.
fn fields(matrix: &Attribute, evaluator: &Evaluator<'_>) -> Outcome<Vec<Scope<'static>>> {
    let place = matrix.value.origin.whole;
    let Value::Map(axes) = read(matrix, &Scope::default(), evaluator)? else {
        return Err(Problem::at(place, "matrix must be a map of lists"));
    };
    let mut scopes = vec![Scope::default()];
    for (name, values) in axes {
        let Value::List(values) = values else {
            return Err(Problem::at(place, format!("{name} in the matrix must be a list")));
        };
        if scopes.len().saturating_mul(values.len()) > MOST {
            return Err(Problem::at(
                place,
                format!("the matrix has more than {MOST} fields"),
            ));
        }
        let mut next = Vec::new();
        for value in values {
            for scope in &scopes {
                let mut scope: Scope<'static> = scope.clone();
                scope.locals.insert(name.clone(), value.clone());
                next.push(scope);
            }
        }
        scopes = next;
    }
    Ok(scopes)
}

fn read(attribute: &Attribute, scope: &Scope<'_>, evaluator: &Evaluator<'_>) -> Outcome<Value> {
    let sight = Sight {
        scope,
        origin: attribute.value.origin,
    };
    evaluator.value(&attribute.value.expression, sight)
}

/// Whether a target can have this name.
pub(crate) fn valid_name(name: &str) -> Result<(), String> {
    let valid = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if !name.is_empty() && name.chars().all(valid) {
        Ok(())
    } else {
        Err(format!(
            "{name:?} is no name for a target: use letters, digits, _ and -"
        ))
    }
}

/// The group of a block.
pub(crate) fn group(block: &Block, evaluator: &Evaluator<'_>) -> Outcome<Group> {
    let mut group = Group {
        name: block.labels[0].clone(),
        ..Group::default()
    };
    valid_name(&group.name).map_err(|error| Problem::at(block.place, error))?;
    no_blocks(block)?;
    if block.body.attribute("targets").is_none() {
        return Err(Problem::at(block.place, "a group needs targets = [ … ]"));
    }
    for attribute in &block.body.attributes {
        let at = |error| Problem::at(attribute.value.origin.whole, error);
        match attribute.name.as_str() {
            "targets" => {
                group.targets = texts(&read(attribute, &Scope::default(), evaluator)?).map_err(at)?
            }
            "description" => {
                group.description = text(&read(attribute, &Scope::default(), evaluator)?).map_err(at)?;
            }
            "matrix" | "name" => {
                return Err(Problem::at(
                    attribute.place,
                    format!("{} is for targets, not for groups", attribute.name),
                ));
            }
            other => return Err(unknown("group", other, attribute, &["targets", "description"])),
        }
    }
    Ok(group)
}

fn no_blocks(block: &Block) -> Outcome<()> {
    match block.body.blocks.first() {
        Some(inner) => Err(Problem::at(
            inner.place,
            format!("{} is no block here: write {} = {{ … }}", inner.kind, inner.kind),
        )),
        None => Ok(()),
    }
}

/// The target of a block, without what it inherits.
pub(crate) fn target(block: &Block, variant: &Variant, evaluator: &Evaluator<'_>) -> Outcome<Target> {
    no_blocks(block)?;
    let mut target = Target {
        name: variant.name.clone(),
        ..Target::default()
    };
    for attribute in &block.body.attributes {
        if !ATTRIBUTES.contains(&attribute.name.as_str()) {
            return Err(unknown("target", &attribute.name, attribute, &ATTRIBUTES));
        }
        if matches!(attribute.name.as_str(), "name" | "matrix") {
            continue;
        }
        let value = read(attribute, &variant.scope, evaluator)?;
        set(&mut target, &attribute.name, &value).map_err(|error| {
            Problem::at(
                attribute.value.origin.whole,
                format!("{} of target {}: {error}", attribute.name, variant.name),
            )
        })?;
    }
    Ok(target)
}

/// Gives a target the value of an attribute.
pub(crate) fn set(target: &mut Target, name: &str, value: &Value) -> Result<(), String> {
    if *value == Value::Null {
        return Ok(());
    }
    let entries = |list: Vec<Cache>| list.into_iter().map(|it| it.0).collect();
    match name {
        "description" => target.description = text(value)?.filter(|text| !text.is_empty()),
        "inherits" => target.inherits = texts(value)?,
        "annotations" => target.annotations = texts(value)?,
        "attest" => {
            let given: Vec<_> = list::<Attestation>(value)?.into_iter().map(|it| it.0).collect();
            target.attest = crate::entry::merged(&[], &given);
        }
        "context" => target.context = text(value)?,
        "contexts" => target.contexts = map(value)?,
        "dockerfile" => target.dockerfile = text(value)?,
        "dockerfile-inline" => target.dockerfile_inline = text(value)?,
        "args" => target.args = map(value)?,
        "labels" => target.labels = map(value)?,
        "tags" => target.tags = Some(texts(value)?),
        "cache-from" => target.cache_from = crate::entry::unique(entries(list(value)?)),
        "cache-to" => target.cache_to = Some(entries(list(value)?)),
        "target" => target.target = text(value)?,
        "secret" => target.secrets = list(value)?,
        "ssh" => target.ssh = list(value)?,
        "platforms" => target.platforms = Some(texts(value)?),
        "output" => target.outputs = Some(list::<Export>(value)?.into_iter().map(|it| it.0).collect()),
        "pull" => target.pull = Some(flag(value)?),
        "no-cache" => target.no_cache = Some(flag(value)?),
        "network" => target.network = text(value)?,
        "no-cache-filter" => target.no_cache_filter = texts(value)?,
        "shm-size" => target.shm_size = text(value)?,
        "ulimits" => target.ulimits = texts(value)?,
        "call" => target.call = text(value)?,
        "entitlements" => target.entitlements = texts(value)?,
        "extra-hosts" => target.extra_hosts = map(value)?,
        other => return Err(format!("{other} is not supported")),
    }
    Ok(())
}

/// A truth value, also in the words of the documentation of buildx: `1` and `"always"`.
fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Number(number) if *number == 0.0 || *number == 1.0 => Ok(*number == 1.0),
        Value::Text(text) if text == "always" => Ok(true),
        other => other.to_bool(),
    }
}

fn text(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        other => other.to_text().map(Some),
    }
}

/// A list of texts; null elements are left out.
fn texts(value: &Value) -> Result<Vec<String>, String> {
    let Value::List(items) = value else {
        return Err(format!(
            "a list of strings is needed here, not {}: write [ … ]",
            value.with_article()
        ));
    };
    let items = items.iter().filter(|item| **item != Value::Null);
    items.map(Value::to_text).collect()
}

/// A map of texts; null values are left out.
fn map(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let pairs = value
        .to_map()?
        .into_iter()
        .filter(|(_, value)| *value != Value::Null);
    pairs
        .map(|(name, value)| {
            let text = value.to_text().map_err(|error| format!("{name}: {error}"))?;
            Ok((name, text))
        })
        .collect()
}
