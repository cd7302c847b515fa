use std::collections::BTreeMap;

use super::{ANY, Answer, Entry, entry};
use crate::evaluate::member;
use crate::value::Value;

pub(super) const TABLE: &[Entry] = &[
    entry("length", 1, 1, |a| match &a[0] {
        Value::Text(text) => Ok(Value::Number(text.chars().count() as f64)),
        other => Ok(Value::Number(other.to_list()?.len() as f64)),
    }),
    entry("concat", 1, ANY, |a| {
        let mut all = Vec::new();
        for list in a {
            all.extend(list.to_list()?);
        }
        Ok(Value::List(all))
    }),
    entry("contains", 2, 2, |a| {
        if let (Value::Text(text), Value::Text(part)) = (&a[0], &a[1]) {
            return Ok(Value::Bool(text.contains(&**part)));
        }
        Ok(Value::Bool(a[0].to_list()?.contains(&a[1])))
    }),
    entry("sethaselement", 2, 2, |a| {
        Ok(Value::Bool(a[0].to_list()?.contains(&a[1])))
    }),
    entry("compact", 1, 1, |a| {
        let items = a[0].to_list()?.into_iter();
        Ok(Value::List(
            items
                .filter(|item| *item != Value::Null && *item != Value::text(""))
                .collect(),
        ))
    }),
    entry("distinct", 1, 1, |a| Ok(distinct(a[0].to_list()?, false))),
    entry("flatten", 1, 1, |a| {
        let mut flat = Vec::new();
        flatten(&a[0].to_list()?, &mut flat);
        Ok(Value::List(flat))
    }),
    entry("reverselist", 1, 1, |a| {
        Ok(Value::List(a[0].to_list()?.into_iter().rev().collect()))
    }),
    entry("sort", 1, 1, |a| {
        let mut texts: Vec<String> = a[0]
            .to_list()?
            .iter()
            .map(Value::to_text)
            .collect::<Result<_, _>>()?;
        texts.sort();
        Ok(Value::texts(texts))
    }),
    entry("element", 2, 2, |a| {
        let (items, index) = (a[0].to_list()?, a[1].to_whole()?);
        if items.is_empty() {
            return Err("the list is empty".into());
        }
        Ok(items[index.rem_euclid(items.len() as i64) as usize].clone())
    }),
    entry("index", 2, 2, |a| member(&a[0], &a[1])),
    entry("hasindex", 2, 2, |a| {
        Ok(Value::Bool(member(&a[0], &a[1]).is_ok()))
    }),
    entry("indexof", 2, 2, |a| {
        let place = a[0].to_list()?.iter().position(|item| *item == a[1]);
        place
            .map(|place| Value::Number(place as f64))
            .ok_or_else(|| "the list does not hold it".into())
    }),
    entry("slice", 2, 3, |a| {
        let items = a[0].to_list()?;
        let end = match a.get(2) {
            Some(end) => end.to_whole()?,
            None => items.len() as i64,
        };
        let start = a[1].to_whole()?;
        if start < 0 || end < start || end > items.len() as i64 {
            return Err(format!("{start} to {end} is not in a list of {}", items.len()));
        }
        Ok(Value::List(items[start as usize..end as usize].to_vec()))
    }),
    entry("chunklist", 2, 2, |a| {
        let (items, size) = (a[0].to_list()?, a[1].to_whole()?);
        if size < 0 {
            return Err("the size must not be negative".into());
        }
        if size == 0 {
            return Ok(Value::List(vec![Value::List(items)]));
        }
        let chunks = items.chunks(size as usize);
        Ok(Value::List(
            chunks.map(|chunk| Value::List(chunk.to_vec())).collect(),
        ))
    }),
    entry("coalesce", 1, ANY, |a| {
        let found = a
            .iter()
            .find(|value| **value != Value::Null && **value != Value::text(""));
        found
            .cloned()
            .ok_or_else(|| "all arguments are null or empty".into())
    }),
    entry("coalescelist", 1, ANY, |a| {
        for list in a {
            let items = list.to_list()?;
            if !items.is_empty() {
                return Ok(Value::List(items));
            }
        }
        Err("all lists are empty".into())
    }),
    entry("keys", 1, 1, |a| Ok(Value::texts(a[0].to_map()?.into_keys()))),
    entry("values", 1, 1, |a| {
        Ok(Value::List(a[0].to_map()?.into_values().collect()))
    }),
    entry("lookup", 2, 3, |a| {
        match (a[0].to_map()?.get(&a[1].to_text()?), a.get(2)) {
            (Some(value), _) => Ok(value.clone()),
            (None, Some(default)) => Ok(default.clone()),
            (None, None) => member(&a[0], &a[1]),
        }
    }),
    entry("merge", 0, ANY, |a| {
        let mut merged = BTreeMap::new();
        for map in a.iter().filter(|map| **map != Value::Null) {
            merged.extend(map.to_map()?);
        }
        Ok(Value::Map(merged))
    }),
    entry("zipmap", 2, 2, |a| {
        let (keys, values) = (a[0].to_list()?, a[1].to_list()?);
        if keys.len() != values.len() {
            return Err(format!("{} keys do not fit {} values", keys.len(), values.len()));
        }
        let pairs = keys
            .iter()
            .zip(values)
            .map(|(key, value)| Ok((key.to_text()?, value)));
        pairs.collect::<Result<_, String>>().map(Value::Map)
    }),
    entry("setunion", 1, ANY, |a| {
        let mut all = Vec::new();
        for list in a {
            all.extend(list.to_list()?);
        }
        Ok(distinct(all, true))
    }),
    entry("setintersection", 1, ANY, |a| {
        let mut common = a[0].to_list()?;
        for list in &a[1..] {
            let other = list.to_list()?;
            common.retain(|item| other.contains(item));
        }
        Ok(distinct(common, true))
    }),
    entry("setsubtract", 2, 2, |a| {
        let (mut items, without) = (a[0].to_list()?, a[1].to_list()?);
        items.retain(|item| !without.contains(item));
        Ok(distinct(items, true))
    }),
    entry("setsymmetricdifference", 2, 2, |a| {
        let (first, second) = (a[0].to_list()?, a[1].to_list()?);
        let only = |items: &[Value], others: &[Value]| -> Vec<Value> {
            items
                .iter()
                .filter(|item| !others.contains(item))
                .cloned()
                .collect()
        };
        Ok(distinct(
            [only(&first, &second), only(&second, &first)].concat(),
            true,
        ))
    }),
    entry("setproduct", 1, ANY, product),
    entry("range", 1, 3, range),
];

/// Values that a function makes at most.
const MOST: usize = 100_000;

/// Each value once; sorted if it is a set.
pub(crate) fn distinct(items: Vec<Value>, sorted: bool) -> Value {
    let mut seen = std::collections::BTreeSet::new();
    let mut kept: Vec<(String, Value)> = Vec::new();
    for item in items {
        let key = item.to_json().to_string();
        if seen.insert(key.clone()) {
            kept.push((key, item));
        }
    }
    if sorted {
        kept.sort_by(|(_, first), (_, second)| match (first, second) {
            (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
            _ => first.to_json().to_string().cmp(&second.to_json().to_string()),
        });
    }
    Value::List(kept.into_iter().map(|(_, item)| item).collect())
}

fn flatten(items: &[Value], flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::List(inner) => flatten(inner, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn product(arguments: &[Value]) -> Answer {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for list in arguments {
        let items = list.to_list()?;
        if rows.len().saturating_mul(items.len()) > MOST {
            return Err("the result would be too large".into());
        }
        let extended = rows.iter().flat_map(|row| {
            items.iter().map(|item| {
                let mut row = row.clone();
                row.push(item.clone());
                row
            })
        });
        rows = extended.collect();
    }
    Ok(Value::List(rows.into_iter().map(Value::List).collect()))
}

fn range(arguments: &[Value]) -> Answer {
    let numbers: Vec<f64> = arguments.iter().map(Value::to_number).collect::<Result<_, _>>()?;
    let (start, end, step) = match *numbers.as_slice() {
        [end] => (0.0, end, if end < 0.0 { -1.0 } else { 1.0 }),
        [start, end] => (start, end, if end < start { -1.0 } else { 1.0 }),
        [start, end, step] => (start, end, step),
        _ => return Err("it takes 1 to 3 arguments".into()),
    };
    if step == 0.0 || (step > 0.0) != (end >= start) {
        return Err(format!("the step {step} does not lead from {start} to {end}"));
    }
    let mut values = Vec::new();
    let mut at = start;
    while if step > 0.0 { at < end } else { at > end } {
        if values.len() == 1024 {
            return Err("it gives at most 1024 values".into());
        }
        values.push(Value::Number(at));
        at += step;
    }
    Ok(Value::List(values))
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    fn json(name: &str, arguments: &str) -> String {
        let arguments = Value::of_json(serde_json::from_str(arguments).unwrap())
            .to_list()
            .unwrap();
        match call(name, arguments, 0).unwrap() {
            Ok(value) => value.to_json().to_string(),
            Err(error) => error,
        }
    }

    #[test]
    fn lists_and_maps() {
        for (name, arguments, result) in [
            ("concat", r#"[["a"],["b","c"]]"#, r#"["a","b","c"]"#),
            ("contains", r#"[["a","b"],"b"]"#, "true"),
            ("compact", r#"[["a","",null]]"#, r#"["a"]"#),
            ("distinct", r#"[["b","a","b"]]"#, r#"["b","a"]"#),
            ("flatten", r#"[[["a"],[["b"]],"c"]]"#, r#"["a","b","c"]"#),
            ("element", r#"[["a","b"],3]"#, r#""b""#),
            ("slice", r#"[["a","b","c"],1,2]"#, r#"["b"]"#),
            ("coalesce", r#"[null,"","x"]"#, r#""x""#),
            ("keys", r#"[{"b":1,"a":2}]"#, r#"["a","b"]"#),
            ("lookup", r#"[{"a":1},"z","d"]"#, r#""d""#),
            ("merge", r#"[{"a":1},{"a":2,"b":3}]"#, r#"{"a":2,"b":3}"#),
            ("zipmap", r#"[["a"],["x"]]"#, r#"{"a":"x"}"#),
            ("setproduct", r#"[["a","b"],[1]]"#, r#"[["a",1],["b",1]]"#),
            ("setunion", r#"[["b"],["a","b"]]"#, r#"["a","b"]"#),
            ("range", "[3]", "[0,1,2]"),
            ("range", "[4,0,-2]", "[4,2]"),
            ("chunklist", r#"[["a","b","c"],2]"#, r#"[["a","b"],["c"]]"#),
            ("indexof", r#"[["a","b"],"b"]"#, "1"),
            ("range", "[5000]", "it gives at most 1024 values"),
            ("length", "[]", "it takes 1 arguments, not 0"),
        ] {
            assert_eq!(json(name, arguments), result, "{name}{arguments}");
        }
    }
}
