//! The tools: what each takes and gives, who may call it, and what it may change.

mod build;
mod check;
mod doctor;
mod history;
mod image;
mod log;
mod pin;
mod plan;
mod sbom;
mod test;
mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use praxis_engine::{BuildId, Event, Events};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::contexts::Held;
use crate::{Call, Caller, Tier, ToolError, ToolErrorKind, Toolbox, others};

pub(crate) use build::{Begun, BuildInput, BuildOutput, Network, SentBuild, status};
pub(crate) use log::whole as whole_log;
pub(crate) use verify::{Bundle, bundles};

/// Arguments that no tool has, and why.
const RESERVED: [(&[&str], &str); 5] = [
    (
        &[
            "secret",
            "secrets",
            "ssh",
            "ssh_keys",
            "token",
            "password",
            "credentials",
        ],
        "no tool takes or reads secrets: a build that needs one is made by a person at the command line",
    ),
    (
        &[
            "push", "sign", "release", "promote", "publish", "output", "outputs", "load",
        ],
        "no tool publishes, signs or writes outside of the store: a person does that at the command line",
    ),
    (
        &[
            "allow",
            "entitlements",
            "insecure",
            "privileged",
            "security",
            "devices",
            "host_network",
        ],
        "what steps may do is the policy of this server, which its operator sets",
    ),
    (
        &["cache_to", "cache_from"],
        "caches of registries are the operator's to set",
    ),
    (
        &["add_hosts", "shm_size", "ulimits"],
        "limits and host names of steps are the policy of this server",
    ),
];

/// One tool.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it does.
    pub description: &'static str,
    /// The lowest tier that may call it.
    pub tier: Tier,
    /// How it touches the world.
    pub effect: Effect,
    /// JSON Schema of its arguments.
    pub input: Map<String, Value>,
    /// JSON Schema of its result.
    pub output: Map<String, Value>,
    run: Run,
}

type Run = Box<dyn Fn(&Toolbox, Value, &Call<'_>) -> Result<Done, ToolError> + Send + Sync>;

/// How a tool touches the world. None destroys anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// It changes nothing that anybody could notice but for the time that a second call takes.
    pub read_only: bool,
    /// A second call with the same arguments adds nothing.
    pub idempotent: bool,
    /// It may talk to registries or other servers.
    pub open_world: bool,
}

/// Looks at files and at the store.
const LOOKS: Effect = Effect {
    read_only: true,
    idempotent: true,
    open_world: false,
};
/// The same, and asks registries.
const ASKS: Effect = Effect {
    open_world: true,
    ..LOOKS
};
/// Runs something, and leaves a record.
const RUNS: Effect = Effect {
    read_only: false,
    idempotent: false,
    open_world: false,
};

/// What a tool gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The result, as the tool's schema describes it.
    pub value: Value,
    /// Whether what was asked for did not work out; the result says why.
    pub failed: bool,
}

/// What a tool gives, as a type.
trait Outcome: Serialize + JsonSchema + 'static {
    /// Whether what was asked for did not work out.
    fn failed(&self) -> bool {
        false
    }
}

/// All tools by their names.
pub struct Tools(BTreeMap<&'static str, Tool>);

impl Default for Tools {
    fn default() -> Tools {
        let tools = [
            plan::tool(),
            build::tool(),
            check::tool(),
            pin::tool(),
            test::tool(),
            image::inspect(),
            image::tree(),
            image::diff(),
            image::explain(),
            sbom::tool(),
            verify::tool(),
            history::tool(),
            log::tool(),
            doctor::tool(),
        ];
        Tools(tools.into_iter().map(|tool| (tool.name, tool)).collect())
    }
}

impl Tools {
    /// The tools that a caller of this tier may call.
    pub fn of(&self, tier: Tier) -> impl Iterator<Item = &Tool> {
        self.0.values().filter(move |tool| tool.tier <= tier)
    }

    /// Whether there is a tool of this name.
    pub fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// If there is no such tool, the caller may not call it, the arguments are wrong, or it could not be done.
    pub fn call(
        &self,
        toolbox: &Toolbox,
        name: &str,
        arguments: Value,
        call: &Call<'_>,
    ) -> Result<Done, ToolError> {
        let tool = self.permitted(name, call.caller)?;
        let started = Instant::now();
        let done = refuse_reserved(&arguments).and_then(|()| match &toolbox.builders {
            Some(builders) if tool.name == build::NAME => {
                build::check(toolbox, &arguments, call)?;
                others::build(toolbox, &**builders, &arguments, call)
            }
            _ => (tool.run)(toolbox, arguments, call),
        });
        let failed = done.as_ref().map(|done| done.failed);
        toolbox.tally.count(tool.name, outcome(failed), started.elapsed());
        done
    }

    /// Makes a build as the tool `build` does, with this id.
    ///
    /// # Errors
    /// As [`Tools::call`].
    pub fn build_as(
        &self,
        toolbox: &Toolbox,
        id: BuildId,
        arguments: Value,
        call: &Call<'_>,
    ) -> Result<Done, ToolError> {
        self.permitted(build::NAME, call.caller)?;
        refuse_reserved(&arguments)?;
        let input: BuildInput = read(build::NAME, arguments)?;
        let begun = Begun::named(toolbox, &input, call, id)?;
        told(build::NAME, &Tools::finish(begun, toolbox, call.events)?)
    }

    /// Begins a build as the tool `build` would, and lets it run on a thread of its own; gives its id.
    ///
    /// # Errors
    /// As [`Tools::call`], for what can be told before the build begins.
    pub(crate) fn start_build(
        &self,
        toolbox: &Arc<Toolbox>,
        arguments: Value,
        caller: &Caller,
    ) -> Result<String, ToolError> {
        self.permitted(build::NAME, caller)?;
        refuse_reserved(&arguments)?;
        if let Some(builders) = &toolbox.builders {
            let call = Call {
                caller,
                events: &Deaf,
                cancel: toolbox.flag(),
            };
            build::check(toolbox, &arguments, &call)?;
            return Ok(others::ask(toolbox, &**builders, &arguments, &caller.name)?
                .id
                .clone());
        }
        let input: BuildInput = read(build::NAME, arguments)?;
        let begun = Begun::begin(
            toolbox,
            &input,
            &Call {
                caller,
                events: &Deaf,
                cancel: toolbox.flag(),
            },
        )?;
        let id = begun.id().to_string();
        let toolbox = toolbox.clone();
        std::thread::spawn(move || Tools::finish(begun, &toolbox, &Deaf));
        Ok(id)
    }

    /// Makes a build that began, and counts it.
    ///
    /// # Errors
    /// If there is no record of how it ended.
    pub(crate) fn finish(
        begun: Begun,
        toolbox: &Toolbox,
        events: &dyn Events,
    ) -> Result<BuildOutput, ToolError> {
        let started = Instant::now();
        let done = begun.finish(toolbox, events);
        let failed = done.as_ref().map(Outcome::failed);
        toolbox
            .tally
            .count(build::NAME, outcome(failed), started.elapsed());
        done
    }

    /// Begins a build of a context that its client sent; it is not made yet.
    ///
    /// # Errors
    /// As [`Tools::call`], for what can be told before the build begins.
    pub(crate) fn begin_sent(
        &self,
        toolbox: &Toolbox,
        held: &Held,
        arguments: Value,
        call: &Call<'_>,
    ) -> Result<Begun, ToolError> {
        self.permitted(build::NAME, call.caller)?;
        refuse_reserved(&arguments)?;
        let input: SentBuild = read(build::NAME, arguments)?;
        Begun::sent(toolbox, held, &input, call)
    }

    fn permitted(&self, name: &str, caller: &Caller) -> Result<&Tool, ToolError> {
        let missing = || ToolError::new(ToolErrorKind::Missing, format!("there is no tool {name:?}"));
        let tool = self.0.get(name).ok_or_else(missing)?;
        match tool.tier > caller.tier {
            true => Err(ToolError::refused(format!(
                "{name} needs the tier {}, and this caller has {}",
                tool.tier, caller.tier
            ))),
            false => Ok(tool),
        }
    }
}

/// How a call ended, for the count.
fn outcome(failed: Result<bool, &ToolError>) -> &'static str {
    match failed {
        Ok(true) => ToolErrorKind::Failed.name(),
        Ok(false) => "done",
        Err(error) => error.kind.name(),
    }
}

fn read<I: DeserializeOwned>(name: &str, arguments: Value) -> Result<I, ToolError> {
    let read = serde_json::from_value(arguments);
    read.map_err(|error| ToolError::arguments(format!("{name}: {error}")))
}

fn told(name: &str, outcome: &impl Outcome) -> Result<Done, ToolError> {
    let value = serde_json::to_value(outcome);
    Ok(Done {
        value: value.map_err(|error| ToolError::internal(format!("{name}: {error}")))?,
        failed: outcome.failed(),
    })
}

/// Nobody listens.
pub(crate) struct Deaf;

impl Events for Deaf {
    fn event(&self, _: Event) {}
}

/// Arguments are an object, without names that are kept for what no tool does.
fn refuse_reserved(arguments: &Value) -> Result<(), ToolError> {
    // A list would be taken for the fields in their order.
    let fields = arguments.as_object();
    let fields = fields.ok_or_else(|| ToolError::arguments("the arguments have to be a JSON object"))?;
    for name in fields.keys() {
        let known = RESERVED.iter().find(|(names, _)| names.contains(&name.as_str()));
        if let Some((_, why)) = known {
            return Err(ToolError::refused(format!("{name}: {why}")));
        }
    }
    Ok(())
}

/// What describes a tool beside its types.
struct About {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    tier: Tier,
    effect: Effect,
}

impl About {
    fn tool<I, O>(self, run: fn(&Toolbox, I, &Call<'_>) -> Result<O, ToolError>) -> Tool
    where
        I: DeserializeOwned + JsonSchema + 'static,
        O: Outcome,
    {
        let name = self.name;
        Tool {
            name,
            title: self.title,
            description: self.description,
            tier: self.tier,
            effect: self.effect,
            input: schema::<I>(SchemaSettings::draft2020_12()),
            output: schema::<O>(SchemaSettings::draft2020_12().for_serialize()),
            run: Box::new(move |toolbox, arguments, call| {
                told(name, &run(toolbox, read(name, arguments)?, call)?)
            }),
        }
    }
}

pub(crate) fn schema<T: JsonSchema>(settings: SchemaSettings) -> Map<String, Value> {
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut object = match schema.to_value() {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    object.remove("title");
    object.remove("description");
    object
}

/// The platform that a request names.
fn platform(text: Option<&str>) -> Result<Option<praxis_oci::Platform>, ToolError> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|error| ToolError::arguments(format!("platform {text:?}: {error}")))
    };
    text.map(parse).transpose()
}

#[cfg(test)]
mod tests;
