//! `doctor`: what the machine allows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, LOOKS, Outcome, Tool};
use crate::{Call, DoctorFinding, Tier, ToolError, Toolbox};

/// Nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DoctorInput {}

/// What this server and its machine allow.
#[derive(Serialize, JsonSchema)]
struct DoctorOutput {
    /// The tier of the caller.
    tier: Tier,
    /// The directories that requests may name.
    roots: Vec<String>,
    /// Whether RUN steps have a network.
    network: bool,
    /// Builds and tests at once.
    most_jobs: usize,
    /// What was looked at on the machine.
    findings: Vec<DoctorFinding>,
}

impl Outcome for DoctorOutput {}

pub(super) fn tool() -> Tool {
    About {
        name: "doctor",
        title: "Look at the machine",
        description: "What this server and its machine allow, what follows from it and what would help.",
        tier: Tier::Readonly,
        effect: LOOKS,
    }
    .tool(doctor)
}

fn doctor(toolbox: &Toolbox, _: DoctorInput, call: &Call<'_>) -> Result<DoctorOutput, ToolError> {
    let policy = &toolbox.policy;
    Ok(DoctorOutput {
        tier: call.caller.tier,
        roots: policy
            .roots
            .paths()
            .map(|path| path.display().to_string())
            .collect(),
        network: policy.allow_network && call.caller.tier > Tier::Readonly,
        most_jobs: policy.most_jobs,
        findings: (toolbox.machine.doctor)(),
    })
}
