//! Rules in Rego. The interpreter has no clock, no randomness, no files, no network and no environment: what it is built
//! without is not there. What remains is bounded here: steps, depth of calls, and the builtins that make much of little.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

use praxis_source::sanitize::sanitize;
use regorus::utils::limits::{ExecutionTimerConfig, TimeSource, set_time_source};
use regorus::{Engine, Value};

use crate::RuleTest;
use crate::own_rules::{RuleFile, Said, Verdict};

/// Steps that `deny` or `warn` of one package, or one test, may take.
const MOST_STEPS: u64 = 3_000_000;
/// Elements that `numbers.range` may make.
const LONGEST_RANGE: i64 = 100_000;
/// How much of the stack calls of rules may take: half of what threads usually have.
const DEEPEST: usize = 1 << 20;

type Evaluation<T> = Result<T, String>;

/// What all packages say of `input`.
pub(crate) fn evaluate(files: &[RuleFile], input: &serde_json::Value) -> Evaluation<Vec<Said>> {
    bounded(|| {
        let rules: Vec<&RuleFile> = files.iter().filter(|file| !file.is_test()).collect();
        let mut engine = engine(&rules)?;
        engine
            .set_input_json(&input.to_string())
            .map_err(|error| told(&error))?;
        let mut packages = engine.get_packages().map_err(|error| told(&error))?;
        packages.sort();
        packages.dedup();
        let mut said = Vec::new();
        for package in packages {
            for (set, denies) in [("deny", true), ("warn", false)] {
                let name = format!("{package}.{set}");
                let found = query(&mut engine, &name)?;
                for verdict in verdicts(&name, found)? {
                    let package = package.clone();
                    said.push(Said {
                        package,
                        denies,
                        verdict,
                    });
                }
            }
        }
        Ok(said)
    })
}

/// How the tests of rules go.
pub(crate) fn test(files: &[RuleFile]) -> Evaluation<Vec<RuleTest>> {
    bounded(|| {
        let all: Vec<&RuleFile> = files.iter().collect();
        let loaded = engine(&all)?;
        let mut tests = Vec::new();
        for file in files.iter().filter(|file| file.is_test()) {
            let package = Engine::new()
                .add_policy(file.path.clone(), file.text.clone())
                .map_err(|error| told(&error))?;
            let mut names: Vec<&str> = Vec::new();
            for (index, name) in named_tests(&file.text) {
                if names.contains(&name) {
                    continue;
                }
                names.push(name);
                let name = format!("{package}.{name}");
                let failure = match query(&mut loaded.clone(), &name) {
                    Ok(Some(Value::Bool(true))) => None,
                    Ok(None) => Some("it is undefined".into()),
                    Ok(Some(value)) => Some(format!("it is {value}")),
                    Err(reason) => Some(reason),
                };
                tests.push(RuleTest {
                    path: file.path.clone(),
                    line: index + 1,
                    name,
                    failure,
                });
            }
        }
        Ok(tests)
    })
}

/// The rules that begin with `test_`, each at the beginning of a line, with the number of the line from 0.
fn named_tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let rest = line.strip_prefix("test_")?;
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        Some((index, &line[.."test_".len() + end]))
    })
}

/// The value of a rule; `None` where it is undefined or not there.
fn query(engine: &mut Engine, name: &str) -> Evaluation<Option<Value>> {
    let before = STEPS.get();
    TOO_DEEP.set(false);
    let results = engine.eval_query(name.into(), false).map_err(|error| {
        let reason = match STEPS.get() - before > MOST_STEPS {
            _ if TOO_DEEP.get() => "calls that go too deep, or without end".into(),
            true => format!("it takes more than {MOST_STEPS} steps"),
            false => told(&error),
        };
        format!("{name}: {reason}")
    })?;
    let first = results
        .result
        .into_iter()
        .next()
        .and_then(|result| result.expressions.into_iter().next());
    Ok(first
        .map(|expression| expression.value)
        .filter(|value| *value != Value::Undefined))
}

fn verdicts(name: &str, found: Option<Value>) -> Evaluation<Vec<Verdict>> {
    let Some(found) = found else {
        return Ok(Vec::new());
    };
    let set = found.as_set().map_err(|_| {
        format!(
            "{name} is no set; write: {} contains finding if {{ … }}",
            last(name)
        )
    })?;
    let verdict = |value: &Value| {
        let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
        serde_json::from_value(value.clone()).map_err(|error| {
            format!("{name} holds {value}, which is no {{rule, message, file, line, column, help}}: {error}")
        })
    };
    set.iter().map(verdict).collect()
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn engine(files: &[&RuleFile]) -> Evaluation<Engine> {
    let mut engine = Engine::new();
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: Duration::from_nanos(MOST_STEPS),
        check_interval: NonZeroU32::MIN,
    });
    bound_ranges(&mut engine)?;
    for file in files {
        engine
            .add_policy(file.path.clone(), file.text.clone())
            .map_err(|error| told(&error))?;
    }
    Ok(engine)
}

/// Ranges of a size that is written in digits are the one builtin that makes much of little. What is said here counts
/// before what the interpreter has.
fn bound_ranges(engine: &mut Engine) -> Evaluation<()> {
    for (name, arguments) in [("numbers.range", 2), ("numbers.range_step", 3)] {
        let extension =
            Box::new(|arguments: Vec<Value>| Ok(range(&arguments).map_err(std::io::Error::other)?));
        let added = engine.add_extension(name.into(), arguments, extension);
        added.map_err(|error| told(&error))?;
    }
    Ok(())
}

fn range(arguments: &[Value]) -> Result<Value, String> {
    let whole = |value: &Value| {
        value
            .as_i64()
            .ok()
            .filter(|number| number.unsigned_abs() < 1 << 53)
    };
    let numbers: Option<Vec<i64>> = arguments.iter().map(whole).collect();
    let (from, to, step) = match numbers.as_deref() {
        Some([from, to]) => (*from, *to, 1),
        Some([from, to, step]) if *step > 0 => (*from, *to, *step),
        _ => return Err("a range is of whole numbers, with a step above 0".into()),
    };
    let count = (to - from).abs() / step;
    if count >= LONGEST_RANGE {
        return Err(format!("a range may have {LONGEST_RANGE} elements"));
    }
    let step = if to < from { -step } else { step };
    let elements = (0..=count).map(|index| Value::from(from + index * step));
    Ok(Value::from(elements.collect::<Vec<Value>>()))
}

/// What went wrong, with nothing in it that a terminal obeys.
fn told(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let lines: Vec<String> = text
        .trim()
        .lines()
        .map(|line| sanitize(line).into_owned())
        .collect();
    lines.join("\n")
}

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
    static BOTTOM: Cell<usize> = const { Cell::new(0) };
    static TOO_DEEP: Cell<bool> = const { Cell::new(false) };
}

/// A clock that counts steps: limits are the same on every machine and under every load.
struct Steps;

impl TimeSource for Steps {
    fn now(&self) -> Option<Duration> {
        let steps = STEPS.get().saturating_add(1);
        STEPS.set(steps);
        if BOTTOM.get().abs_diff(stack()) > DEEPEST {
            TOO_DEEP.set(true);
            return Some(Duration::MAX);
        }
        Some(Duration::from_nanos(steps))
    }
}

/// About where the stack of this thread is.
#[inline(never)]
fn stack() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(std::hint::black_box(&here)) as usize
}

/// Runs with the clock that counts. A panic of the interpreter is an error. There is no thread of its own: a process that
/// had one may not enter a user namespace until the kernel has forgotten it, some time after it ended.
fn bounded<T>(work: impl FnOnce() -> Evaluation<T>) -> Evaluation<T> {
    static CLOCK: Once = Once::new();
    CLOCK.call_once(|| {
        // Only an interpreter that has a clock already refuses one.
        let _ = set_time_source(&Steps);
    });
    BOTTOM.set(stack());
    let gave_up = |_| Err("the interpreter gave up; this is a defect in it or in praxis".into());
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(gave_up)
}
