use std::collections::BTreeMap;

use praxis_dockerfile::{Dockerfile, Kind};
use praxis_source::{Diagnostic, SourceFile};

use crate::check;
use crate::expand::Context;
use crate::frontend;
use crate::graph::{self, Found, Graph};
use crate::stage::{Names, StageBuilder};
use crate::variables::{self, Variables};
use crate::{Bases, Plan, PlanRequest, Stage};

/// Plans the build of a parsed Dockerfile.
///
/// Stages the target does not need are neither resolved nor planned. Errors carry the place they are about.
pub fn plan(
    source: &SourceFile,
    dockerfile: &Dockerfile,
    request: &PlanRequest,
    bases: &dyn Bases,
) -> Result<Plan, Vec<Diagnostic>> {
    if dockerfile.stages.is_empty() {
        return Err(vec![Diagnostic::general("no build stage in current context")]);
    }
    let context = Context {
        file: source,
        tree: dockerfile,
    };
    let newer = frontend::check(context, request).map_err(|error| vec![error])?;
    let globals = globals(context, request).map_err(|error| vec![error])?;
    let graph = graph::graph(context, &globals, request, bases)?;
    let (stages, mut found) = stages(context, &globals, request, &graph)?;
    let target = stages.len() - 1;
    found.extend(check::heads(context, &globals, request));
    found.extend(
        stages
            .iter()
            .flat_map(|stage| &stage.steps)
            .flat_map(|step| step.warnings.clone()),
    );
    let mut warnings = check::settle(context, request, found)?;
    warnings.splice(0..0, newer);
    let mut plan = Plan {
        stages,
        target,
        warnings,
    };
    for step in plan.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
        let inside = |finding: &&Diagnostic| {
            finding
                .span
                .is_some_and(|span| step.span.start <= span.start && span.start < step.span.end)
        };
        step.warnings = plan.warnings.iter().filter(inside).cloned().collect();
    }
    let config = &mut plan.stages[target].config;
    config.created = Some(request.created.clone());
    config.config.labels.extend(request.labels.clone());
    Ok(plan)
}

/// The variables that FROM lines see.
fn globals(context: Context, request: &PlanRequest) -> Result<Variables, Diagnostic> {
    let mut globals = variables::automatic(request);
    for instruction in &context.tree.arguments {
        let Kind::Arg(arguments) = &instruction.kind else {
            continue;
        };
        for argument in arguments {
            let value = match (variables::given(argument, request, None), &argument.default) {
                (Some(value), _) => value,
                (None, Some(default)) => context.expand(default, &globals, instruction.span)?.text,
                (None, None) => continue,
            };
            globals.set(&argument.name, &value);
        }
    }
    Ok(globals)
}

fn stages(
    context: Context,
    globals: &Variables,
    request: &PlanRequest,
    graph: &Graph,
) -> Result<(Vec<Stage>, Vec<Diagnostic>), Vec<Diagnostic>> {
    let positions: BTreeMap<usize, usize> = graph
        .needed
        .iter()
        .enumerate()
        .map(|(position, needed)| (needed.index, position))
        .collect();
    let mut done: Vec<StageBuilder> = Vec::new();
    let mut errors = Vec::new();
    for needed in &graph.needed {
        let names = Names {
            index: needed.index,
            origins: &graph.origins,
            positions: &positions,
        };
        let parent = match &needed.base {
            Found::Stage(index) => positions.get(index).and_then(|position| done.get(*position)),
            Found::Base(_) => None,
        };
        let mut builder = StageBuilder::new(context, globals, request, names, needed, parent);
        if let Err(error) = builder.apply(needed) {
            errors.push(error);
        }
        done.push(builder);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let found = done.iter_mut().flat_map(StageBuilder::take_findings).collect();
    Ok((done.into_iter().map(StageBuilder::finish).collect(), found))
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "planner_robustness_tests.rs"]
mod robustness;

#[cfg(test)]
#[path = "planner_step_tests.rs"]
mod step_tests;
