//! Expressions to values.

use std::cell::Cell;
use std::collections::BTreeMap;

use hcl_edit::expr::{
    BinaryOp, BinaryOperator, Conditional, Expression, ForExpr, FuncCall, ObjectKey, Traversal,
    TraversalOperator, UnaryOp, UnaryOperator,
};

use crate::document::Origin;
use crate::error::{Outcome, Place, Problem};
use crate::functions;
use crate::kind::Kind;
use crate::value::{Value, number_text};

/// Steps of evaluation for all files together: far more than any real file needs.
const STEPS: usize = 1_000_000;
/// Elements and bytes of one value.
const WEIGHT: usize = 4 << 20;
/// Expressions inside each other, counting through functions and variables.
const DEPTH: usize = 200;

/// Where names that are no local variable get their values.
pub(crate) trait Names {
    /// The value of a variable, an attribute of the file, or of `target` and `group`. `None`: there is no such name.
    fn value(&self, name: &str, path: &[String], evaluator: &Evaluator<'_>) -> Option<Outcome<Value>>;
    /// A function of the file.
    fn function(&self, name: &str) -> Option<&crate::definitions::Function>;
    /// All names, for advice.
    fn known(&self) -> Vec<&str>;
    /// All names of functions of the file.
    fn known_functions(&self) -> Vec<&str>;
    /// Seconds since 1970, for `timestamp()`.
    fn time(&self) -> i64;
    /// The caller's home directory, for `homedir()`.
    fn home(&self) -> Option<&str>;
}

/// Variables that are known only inside one expression or block.
#[derive(Clone, Default)]
pub(crate) struct Scope<'s> {
    pub locals: BTreeMap<String, Value>,
    pub outer: Option<&'s Scope<'s>>,
}

impl Scope<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.locals
            .get(name)
            .or_else(|| self.outer.and_then(|outer| outer.get(name)))
    }
}

/// Evaluates, within limits.
pub(crate) struct Evaluator<'n> {
    names: &'n dyn Names,
    steps: Cell<usize>,
    depth: Cell<usize>,
}

/// What each part of an expression sees.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'s> {
    pub scope: &'s Scope<'s>,
    pub origin: Origin,
}

impl<'n> Evaluator<'n> {
    /// With the names that all expressions see.
    pub fn new(names: &'n dyn Names) -> Evaluator<'n> {
        Evaluator {
            names,
            steps: Cell::new(0),
            depth: Cell::new(0),
        }
    }

    /// The value of an expression.
    pub fn value(&self, expression: &Expression, sight: Sight<'_>) -> Outcome<Value> {
        let place = sight.origin.of(expression);
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > STEPS {
            return Err(Problem::at(place, "the bake files take too long to evaluate"));
        }
        if self.depth.get() >= DEPTH {
            return Err(Problem::at(
                place,
                "expressions and functions are nested too deeply here, or a function calls itself",
            ));
        }
        self.depth.set(self.depth.get() + 1);
        let value = self.part(expression, sight, place);
        self.depth.set(self.depth.get() - 1);
        let value = value?;
        if matches!(value, Value::Text(_) | Value::List(_) | Value::Map(_)) {
            let weight = value.weight(WEIGHT);
            self.steps.set(self.steps.get() + weight / 1024);
            if weight > WEIGHT {
                return Err(Problem::at(place, "this value is too large"));
            }
        }
        Ok(value)
    }

    fn part(&self, expression: &Expression, sight: Sight<'_>, place: Place) -> Outcome<Value> {
        match expression {
            Expression::Null(_) => Ok(Value::Null),
            Expression::Bool(value) => Ok(Value::Bool(*value.value())),
            Expression::Number(number) => Ok(Value::Number(number.value().as_f64().unwrap_or_default())),
            Expression::String(text) => Ok(Value::text(text.value().as_str())),
            Expression::Array(items) => {
                let values = items.iter().map(|item| self.value(item, sight));
                values.collect::<Outcome<_>>().map(Value::List)
            }
            Expression::Object(fields) => self.object(fields, sight),
            Expression::StringTemplate(template) => self.template(template.iter(), sight, true),
            Expression::HeredocTemplate(heredoc) => self.template(heredoc.template.iter(), sight, false),
            Expression::Parenthesis(inner) => self.value(inner.inner(), sight),
            Expression::Variable(name) => self.variable(name.as_str(), &[], sight, place),
            Expression::Conditional(conditional) => self.conditional(conditional, sight),
            Expression::FuncCall(call) => self.call(call, sight, place),
            Expression::Traversal(traversal) => self.traversal(traversal, sight),
            Expression::UnaryOp(operation) => self.unary(operation, sight),
            Expression::BinaryOp(operation) => self.binary(operation, sight, place),
            Expression::ForExpr(each) => self.each(each, sight),
        }
    }

    fn object(&self, fields: &hcl_edit::expr::Object, sight: Sight<'_>) -> Outcome<Value> {
        let mut map = BTreeMap::new();
        for (key, value) in fields.iter() {
            let name = match key {
                ObjectKey::Ident(name) => name.as_str().to_string(),
                ObjectKey::Expression(Expression::Variable(name)) => name.as_str().to_string(),
                ObjectKey::Expression(expression) => {
                    let place = sight.origin.of(expression);
                    let key = self.value(expression, sight)?;
                    key.to_text().map_err(|error| Problem::at(place, error))?
                }
            };
            map.insert(name, self.value(value.expr(), sight)?);
        }
        Ok(Value::Map(map))
    }

    fn variable(&self, name: &str, path: &[String], sight: Sight<'_>, place: Place) -> Outcome<Value> {
        if let Some(value) = sight.scope.get(name) {
            return Ok(value.clone());
        }
        match self.names.value(name, path, self) {
            Some(value) => value.map_err(|problem| problem.or_at(place)),
            None => Err(Problem::at(place, format!("there is no variable {name:?}"))
                .suggesting(name, &self.names.known())),
        }
    }

    fn conditional(&self, conditional: &Conditional, sight: Sight<'_>) -> Outcome<Value> {
        let condition = self.truth(&conditional.cond_expr, sight)?;
        let (chosen, other) = if condition {
            (&conditional.true_expr, &conditional.false_expr)
        } else {
            (&conditional.false_expr, &conditional.true_expr)
        };
        let value = self.value(chosen, sight)?;
        // Both sides have one type: a number beside a string is a string.
        let is_text = matches!(other, Expression::String(_) | Expression::StringTemplate(_));
        match value {
            Value::Number(_) | Value::Bool(_) if is_text => {
                Ok(Value::Text(value.to_text().unwrap_or_default()))
            }
            other => Ok(other),
        }
    }

    /// A condition.
    pub fn truth(&self, expression: &Expression, sight: Sight<'_>) -> Outcome<bool> {
        let place = sight.origin.of(expression);
        let value = self.value(expression, sight)?;
        value.to_bool().map_err(|error| Problem::at(place, error))
    }

    fn call(&self, call: &FuncCall, sight: Sight<'_>, place: Place) -> Outcome<Value> {
        let name = call.name.name.as_str();
        match name {
            "try" => return self.attempt(call, sight, place),
            "can" => {
                let first = call.args.iter().next();
                let first = first.ok_or_else(|| Problem::at(place, "can(…) needs an expression"))?;
                return Ok(Value::Bool(self.value(first, sight).is_ok()));
            }
            "convert" => return self.conversion(call, sight, place),
            "homedir" => {
                let home = self.names.home().map(Value::text);
                return home.ok_or_else(|| Problem::at(place, "homedir(): HOME is not set"));
            }
            _ => {}
        }
        let mut arguments = Vec::new();
        for argument in call.args.iter() {
            arguments.push(self.value(argument, sight)?);
        }
        if call.args.expand_final()
            && let Some(last) = arguments.pop()
        {
            arguments.extend(last.to_list().map_err(|error| Problem::at(place, error))?);
        }
        if let Some(function) = self.names.function(name) {
            return self.own(name, function, arguments, place);
        }
        match functions::call(name, arguments, self.names.time()) {
            Some(value) => value.map_err(|error| Problem::at(place, format!("{name}(…): {error}"))),
            None => {
                let mut known = self.names.known_functions();
                for name in functions::names() {
                    known.push(name);
                }
                Err(Problem::at(place, format!("there is no function {name:?}")).suggesting(name, &known))
            }
        }
    }

    /// A function that the file defines.
    fn own(
        &self,
        name: &str,
        function: &crate::definitions::Function,
        arguments: Vec<Value>,
        place: Place,
    ) -> Outcome<Value> {
        let (least, variadic) = (function.parameters.len(), function.variadic.as_ref());
        let count = arguments.len();
        if count < least || (count > least && variadic.is_none()) {
            let more = if variadic.is_some() { " or more" } else { "" };
            return Err(Problem::at(
                place,
                format!("{name}(…) takes {least}{more} arguments, not {count}"),
            ));
        }
        let mut arguments = arguments.into_iter();
        let mut scope = Scope::default();
        for parameter in &function.parameters {
            scope
                .locals
                .insert(parameter.clone(), arguments.next().unwrap_or(Value::Null));
        }
        if let Some(name) = variadic {
            scope
                .locals
                .insert(name.clone(), Value::List(arguments.collect()));
        }
        let sight = Sight {
            scope: &scope,
            origin: function.result.origin,
        };
        self.value(&function.result.expression, sight)
    }

    /// The first of the arguments that has a value.
    fn attempt(&self, call: &FuncCall, sight: Sight<'_>, place: Place) -> Outcome<Value> {
        let mut failure = Problem::at(place, "try(…) needs an expression");
        for argument in call.args.iter() {
            match self.value(argument, sight) {
                Ok(value) => return Ok(value),
                Err(problem) => failure = problem,
            }
        }
        Err(failure)
    }

    fn conversion(&self, call: &FuncCall, sight: Sight<'_>, place: Place) -> Outcome<Value> {
        let arguments: Vec<&Expression> = call.args.iter().collect();
        let [value, kind] = arguments.as_slice() else {
            return Err(Problem::at(place, "convert(VALUE, TYPE) takes two arguments"));
        };
        let kind = Kind::of(kind).map_err(|error| Problem::at(place, error))?;
        let value = self.value(value, sight)?;
        kind.convert(value).map_err(|error| Problem::at(place, error))
    }

    fn traversal(&self, traversal: &Traversal, sight: Sight<'_>) -> Outcome<Value> {
        let operators: Vec<&TraversalOperator> = traversal
            .operators
            .iter()
            .map(|operator| operator.value())
            .collect();
        let place = sight.origin.of(&traversal.expr);
        // `target.NAME.ATTRIBUTE` needs that attribute only, and not what depends on this one.
        let value = match &traversal.expr {
            Expression::Variable(name) => {
                let mut path = Vec::new();
                for operator in &operators {
                    match operator {
                        TraversalOperator::GetAttr(name) => path.push(name.as_str().to_string()),
                        TraversalOperator::Index(Expression::String(name)) => {
                            path.push(name.value().as_str().to_string());
                        }
                        _ => break,
                    }
                }
                self.variable(name.as_str(), &path, sight, place)?
            }
            other => self.value(other, sight)?,
        };
        self.walk(value, &operators, sight, place)
    }

    fn walk(
        &self,
        value: Value,
        operators: &[&TraversalOperator],
        sight: Sight<'_>,
        place: Place,
    ) -> Outcome<Value> {
        let Some((first, rest)) = operators.split_first() else {
            return Ok(value);
        };
        let value = match first {
            TraversalOperator::GetAttr(name) => member(&value, &Value::text(name.as_str())),
            TraversalOperator::LegacyIndex(index) => member(&value, &Value::Number(*index.value() as f64)),
            TraversalOperator::Index(index) => member(&value, &self.value(index, sight)?),
            TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                let items = match value {
                    Value::Null => Vec::new(),
                    Value::List(items) => items,
                    other => vec![other],
                };
                let items = items.into_iter().map(|item| self.walk(item, rest, sight, place));
                return items.collect::<Outcome<_>>().map(Value::List);
            }
        };
        let value = value.map_err(|error| Problem::at(place, error))?;
        self.walk(value, rest, sight, place)
    }

    fn unary(&self, operation: &UnaryOp, sight: Sight<'_>) -> Outcome<Value> {
        let place = sight.origin.of(&operation.expr);
        let value = self.value(&operation.expr, sight)?;
        let value = match operation.operator.value() {
            UnaryOperator::Neg => value.to_number().map(|number| Value::Number(-number)),
            UnaryOperator::Not => value.to_bool().map(|truth| Value::Bool(!truth)),
        };
        value.map_err(|error| Problem::at(place, error))
    }

    fn binary(&self, operation: &BinaryOp, sight: Sight<'_>, place: Place) -> Outcome<Value> {
        let operator = *operation.operator.value();
        let at = |expression: &Expression| {
            let place = sight.origin.of(expression);
            move |error| Problem::at(place, error)
        };
        let (left, right) = (&operation.lhs_expr, &operation.rhs_expr);
        match operator {
            BinaryOperator::And => {
                return Ok(Value::Bool(self.truth(left, sight)? && self.truth(right, sight)?));
            }
            BinaryOperator::Or => {
                return Ok(Value::Bool(self.truth(left, sight)? || self.truth(right, sight)?));
            }
            _ => {}
        }
        let (first, second) = (self.value(left, sight)?, self.value(right, sight)?);
        match operator {
            BinaryOperator::Eq => return Ok(Value::Bool(first == second)),
            BinaryOperator::NotEq => return Ok(Value::Bool(first != second)),
            _ => {}
        }
        let (a, b) = (
            first.to_number().map_err(at(left))?,
            second.to_number().map_err(at(right))?,
        );
        let number = match operator {
            BinaryOperator::Less => return Ok(Value::Bool(a < b)),
            BinaryOperator::LessEq => return Ok(Value::Bool(a <= b)),
            BinaryOperator::Greater => return Ok(Value::Bool(a > b)),
            BinaryOperator::GreaterEq => return Ok(Value::Bool(a >= b)),
            BinaryOperator::Plus => a + b,
            BinaryOperator::Minus => a - b,
            BinaryOperator::Mul => a * b,
            BinaryOperator::Div => a / b,
            BinaryOperator::Mod => a % b,
            BinaryOperator::Eq | BinaryOperator::NotEq | BinaryOperator::And | BinaryOperator::Or => a,
        };
        if number.is_finite() {
            Ok(Value::Number(number))
        } else {
            Err(Problem::at(
                place,
                "the result is no number: a division by zero, or too large",
            ))
        }
    }

    fn each(&self, each: &ForExpr, sight: Sight<'_>) -> Outcome<Value> {
        let intro = &each.intro;
        let key = intro.key_var.as_ref().map(|name| name.as_str());
        let pairs = self.pairs(&intro.collection_expr, sight)?;
        let (mut list, mut map) = (Vec::new(), BTreeMap::<String, Value>::new());
        for (name, value) in pairs {
            let scope = inner(sight.scope, key, intro.value_var.as_str(), name, value);
            let inside = Sight {
                scope: &scope,
                ..sight
            };
            if let Some(condition) = &each.cond
                && !self.truth(&condition.expr, inside)?
            {
                continue;
            }
            let value = self.value(&each.value_expr, inside)?;
            let Some(expression) = &each.key_expr else {
                list.push(value);
                continue;
            };
            let place = sight.origin.of(expression);
            let name = self.value(expression, inside)?;
            let name = name.to_text().map_err(|error| Problem::at(place, error))?;
            if each.grouping {
                match map.entry(name).or_insert_with(|| Value::List(Vec::new())) {
                    Value::List(items) => items.push(value),
                    other => *other = value,
                }
            } else if map.insert(name.clone(), value).is_some() {
                return Err(Problem::at(place, format!("the key {name:?} is there twice"))
                    .with_help("… collects several values of one key"));
            }
        }
        Ok(match each.key_expr {
            Some(_) => Value::Map(map),
            None => Value::List(list),
        })
    }

    /// Keys and values of a collection.
    pub(crate) fn pairs(&self, expression: &Expression, sight: Sight<'_>) -> Outcome<Vec<(Value, Value)>> {
        let place = sight.origin.of(expression);
        match self.value(expression, sight)? {
            Value::List(items) => Ok(items
                .into_iter()
                .enumerate()
                .map(|(index, item)| (Value::Number(index as f64), item))
                .collect()),
            Value::Map(map) => Ok(map
                .into_iter()
                .map(|(name, value)| (Value::Text(name), value))
                .collect()),
            other => Err(Problem::at(
                place,
                format!("for needs a list or a map here, not {}", other.with_article()),
            )),
        }
    }
}

/// A scope with the variables of one turn of a loop.
pub(crate) fn inner<'s>(
    outer: &'s Scope<'s>,
    key: Option<&str>,
    name: &str,
    key_value: Value,
    value: Value,
) -> Scope<'s> {
    let mut scope = Scope {
        locals: BTreeMap::new(),
        outer: Some(outer),
    };
    if let Some(key) = key {
        scope.locals.insert(key.into(), key_value);
    }
    scope.locals.insert(name.into(), value);
    scope
}

/// An element of a list or a map.
pub(crate) fn member(value: &Value, key: &Value) -> Result<Value, String> {
    match value {
        Value::Map(map) => {
            let name = key.to_text()?;
            map.get(&name).cloned().ok_or_else(|| {
                let names: Vec<&str> = map.keys().map(String::as_str).take(10).collect();
                format!("there is no {name:?} here, only: {}", names.join(", "))
            })
        }
        Value::List(items) => {
            let index = key.to_number()?;
            let item = (index >= 0.0 && index.fract() == 0.0)
                .then(|| items.get(index as usize))
                .flatten();
            item.cloned().ok_or_else(|| {
                format!(
                    "there is no element {} in a list of {}",
                    number_text(index),
                    items.len()
                )
            })
        }
        other => Err(format!("{} has no elements", other.with_article())),
    }
}
