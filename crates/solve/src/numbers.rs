//! Steps as they are shown and counted: of each stage its base, then its steps that do something.

use praxis_plan::{Operation, Origin, Plan, StageBase};

use crate::event::StepInfo;

/// Numbers of steps for events: of each stage its base, then its steps that do something.
pub(crate) struct Numbers {
    pub infos: Vec<StepInfo>,
    pub of_stage: Vec<usize>,
}

impl Numbers {
    pub fn of(plan: &Plan) -> Numbers {
        let (mut infos, mut of_stage) = (Vec::new(), Vec::new());
        for stage in &plan.stages {
            of_stage.push(infos.len());
            let steps: Vec<_> = stage
                .steps
                .iter()
                .filter(|step| step.operation != Operation::Metadata)
                .collect();
            let count = steps.len() + 1;
            let info = |position, name: String, line| StepInfo {
                stage: shown_name(&stage.name, plan.stages.len()),
                position,
                count,
                name,
                line: Some(line),
                needs: Vec::new(),
            };
            infos.push(info(1, base_name(plan, &stage.base), stage.base_line));
            for (index, step) in steps.iter().enumerate() {
                let name = step
                    .name
                    .split_once("] ")
                    .map_or(step.name.as_str(), |(_, name)| name);
                infos.push(info(index + 2, name.to_string(), step.line));
            }
        }
        let last: Vec<usize> = of_stage
            .iter()
            .map(|&first| first + infos[first].count - 1)
            .collect();
        for (stage, &first) in plan.stages.iter().zip(&of_stage) {
            if let StageBase::Stage(base) = stage.base {
                infos[first].needs.push(last[base]);
            }
            let steps = stage
                .steps
                .iter()
                .filter(|step| step.operation != Operation::Metadata);
            for (index, step) in steps.enumerate() {
                let needs = stages_of(&step.operation).into_iter().map(|stage| last[stage]);
                infos[first + 1 + index].needs.extend(needs);
            }
        }
        Numbers { infos, of_stage }
    }
}

/// A stage without a name has a number; the only stage needs none.
pub(crate) fn shown_name(name: &str, stages: usize) -> String {
    match name.bytes().all(|byte| byte.is_ascii_digit()) {
        true if stages == 1 => String::new(),
        true => format!("stage-{name}"),
        false => name.into(),
    }
}

pub(crate) fn base_name(plan: &Plan, base: &StageBase) -> String {
    match base {
        StageBase::Scratch => "FROM scratch".into(),
        StageBase::Stage(index) => format!("FROM {}", plan.stages[*index].name),
        StageBase::Image(image) => format!("FROM {}", image.reference),
        StageBase::Directory(name) => format!("FROM {name}"),
    }
}

/// The stages that a step takes files from.
pub(crate) fn stages_of(operation: &Operation) -> Vec<usize> {
    let origins: Vec<&Origin> = match operation {
        Operation::Copy(copy) => vec![&copy.origin],
        Operation::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| mount.kind.origin())
            .collect(),
        _ => Vec::new(),
    };
    let stages = origins.into_iter().filter_map(|origin| match origin {
        Origin::Stage(stage) => Some(*stage),
        _ => None,
    });
    stages.collect()
}
