use std::collections::BTreeMap;

use serde_json::Value as Json;

/// What an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// A list of texts.
    pub fn texts(texts: impl IntoIterator<Item = String>) -> Value {
        Value::List(texts.into_iter().map(Value::Text).collect())
    }

    /// The kind, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::Text(_) => "string",
            Value::List(_) => "list",
            Value::Map(_) => "map",
        }
    }

    /// As text, if it is a text or can become one.
    pub fn to_text(&self) -> Result<String, String> {
        match self {
            Value::Text(text) => Ok(text.clone()),
            Value::Bool(value) => Ok(value.to_string()),
            Value::Number(number) => Ok(number_text(*number)),
            other => Err(format!("a string is needed here, not {}", other.with_article())),
        }
    }

    /// As a number, also from a text that is one.
    pub fn to_number(&self) -> Result<f64, String> {
        match self {
            Value::Number(number) => Ok(*number),
            Value::Text(text) => {
                parse_number(text).ok_or_else(|| format!("a number is needed here, not {text:?}"))
            }
            other => Err(format!("a number is needed here, not {}", other.with_article())),
        }
    }

    /// As a whole number.
    pub fn to_whole(&self) -> Result<i64, String> {
        let number = self.to_number()?;
        if number.fract() == 0.0 && number.abs() < 9e15 {
            Ok(number as i64)
        } else {
            Err(format!(
                "a whole number is needed here, not {}",
                number_text(number)
            ))
        }
    }

    /// As a truth value, also from `"true"` and `"false"`.
    pub fn to_bool(&self) -> Result<bool, String> {
        match self {
            Value::Bool(value) => Ok(*value),
            Value::Text(text) if text == "true" || text == "1" => Ok(true),
            Value::Text(text) if text == "false" || text == "0" => Ok(false),
            other => Err(format!(
                "true or false is needed here, not {}",
                other.with_article()
            )),
        }
    }

    /// As a list: the elements of a list, the values of a map.
    pub fn to_list(&self) -> Result<Vec<Value>, String> {
        match self {
            Value::List(items) => Ok(items.clone()),
            Value::Map(map) => Ok(map.values().cloned().collect()),
            other => Err(format!("a list is needed here, not {}", other.with_article())),
        }
    }

    /// As a map.
    pub fn to_map(&self) -> Result<BTreeMap<String, Value>, String> {
        match self {
            Value::Map(map) => Ok(map.clone()),
            other => Err(format!("a map is needed here, not {}", other.with_article())),
        }
    }

    /// The kind with the value where that is short.
    pub fn with_article(&self) -> String {
        match self {
            Value::Null => "null".into(),
            Value::Text(text) if text.len() <= 40 => format!("the string {text:?}"),
            other => format!("a {}", other.kind()),
        }
    }

    /// How much there is to it: elements, and bytes of text. Stops counting above `most`.
    pub fn weight(&self, most: usize) -> usize {
        let sum = |values: &mut dyn Iterator<Item = &Value>| {
            let mut sum = 1;
            for value in values {
                sum += value.weight(most);
                if sum > most {
                    break;
                }
            }
            sum
        };
        match self {
            Value::Text(text) => 1 + text.len(),
            Value::List(items) => sum(&mut items.iter()),
            Value::Map(map) => sum(&mut map.values()),
            _ => 1,
        }
    }

    /// As JSON.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Json::from(*number as i64)
            }
            Value::Number(number) => Json::from(*number),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Value::to_json).collect()),
            Value::Map(map) => Json::Object(
                map.iter()
                    .map(|(name, value)| (name.clone(), value.to_json()))
                    .collect(),
            ),
        }
    }

    /// From JSON.
    pub fn of_json(json: Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => Value::Number(number.as_f64().unwrap_or_default()),
            Json::String(text) => Value::Text(text),
            Json::Array(items) => Value::List(items.into_iter().map(Value::of_json).collect()),
            Json::Object(map) => Value::Map(
                map.into_iter()
                    .map(|(name, value)| (name, Value::of_json(value)))
                    .collect(),
            ),
        }
    }
}

/// A number without an exponent, and without a fraction if it is whole.
pub(crate) fn number_text(number: f64) -> String {
    if number == 0.0 {
        "0".into()
    } else {
        number.to_string()
    }
}

/// A number as HCL and JSON write it.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let digits = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number = text.parse::<f64>().ok()?;
    (digits && number.is_finite()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_those_of_hcl() {
        assert_eq!(Value::Number(1e15).to_text().unwrap(), "1000000000000000");
        assert_eq!(Value::Number(1.5).to_text().unwrap(), "1.5");
        assert_eq!(Value::Number(-0.0).to_text().unwrap(), "0");
        assert_eq!(Value::text("12").to_number().unwrap(), 12.0);
        assert!(Value::text("inf").to_number().is_err());
        assert!(Value::text("0x1").to_number().is_err());
        assert!(Value::text("true").to_bool().unwrap());
        assert!(Value::Null.to_text().unwrap_err().contains("not null"));
        assert!(Value::Number(1.5).to_whole().is_err());
    }

    #[test]
    fn weights_stop_early() {
        let list = Value::List(vec![Value::text("abc"); 100]);
        assert_eq!(list.weight(10_000), 401);
        assert!(list.weight(10) <= 15);
    }
}
