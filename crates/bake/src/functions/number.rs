use super::{ANY, Answer, Entry, entry};
use crate::value::{Value, parse_number};

pub(super) const TABLE: &[Entry] = &[
    entry("absolute", 1, 1, |a| finite(a[0].to_number()?.abs())),
    entry("add", 2, 2, |a| finite(a[0].to_number()? + a[1].to_number()?)),
    entry("subtract", 2, 2, |a| {
        finite(a[0].to_number()? - a[1].to_number()?)
    }),
    entry("multiply", 2, 2, |a| {
        finite(a[0].to_number()? * a[1].to_number()?)
    }),
    entry("divide", 2, 2, |a| finite(a[0].to_number()? / a[1].to_number()?)),
    entry("modulo", 2, 2, |a| finite(a[0].to_number()? % a[1].to_number()?)),
    entry("negate", 1, 1, |a| finite(-a[0].to_number()?)),
    entry("ceil", 1, 1, |a| finite(a[0].to_number()?.ceil())),
    entry("floor", 1, 1, |a| finite(a[0].to_number()?.floor())),
    entry("int", 1, 1, |a| finite(a[0].to_number()?.trunc())),
    entry("log", 2, 2, |a| {
        finite(a[0].to_number()?.ln() / a[1].to_number()?.ln())
    }),
    entry("pow", 2, 2, |a| finite(a[0].to_number()?.powf(a[1].to_number()?))),
    entry("signum", 1, 1, |a| {
        let number = a[0].to_number()?;
        finite(if number == 0.0 { 0.0 } else { number.signum() })
    }),
    entry("max", 1, ANY, |a| extreme(a, f64::max)),
    entry("min", 1, ANY, |a| extreme(a, f64::min)),
    entry("parseint", 2, 2, |a| {
        let base = a[1].to_whole()?;
        if !(2..=36).contains(&base) {
            return Err("the base must be between 2 and 36".into());
        }
        let text = a[0].to_text()?;
        let number = i64::from_str_radix(&text, base as u32);
        number
            .map(|number| Value::Number(number as f64))
            .map_err(|_| format!("{text:?} is no number to the base {base}"))
    }),
    entry("and", 2, 2, |a| {
        Ok(Value::Bool(a[0].to_bool()? && a[1].to_bool()?))
    }),
    entry("or", 2, 2, |a| {
        Ok(Value::Bool(a[0].to_bool()? || a[1].to_bool()?))
    }),
    entry("not", 1, 1, |a| Ok(Value::Bool(!a[0].to_bool()?))),
    entry("equal", 2, 2, |a| Ok(Value::Bool(equal(&a[0], &a[1])))),
    entry("notequal", 2, 2, |a| Ok(Value::Bool(!equal(&a[0], &a[1])))),
    entry("greaterthan", 2, 2, |a| {
        Ok(Value::Bool(a[0].to_number()? > a[1].to_number()?))
    }),
    entry("greaterthanorequalto", 2, 2, |a| {
        Ok(Value::Bool(a[0].to_number()? >= a[1].to_number()?))
    }),
    entry("lessthan", 2, 2, |a| {
        Ok(Value::Bool(a[0].to_number()? < a[1].to_number()?))
    }),
    entry("lessthanorequalto", 2, 2, |a| {
        Ok(Value::Bool(a[0].to_number()? <= a[1].to_number()?))
    }),
    entry("semvercmp", 2, 2, |a| {
        versions(&a[0].to_text()?, &a[1].to_text()?)
    }),
];

fn finite(number: f64) -> Answer {
    if number.is_finite() {
        Ok(Value::Number(number))
    } else {
        Err("the result is no number".into())
    }
}

fn extreme(arguments: &[Value], better: fn(f64, f64) -> f64) -> Answer {
    let mut best = arguments[0].to_number()?;
    for argument in &arguments[1..] {
        best = better(best, argument.to_number()?);
    }
    finite(best)
}

/// Equality where a number and the text of it are the same, as functions of HCL see it.
fn equal(first: &Value, second: &Value) -> bool {
    let same = |number: f64, text: &str| parse_number(text) == Some(number);
    match (first, second) {
        (Value::Number(number), Value::Text(text)) | (Value::Text(text), Value::Number(number)) => {
            same(*number, text)
        }
        (Value::Bool(truth), Value::Text(text)) | (Value::Text(text), Value::Bool(truth)) => {
            *text == truth.to_string()
        }
        _ => first == second,
    }
}

/// Whether a version meets a constraint such as `>= 1.2.0`.
fn versions(version: &str, constraint: &str) -> Answer {
    let numbers = |text: &str| -> Result<Vec<u64>, String> {
        let plain = text.trim().trim_start_matches('v');
        let plain = plain.split(['-', '+']).next().unwrap_or_default();
        let parts = plain.split('.').map(str::parse);
        let mut parts: Vec<u64> = parts
            .collect::<Result<_, _>>()
            .map_err(|_| format!("{text:?} is no version"))?;
        parts.resize(parts.len().max(3), 0);
        Ok(parts)
    };
    let operator_end = constraint
        .find(|c: char| c.is_ascii_digit() || c == 'v')
        .unwrap_or(constraint.len());
    let (operator, other) = constraint.split_at(operator_end);
    let order = numbers(version)?.cmp(&numbers(other)?);
    Ok(Value::Bool(match operator.trim() {
        "" | "=" | "==" => order.is_eq(),
        "!=" => order.is_ne(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        other => {
            return Err(format!(
                "the comparison {other:?} is not supported: use =, !=, >, >=, < or <="
            ));
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    fn run(name: &str, arguments: &[Value]) -> Answer {
        call(name, arguments.to_vec(), 0).unwrap()
    }

    #[test]
    fn numbers() {
        let n = Value::Number;
        assert_eq!(run("add", &[n(1.0), Value::text("2")]).unwrap(), n(3.0));
        assert_eq!(run("max", &[n(1.0), n(5.0), n(2.0)]).unwrap(), n(5.0));
        assert!(run("divide", &[n(1.0), n(0.0)]).is_err());
        assert_eq!(run("parseint", &[Value::text("ff"), n(16.0)]).unwrap(), n(255.0));
        assert_eq!(
            run("equal", &[Value::text("1"), n(1.0)]).unwrap(),
            Value::Bool(true)
        );
        assert_eq!(
            run("notequal", &[Value::text(""), Value::text("x")]).unwrap(),
            Value::Bool(true)
        );
        assert_eq!(
            run("semvercmp", &[Value::text("v1.10.0"), Value::text(">= 1.9")]).unwrap(),
            Value::Bool(true)
        );
    }
}
