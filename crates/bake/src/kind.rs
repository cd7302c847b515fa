use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, ObjectKey};

use crate::value::Value;

/// A type, as `type = …` of a variable and `convert` name it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Any,
    Bool,
    Number,
    Text,
    List(Box<Kind>),
    Set(Box<Kind>),
    Map(Box<Kind>),
    Tuple(Vec<Kind>),
    Object(BTreeMap<String, (Kind, bool)>),
}

impl Kind {
    /// Reads a type expression such as `list(string)`.
    pub fn of(expression: &Expression) -> Result<Kind, String> {
        match expression {
            Expression::Variable(name) => simple(name.as_str()),
            // JSON has types as text.
            Expression::String(text) => {
                let inner: Expression = text
                    .as_str()
                    .parse()
                    .map_err(|_| format!("{:?} is no type", text.as_str()))?;
                if matches!(inner, Expression::String(_)) {
                    return Err(format!("{:?} is no type", text.as_str()));
                }
                Kind::of(&inner)
            }
            Expression::Parenthesis(inner) => Kind::of(inner.inner()),
            Expression::FuncCall(call) => {
                let arguments: Vec<&Expression> = call.args.iter().collect();
                let name = call.name.name.as_str();
                let [argument] = arguments.as_slice() else {
                    return Err(format!("the type {name}(…) takes one argument"));
                };
                constructed(name, argument)
            }
            _ => Err("this is no type: use string, number, bool, list(…), map(…), object({…}) or any".into()),
        }
    }

    /// The name, for people.
    pub fn name(&self) -> String {
        match self {
            Kind::Any => "any".into(),
            Kind::Bool => "bool".into(),
            Kind::Number => "number".into(),
            Kind::Text => "string".into(),
            Kind::List(of) => format!("list of {}", of.name()),
            Kind::Set(of) => format!("set of {}", of.name()),
            Kind::Map(of) => format!("map of {}", of.name()),
            Kind::Tuple(_) => "tuple".into(),
            Kind::Object(_) => "object".into(),
        }
    }

    /// The type that a value has by itself.
    pub fn of_value(value: &Value) -> Kind {
        match value {
            Value::Null => Kind::Any,
            Value::Bool(_) => Kind::Bool,
            Value::Number(_) => Kind::Number,
            Value::Text(_) => Kind::Text,
            Value::List(items) => Kind::Tuple(items.iter().map(Kind::of_value).collect()),
            Value::Map(map) => {
                let of = |(name, value): (&String, &Value)| (name.clone(), (Kind::of_value(value), false));
                Kind::Object(map.iter().map(of).collect())
            }
        }
    }

    /// Whether it is neither a list nor a map.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Kind::Any | Kind::Bool | Kind::Number | Kind::Text)
    }

    /// The value with this type, if it can have it.
    pub fn convert(&self, value: Value) -> Result<Value, String> {
        if value == Value::Null {
            return Ok(value);
        }
        match self {
            Kind::Any => Ok(value),
            Kind::Bool => value.to_bool().map(Value::Bool),
            Kind::Number => value.to_number().map(Value::Number),
            Kind::Text => value.to_text().map(Value::Text),
            Kind::List(of) => {
                let items = value.to_list()?.into_iter().map(|item| of.convert(item));
                items.collect::<Result<_, _>>().map(Value::List)
            }
            Kind::Set(of) => {
                let items = value.to_list()?.into_iter().map(|item| of.convert(item));
                items
                    .collect::<Result<_, _>>()
                    .map(|items| crate::functions::distinct(items, true))
            }
            Kind::Map(of) => {
                let pairs = value.to_map()?.into_iter();
                pairs
                    .map(|(name, value)| Ok((name, of.convert(value)?)))
                    .collect::<Result<_, String>>()
                    .map(Value::Map)
            }
            Kind::Tuple(kinds) => {
                let items = value.to_list()?;
                if items.len() != kinds.len() {
                    return Err(format!(
                        "{} elements are needed, not {}",
                        kinds.len(),
                        items.len()
                    ));
                }
                let items = items.into_iter().zip(kinds);
                items
                    .map(|(item, kind)| kind.convert(item))
                    .collect::<Result<_, _>>()
                    .map(Value::List)
            }
            Kind::Object(kinds) => object(kinds, value.to_map()?),
        }
    }

    /// The value that a text of the environment stands for.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        match self {
            Kind::Any | Kind::Text => Ok(Value::text(text)),
            Kind::Number => Value::text(text).to_number().map(Value::Number),
            Kind::Bool => crate::csv::boolean("", text)
                .map(Value::Bool)
                .map_err(|_| format!("true or false is needed here, not {text:?}")),
            Kind::List(of) | Kind::Set(of) if of.is_primitive() => {
                let fields = if text.is_empty() {
                    Vec::new()
                } else {
                    crate::csv::fields(text)?
                };
                let items = fields.iter().map(|field| of.parse(field));
                self.convert(Value::List(items.collect::<Result<_, _>>()?))
            }
            _ => self.parse_json(text),
        }
    }

    /// The value that a text in JSON stands for.
    pub fn parse_json(&self, text: &str) -> Result<Value, String> {
        let json = serde_json::from_str(text).map_err(|error| format!("JSON is needed here: {error}"))?;
        self.convert(Value::of_json(json))
    }
}

fn simple(name: &str) -> Result<Kind, String> {
    Ok(match name {
        "any" => Kind::Any,
        "bool" => Kind::Bool,
        "number" => Kind::Number,
        "string" => Kind::Text,
        "list" | "map" | "set" | "tuple" | "object" => {
            return Err(format!(
                "the type {name} needs what it holds, such as {name}(string)"
            ));
        }
        _ => {
            return Err(format!(
                "{name} is no type: use string, number, bool, list(…), map(…) or any"
            ));
        }
    })
}

fn constructed(name: &str, argument: &Expression) -> Result<Kind, String> {
    let of = || Kind::of(argument).map(Box::new);
    match (name, argument) {
        ("list", _) => Ok(Kind::List(of()?)),
        ("set", _) => Ok(Kind::Set(of()?)),
        ("map", _) => Ok(Kind::Map(of()?)),
        ("tuple", Expression::Array(kinds)) => kinds
            .iter()
            .map(Kind::of)
            .collect::<Result<_, _>>()
            .map(Kind::Tuple),
        ("object", Expression::Object(fields)) => {
            let mut kinds = BTreeMap::new();
            for (key, value) in fields.iter() {
                let name = match key {
                    ObjectKey::Ident(name) => name.as_str().to_string(),
                    ObjectKey::Expression(Expression::String(name)) => name.as_str().to_string(),
                    ObjectKey::Expression(_) => return Err("names of an object type are plain names".into()),
                };
                kinds.insert(name, field(value.expr())?);
            }
            Ok(Kind::Object(kinds))
        }
        _ => Err(format!(
            "{name}(…) is no type: use list(…), set(…), map(…), tuple([…]) or object({{…}})"
        )),
    }
}

/// A field's type, and whether it may be left out.
fn field(expression: &Expression) -> Result<(Kind, bool), String> {
    match expression {
        Expression::FuncCall(call) if call.name.name.as_str() == "optional" => {
            let first = call.args.iter().next().ok_or("optional(…) needs a type")?;
            Ok((Kind::of(first)?, true))
        }
        other => Ok((Kind::of(other)?, false)),
    }
}

fn object(
    kinds: &BTreeMap<String, (Kind, bool)>,
    mut given: BTreeMap<String, Value>,
) -> Result<Value, String> {
    let mut fields = BTreeMap::new();
    for (name, (kind, optional)) in kinds {
        let value = match given.remove(name) {
            Some(value) => kind.convert(value)?,
            None if *optional => Value::Null,
            None => return Err(format!("the field {name:?} is missing")),
        };
        fields.insert(name.clone(), value);
    }
    Ok(Value::Map(fields))
}
