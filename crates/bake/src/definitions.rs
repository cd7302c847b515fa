//! Variables, functions and blocks of all HCL and JSON files together.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use hcl_edit::expr::Expression;

use crate::Inputs;
use crate::document::{Attribute, Block, Body, Term};
use crate::error::{Outcome, Problem};
use crate::evaluate::{Evaluator, Names, Scope, Sight};
use crate::kind::Kind;
use crate::value::Value;

/// `function "name" { … }`.
pub(crate) struct Function {
    pub parameters: Vec<String>,
    pub variadic: Option<String>,
    pub result: Term,
}

/// `variable "name" { … }`.
struct Variable {
    description: Option<String>,
    kind: Option<Kind>,
    default: Option<Term>,
    validations: Vec<Validation>,
}

struct Validation {
    condition: Term,
    message: Term,
}

/// A variable with the value it has.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct VariableDescription {
    /// The name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The type, if it has one.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The value; none for null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Everything that the files define, and the values as far as they are known.
pub(crate) struct Definitions<'i> {
    inputs: &'i Inputs,
    variables: BTreeMap<String, Variable>,
    attributes: BTreeMap<String, Attribute>,
    functions: BTreeMap<String, Function>,
    /// Targets and groups.
    pub blocks: Vec<Block>,
    values: RefCell<BTreeMap<String, Value>>,
    underway: RefCell<BTreeSet<String>>,
}

impl<'i> Definitions<'i> {
    /// Takes in the files, later ones over earlier ones.
    pub fn of(inputs: &'i Inputs, bodies: Vec<Body>) -> Outcome<Definitions<'i>> {
        let mut definitions = Definitions {
            inputs,
            variables: BTreeMap::new(),
            attributes: BTreeMap::new(),
            functions: BTreeMap::new(),
            blocks: Vec::new(),
            values: RefCell::new(inputs.built_in()),
            underway: RefCell::default(),
        };
        for body in bodies {
            for attribute in body.attributes {
                definitions.attributes.insert(attribute.name.clone(), attribute);
            }
            for block in body.blocks {
                definitions.block(block)?;
            }
        }
        Ok(definitions)
    }

    fn block(&mut self, block: Block) -> Outcome<()> {
        let known = ["target", "group", "variable", "function"];
        if !known.contains(&block.kind.as_str()) {
            return Err(Problem::at(
                block.place,
                format!("there is no block {:?} in bake files", block.kind),
            )
            .suggesting(&block.kind, &known));
        }
        let [label] = block.labels.as_slice() else {
            return Err(Problem::at(
                block.place,
                format!("{} needs one name: {} \"name\" {{ … }}", block.kind, block.kind),
            ));
        };
        let name = label.clone();
        match block.kind.as_str() {
            "variable" => _ = self.variables.insert(name, variable(&block)?),
            "function" => _ = self.functions.insert(name, function(&block)?),
            _ => self.blocks.push(block),
        }
        Ok(())
    }

    /// Evaluates what belongs to the file itself, and judges the variables.
    pub fn check(&self, evaluator: &Evaluator<'_>) -> Outcome<()> {
        for attribute in self.attributes.values() {
            self.resolve(&attribute.name, evaluator)
                .map_err(|problem| problem.or_at(attribute.place))?;
        }
        for (name, variable) in &self.variables {
            self.resolve(name, evaluator)?;
            for validation in &variable.validations {
                self.validate(name, validation, evaluator)?;
            }
        }
        Ok(())
    }

    fn validate(&self, name: &str, validation: &Validation, evaluator: &Evaluator<'_>) -> Outcome<()> {
        let scope = Scope::default();
        let sight = |term: &Term| Sight {
            scope: &scope,
            origin: term.origin,
        };
        let condition = &validation.condition;
        if evaluator.truth(&condition.expression, sight(condition))? {
            return Ok(());
        }
        let message = &validation.message;
        let message = evaluator.value(&message.expression, sight(message))?;
        Err(Problem::at(
            condition.origin.whole,
            format!(
                "variable {name} is not valid: {}",
                message.to_text().unwrap_or_default()
            ),
        ))
    }

    /// All variables with their values.
    pub fn described(&self, evaluator: &Evaluator<'_>) -> Outcome<Vec<VariableDescription>> {
        let describe = |(name, variable): (&String, &Variable)| {
            let value = self.resolve(name, evaluator)?;
            Ok(VariableDescription {
                name: name.clone(),
                description: variable.description.clone().unwrap_or_default(),
                kind: match &variable.kind {
                    Some(kind) => kind.name(),
                    None if value == Value::Null => String::new(),
                    None => Kind::of_value(&value).name(),
                },
                value: match &value {
                    Value::Null => None,
                    Value::List(_) | Value::Map(_) => Some(value.to_json().to_string()),
                    other => other.to_text().ok(),
                },
            })
        };
        self.variables.iter().map(describe).collect()
    }

    fn resolve(&self, name: &str, evaluator: &Evaluator<'_>) -> Outcome<Value> {
        if let Some(value) = self.values.borrow().get(name) {
            return Ok(value.clone());
        }
        let value = self.guarded(name.to_string(), || self.compute(name, evaluator))?;
        self.values.borrow_mut().insert(name.into(), value.clone());
        Ok(value)
    }

    /// Runs `compute` unless it is running already further out.
    pub(crate) fn guarded<T>(&self, key: String, compute: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        if !self.underway.borrow_mut().insert(key.clone()) {
            return Err(Problem::general(format!("{key} depends on itself")));
        }
        let result = compute();
        self.underway.borrow_mut().remove(&key);
        result
    }

    fn compute(&self, name: &str, evaluator: &Evaluator<'_>) -> Outcome<Value> {
        let variable = self.variables.get(name);
        let attribute = self.attributes.get(name).map(|attribute| &attribute.value);
        let default = attribute.or(variable.and_then(|variable| variable.default.as_ref()));
        let scope = Scope::default();
        let mut value = match default {
            Some(term) => {
                let sight = Sight {
                    scope: &scope,
                    origin: term.origin,
                };
                evaluator.value(&term.expression, sight)?
            }
            None if variable.is_some_and(|variable| variable.kind.is_some()) => Value::Null,
            None => Value::text(""),
        };
        let Some(variable) = variable else {
            return Ok(value);
        };
        if let Some(kind) = &variable.kind {
            value = kind.convert(value).map_err(|error| {
                let problem = Problem::general(format!(
                    "the default of variable {name} does not fit its type: {error}"
                ));
                match default {
                    Some(term) => problem.or_at(term.origin.whole),
                    None => problem,
                }
            })?;
        }
        self.overridden(name, variable, value)
    }

    /// The value that the caller gives a variable, or else the one it has.
    fn overridden(&self, name: &str, variable: &Variable, value: Value) -> Outcome<Value> {
        let kind = variable.kind.clone().unwrap_or_else(|| match &value {
            Value::List(items) => Kind::List(Box::new(items.first().map_or(Kind::Text, Kind::of_value))),
            Value::Map(_) => Kind::Map(Box::new(Kind::Any)),
            other => Kind::of_value(other),
        });
        let wrong = |error: String| Problem::general(format!("variable {name}: {error}"));
        let as_json = format!("{name}_JSON");
        if !kind.is_primitive()
            && !self.variables.contains_key(&as_json)
            && let Some(text) = self.inputs.variable(&as_json)
        {
            return kind
                .parse_json(text)
                .map_err(|error| Problem::general(format!("variable {as_json}: {error}")));
        }
        match self.inputs.variable(name) {
            Some(text) => kind.parse(text).map_err(wrong),
            None => Ok(value),
        }
    }

    /// `target` and `group` as values: the part that `path` names.
    fn blocks_value(&self, kind: &str, path: &[String], evaluator: &Evaluator<'_>) -> Outcome<Value> {
        let Some((name, rest)) = path.split_first() else {
            return Err(Problem::general(format!(
                "{kind} is no variable: write {kind}.NAME.ATTRIBUTE"
            )));
        };
        let fields = match rest.first() {
            Some(attribute) => vec![attribute.clone()],
            None => self.attribute_names(kind, name),
        };
        let mut map = BTreeMap::new();
        for field in fields {
            let key = format!("{kind}.{name}.{field}");
            let value = self.guarded(key, || self.block_attribute(kind, name, &field, evaluator))?;
            map.insert(field, value);
        }
        Ok(Value::Map(BTreeMap::from([(name.clone(), Value::Map(map))])))
    }

    fn attribute_names(&self, kind: &str, name: &str) -> Vec<String> {
        let blocks = self
            .blocks
            .iter()
            .filter(|block| block.kind == kind && block.labels[0] == name);
        let names = blocks.flat_map(|block| block.body.attributes.iter().map(|it| it.name.clone()));
        let names: BTreeSet<String> = names.filter(|name| name != "matrix").collect();
        names.into_iter().collect()
    }

    /// An attribute as it stands in the last block that has it.
    fn block_attribute(
        &self,
        kind: &str,
        name: &str,
        attribute: &str,
        evaluator: &Evaluator<'_>,
    ) -> Outcome<Value> {
        let mut exists = false;
        for block in self.blocks.iter().rev().filter(|block| block.kind == kind) {
            for variant in crate::decode::variants(block, evaluator)? {
                if variant.name != name {
                    continue;
                }
                exists = true;
                if attribute == "name" {
                    return Ok(Value::text(name));
                }
                if let Some(found) = block.body.attribute(attribute) {
                    let sight = Sight {
                        scope: &variant.scope,
                        origin: found.value.origin,
                    };
                    return evaluator.value(&found.value.expression, sight);
                }
            }
        }
        if exists {
            return Ok(Value::Null);
        }
        let names: Vec<&str> = self
            .blocks
            .iter()
            .filter(|block| block.kind == kind)
            .map(|block| block.labels[0].as_str())
            .collect();
        Err(Problem::general(format!("there is no {kind} {name:?}")).suggesting(name, &names))
    }
}

impl Names for Definitions<'_> {
    fn value(&self, name: &str, path: &[String], evaluator: &Evaluator<'_>) -> Option<Outcome<Value>> {
        let known = self.values.borrow().contains_key(name)
            || self.variables.contains_key(name)
            || self.attributes.contains_key(name);
        if known {
            return Some(self.resolve(name, evaluator));
        }
        matches!(name, "target" | "group").then(|| self.blocks_value(name, path, evaluator))
    }

    fn function(&self, name: &str) -> Option<&Function> {
        self.functions.get(name)
    }

    fn known(&self) -> Vec<&str> {
        let names = self.variables.keys().chain(self.attributes.keys());
        let built_in = ["BAKE_CMD_CONTEXT", "BAKE_LOCAL_PLATFORM"];
        names.map(String::as_str).chain(built_in).collect()
    }

    fn known_functions(&self) -> Vec<&str> {
        self.functions.keys().map(String::as_str).collect()
    }

    fn time(&self) -> i64 {
        self.inputs.time
    }

    fn home(&self) -> Option<&str> {
        self.inputs.environment.get("HOME").map(String::as_str)
    }
}

fn variable(block: &Block) -> Outcome<Variable> {
    let mut variable = Variable {
        description: None,
        kind: None,
        default: None,
        validations: Vec::new(),
    };
    for attribute in &block.body.attributes {
        let term = &attribute.value;
        let place = term.origin.whole;
        match attribute.name.as_str() {
            "default" => variable.default = Some(term.clone()),
            "type" => {
                let kind = Kind::of(&term.expression).map_err(|error| Problem::at(place, error))?;
                variable.kind = Some(kind);
            }
            "description" => {
                let text = term.expression.as_str().map(String::from);
                variable.description =
                    Some(text.ok_or_else(|| Problem::at(place, "a description is a plain string"))?);
            }
            // Of other readers of HCL, without a meaning here.
            "sensitive" | "nullable" => {}
            other => {
                return Err(unknown(
                    "variable",
                    other,
                    attribute,
                    &["default", "type", "description"],
                ));
            }
        }
    }
    for inner in &block.body.blocks {
        if inner.kind != "validation" {
            return Err(Problem::at(
                inner.place,
                format!("there is no block {:?} in a variable", inner.kind),
            )
            .suggesting(&inner.kind, &["validation"]));
        }
        let needed = |name: &str| {
            let found = inner
                .body
                .attribute(name)
                .map(|attribute| attribute.value.clone());
            found.ok_or_else(|| Problem::at(inner.place, format!("validation needs {name} = …")))
        };
        variable.validations.push(Validation {
            condition: needed("condition")?,
            message: needed("error_message")?,
        });
    }
    Ok(variable)
}

fn function(block: &Block) -> Outcome<Function> {
    let names = ["params", "variadic_params", "result"];
    if let Some(other) = block
        .body
        .attributes
        .iter()
        .find(|it| !names.contains(&it.name.as_str()))
    {
        return Err(unknown("function", &other.name, other, &names));
    }
    let needed = |name: &str| {
        let found = block.body.attribute(name);
        found.ok_or_else(|| Problem::at(block.place, format!("a function needs {name} = …")))
    };
    let params = needed("params")?;
    let place = params.value.origin.whole;
    let Expression::Array(list) = &params.value.expression else {
        return Err(Problem::at(place, "params is a list of names: params = [a, b]"));
    };
    let parameters = list.iter().map(|item| {
        parameter(item).ok_or_else(|| Problem::at(place, "params is a list of names: params = [a, b]"))
    });
    let variadic = match block.body.attribute("variadic_params") {
        Some(attribute) => Some(
            parameter(&attribute.value.expression)
                .ok_or_else(|| Problem::at(attribute.value.origin.whole, "variadic_params is one name"))?,
        ),
        None => None,
    };
    Ok(Function {
        parameters: parameters.collect::<Outcome<_>>()?,
        variadic,
        result: needed("result")?.value.clone(),
    })
}

fn parameter(expression: &Expression) -> Option<String> {
    match expression {
        Expression::Variable(name) => Some(name.as_str().to_string()),
        Expression::String(name) => Some(name.as_str().to_string()),
        _ => None,
    }
}

/// An attribute that does not belong there.
pub(crate) fn unknown(kind: &str, name: &str, attribute: &Attribute, known: &[&str]) -> Problem {
    Problem::at(
        attribute.place,
        format!("there is no attribute {name:?} in a {kind}"),
    )
    .suggesting(name, known)
}
