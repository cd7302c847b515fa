//! `praxis policy`: the rules that a repository brings with it.

use praxis_check::{RuleTest, policy_input, test_own_rules};
use praxis_engine::Worktree;

use super::{Outcome, result, write_stdout};
use crate::arguments::PolicyCommand;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;

/// Tests rules, or shows what they see.
pub fn run(command: &PolicyCommand) -> Result<Outcome, Failure> {
    match command {
        PolicyCommand::Test { path } => {
            let tests = test_own_rules(&Worktree::open(path)?.repository(None)?)?;
            write_stdout(report(&tests).as_bytes())?;
            if tests.is_empty() {
                let none = Failure::failed("the rules have no tests: nothing was shown");
                return Err(
                    none.with_hint("tests are rules that begin with test_, in files that end in _test.rego")
                );
            }
            Ok(match tests.iter().all(|test| test.failure.is_none()) {
                true => Outcome::Done,
                false => Outcome::Found,
            })
        }
        PolicyCommand::Input { path, today } => {
            let repository = Worktree::open(path)?.repository(today.clone())?;
            result(true, &policy_input(&repository), String::new)?;
            Ok(Outcome::Done)
        }
    }
}

/// A line a test, and how many passed.
fn report(tests: &[RuleTest]) -> String {
    let mut text = String::new();
    for test in tests {
        let (path, name) = (sanitize(&test.path), sanitize(&test.name));
        text.push_str(&match &test.failure {
            None => format!("pass {path}:{} {name}\n", test.line),
            Some(why) => format!("FAIL {path}:{} {name}: {why}\n", test.line),
        });
    }
    let failed = tests.iter().filter(|test| test.failure.is_some()).count();
    text + &format!("{} passed, {failed} failed\n", tests.len() - failed)
}
