//! Steps as they are shown and counted: of each stage its base, then its steps that do something.

use praxis_plan::{ImageBase, Operation, Origin, Plan, Stage, StageBase};

use crate::event::StepInfo;

/// Numbers of steps for events: of each stage its base, then its steps that do something.
pub(crate) struct Numbers {
    /// The number of the first.
    pub first: usize,
    pub infos: Vec<StepInfo>,
    /// The number of each stage's base.
    pub of_stage: Vec<usize>,
}

impl Numbers {
    /// The steps of `plan`, counted from `first`. `label` gives what stands before the name of a stage when several
    /// plans are solved at once.
    pub fn of(plan: &Plan, first: usize, label: &dyn Fn(&Stage) -> String) -> Numbers {
        let (mut infos, mut of_stage) = (Vec::new(), Vec::new());
        for stage in &plan.stages {
            of_stage.push(first + infos.len());
            let steps: Vec<_> = stage
                .steps
                .iter()
                .filter(|step| step.operation != Operation::Metadata)
                .collect();
            let count = steps.len() + 1;
            let shown = [label(stage), shown_name(&stage.name, plan.stages.len())];
            let shown = shown.join(" ").trim().to_string();
            let info = |position, name: String, line| StepInfo {
                stage: shown.clone(),
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
        let mut numbers = Numbers {
            first,
            infos,
            of_stage,
        };
        numbers.note_needs(plan);
        numbers
    }

    fn note_needs(&mut self, plan: &Plan) {
        let last = |stage: usize| self.of_stage[stage] + self.info(self.of_stage[stage]).count - 1;
        let last: Vec<usize> = (0..plan.stages.len()).map(last).collect();
        for (stage, &number) in plan.stages.iter().zip(&self.of_stage) {
            let base = number - self.first;
            if let StageBase::Stage(below) = stage.base {
                self.infos[base].needs.push(last[below]);
            }
            let steps = stage
                .steps
                .iter()
                .filter(|step| step.operation != Operation::Metadata);
            for (index, step) in steps.enumerate() {
                let (stages, _) = origins_of(&step.operation);
                let needs = stages.into_iter().map(|stage| last[stage]);
                self.infos[base + 1 + index].needs.extend(needs);
            }
        }
    }

    /// The step of a number.
    pub fn info(&self, number: usize) -> &StepInfo {
        &self.infos[number - self.first]
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

/// The stages and images that a step takes files from.
pub(crate) fn origins_of(operation: &Operation) -> (Vec<usize>, Vec<&ImageBase>) {
    let origins: Vec<&Origin> = match operation {
        Operation::Copy(copy) => vec![&copy.origin],
        Operation::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| mount.kind.origin())
            .collect(),
        _ => Vec::new(),
    };
    let (mut stages, mut images) = (Vec::new(), Vec::new());
    for origin in origins {
        match origin {
            Origin::Stage(stage) => stages.push(*stage),
            Origin::Image(image) => images.push(image),
            _ => {}
        }
    }
    (stages, images)
}
