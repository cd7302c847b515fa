//! Which stages the target needs, and where each of them and of their files comes from.

use std::collections::BTreeMap;

use praxis_dockerfile::{Instruction, Kind, MountText, Stage as SyntaxStage, nearest, parse_trigger};
use praxis_oci::Platform;
use praxis_source::{Diagnostic, Span};

use crate::expand::Context;
use crate::variables::Variables;
use crate::{Base, Bases, ImageBase, PlanRequest};

/// Something in the file that has a name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Found {
    /// A stage, by its number in the file.
    Stage(usize),
    /// Not in the file.
    Base(Base),
}

/// A stage that the target needs.
#[derive(Clone, Debug)]
pub(crate) struct Needed {
    /// Its number in the file.
    pub index: usize,
    /// What it starts from.
    pub base: Found,
    /// The platform of its base.
    pub platform: Platform,
    /// Its instructions, triggers first; a trigger has the place of the `FROM`.
    pub instructions: Vec<Instruction>,
    /// How many of them are triggers.
    pub triggers: usize,
}

/// What names in the needed stages stand for.
pub(crate) struct Graph {
    /// The needed stages, lowest number first.
    pub needed: Vec<Needed>,
    /// For each stage and name after `--from` or `from=`: what it is.
    pub origins: BTreeMap<(usize, String), Found>,
}

/// Base names and platforms of all stages, expanded.
struct Heads {
    bases: Vec<String>,
    platforms: Vec<Option<Platform>>,
}

/// Finds out what the target needs.
pub(crate) fn graph(
    context: Context,
    globals: &Variables,
    request: &PlanRequest,
    bases: &dyn Bases,
) -> Result<Graph, Vec<Diagnostic>> {
    let heads = heads(context, globals)?;
    let target = target(context, request).map_err(|error| vec![error])?;
    let mut builder = Builder {
        context,
        heads,
        request,
        bases,
        known: BTreeMap::new(),
    };
    let mut wanted = vec![false; context.tree.stages.len()];
    wanted[target] = true;
    let mut graph = Graph {
        needed: Vec::new(),
        origins: BTreeMap::new(),
    };
    let mut errors = Vec::new();
    for index in (0..=target).rev() {
        if !wanted[index] {
            continue;
        }
        match builder.stage(index) {
            Ok((needed, origins)) => {
                for found in origins.values().chain([&needed.base]) {
                    if let Found::Stage(other) = found {
                        wanted[*other] = true;
                    }
                }
                graph
                    .origins
                    .extend(origins.into_iter().map(|(name, found)| ((index, name), found)));
                graph.needed.push(needed);
            }
            Err(error) => errors.push(error),
        }
    }
    graph.needed.reverse();
    errors.reverse();
    if errors.is_empty() { Ok(graph) } else { Err(errors) }
}

fn heads(context: Context, globals: &Variables) -> Result<Heads, Vec<Diagnostic>> {
    let mut heads = Heads {
        bases: Vec::new(),
        platforms: Vec::new(),
    };
    let mut errors = Vec::new();
    for stage in &context.tree.stages {
        match head(context, stage, globals) {
            Ok((base, platform)) => {
                heads.bases.push(base);
                heads.platforms.push(platform);
            }
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(heads) } else { Err(errors) }
}

fn head(
    context: Context,
    stage: &SyntaxStage,
    globals: &Variables,
) -> Result<(String, Option<Platform>), Diagnostic> {
    let span = stage.from.span;
    let base = context.expand(&stage.from.base, globals, span)?.text;
    if base.is_empty() {
        let written = &stage.from.base;
        let error = Diagnostic::error(
            format!("base name ({written}) should not be blank"),
            context.place(written, span),
        );
        return Err(error.with_help("give the ARG before FROM a default, or pass it with --build-arg"));
    }
    let Some(written) = &stage.from.platform else {
        return Ok((base, None));
    };
    let text = context.expand(written, globals, span)?.text;
    let place = context.place(written, span);
    if text.is_empty() {
        return Err(Diagnostic::error(
            format!("empty platform value from expression {written}"),
            place,
        ));
    }
    let platform = text
        .parse()
        .map_err(|error| Diagnostic::error(format!("failed to parse platform {text}: {error}"), place))?;
    Ok((base, Some(platform)))
}

fn target(context: Context, request: &PlanRequest) -> Result<usize, Diagnostic> {
    let stages = &context.tree.stages;
    let Some(wanted) = request.target.as_ref().filter(|name| !name.is_empty()) else {
        return Ok(stages.len().saturating_sub(1));
    };
    let lower = wanted.to_lowercase();
    if let Some(index) = stages
        .iter()
        .rposition(|stage| stage.from.name.as_deref() == Some(&lower))
    {
        return Ok(index);
    }
    let names: Vec<&str> = stages
        .iter()
        .filter_map(|stage| stage.from.name.as_deref())
        .collect();
    let error = Diagnostic::general(format!("target stage \"{wanted}\" could not be found"));
    Err(match (nearest(&lower, &names), names.is_empty()) {
        (Some(name), _) => error.with_help(format!("did you mean {name}?")),
        (None, true) => error.with_help("no stage has a name: write FROM … AS name"),
        (None, false) => error.with_help(format!("the stages are {}", names.join(", "))),
    })
}

struct Builder<'f> {
    context: Context<'f>,
    heads: Heads,
    request: &'f PlanRequest,
    bases: &'f dyn Bases,
    known: BTreeMap<(String, Platform), Base>,
}

type Origins = BTreeMap<String, Found>;

impl Builder<'_> {
    fn stage(&mut self, index: usize) -> Result<(Needed, Origins), Diagnostic> {
        let stage = &self.context.tree.stages[index];
        let span = stage.from.span;
        let platform = self.heads.platforms[index]
            .clone()
            .unwrap_or_else(|| self.request.platform.clone());
        if let Some(name) = &stage.from.name
            && let Some(replacement) = self.bases.stage_replacement(name, &platform)
        {
            let base = Found::Base(replacement.map_err(|why| Diagnostic::error(why, span))?);
            let needed = Needed {
                index,
                base,
                platform,
                instructions: Vec::new(),
                triggers: 0,
            };
            return Ok((needed, Origins::new()));
        }
        let base = self.base(index, &platform)?;
        let mut instructions = self.triggers(&base, span)?;
        let triggers = instructions.len();
        instructions.extend(stage.instructions.iter().cloned());
        let mut origins = Origins::new();
        for instruction in &instructions {
            for name in origin_names(instruction)? {
                let is_mount = matches!(instruction.kind, Kind::Run(_));
                let found = self.origin(index, &name, instruction)?;
                origins.insert(if is_mount { mount_key(&name) } else { name }, found);
            }
        }
        Ok((
            Needed {
                index,
                base,
                platform,
                instructions,
                triggers,
            },
            origins,
        ))
    }

    fn base(&mut self, index: usize, platform: &Platform) -> Result<Found, Diagnostic> {
        let name = self.heads.bases[index].clone();
        if let Some(stage) = self.earlier(index, &name) {
            return Ok(Found::Stage(stage));
        }
        let from = &self.context.tree.stages[index].from;
        let place = self.context.place(&from.base, from.span);
        self.resolve(&name, platform, place).map(Found::Base)
    }

    /// The nearest stage before `index` of that name.
    fn earlier(&self, index: usize, name: &str) -> Option<usize> {
        let lower = name.to_lowercase();
        let stages = &self.context.tree.stages[..index];
        stages
            .iter()
            .rposition(|stage| stage.from.name.as_deref() == Some(lower.as_str()))
    }

    fn resolve(&mut self, name: &str, platform: &Platform, place: Span) -> Result<Base, Diagnostic> {
        if name == "scratch" {
            return Ok(Base::Scratch);
        }
        let key = (name.to_string(), platform.clone());
        if let Some(base) = self.known.get(&key) {
            return Ok(base.clone());
        }
        let base = self
            .bases
            .resolve(name, platform)
            .map_err(|why| self.unresolved(name, why, place))?;
        self.known.insert(key, base.clone());
        Ok(base)
    }

    fn unresolved(&self, name: &str, why: String, place: Span) -> Diagnostic {
        let message = if why.contains(name) {
            why
        } else {
            format!("{name}: {why}")
        };
        // A base says below its message what to do.
        let (message, hint) = match message.split_once("\n  hint: ") {
            Some((message, hint)) => (message.to_string(), Some(hint.to_string())),
            None => (message, None),
        };
        let error = Diagnostic {
            help: hint,
            ..Diagnostic::error(message, place)
        };
        let stages: Vec<&str> = self
            .context
            .tree
            .stages
            .iter()
            .filter_map(|stage| stage.from.name.as_deref())
            .collect();
        match nearest(name, &stages) {
            Some(stage) => error.with_help(format!("did you mean the stage {stage}?")),
            None => error,
        }
    }

    fn triggers(&self, base: &Found, span: Span) -> Result<Vec<Instruction>, Diagnostic> {
        let texts: Vec<String> = match base {
            Found::Stage(index) => self.context.tree.stages[*index]
                .instructions
                .iter()
                .filter_map(|instruction| match &instruction.kind {
                    Kind::Onbuild(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            Found::Base(Base::Image(ImageBase { config, .. })) => config.config.on_build.clone(),
            Found::Base(_) => Vec::new(),
        };
        texts
            .iter()
            .map(|text| match parse_trigger(text) {
                Ok(instruction) => Ok(Instruction {
                    span,
                    keyword: span,
                    ..instruction
                }),
                Err(why) => Err(Diagnostic::error(
                    format!("ONBUILD trigger {text:?} of the base: {why}"),
                    span,
                )),
            })
            .collect()
    }

    /// What a name after `--from` or `from=` in stage `index` stands for.
    fn origin(&mut self, index: usize, name: &str, user: &Instruction) -> Result<Found, Diagnostic> {
        let place = self.context.place(name, user.span);
        let stages = self.context.tree.stages.len();
        let lower = name.to_lowercase();
        // Mounts know stages by their names only, as in BuildKit.
        let is_mount = matches!(user.kind, Kind::Run(_));
        let number = (!is_mount && name.bytes().all(|b| b.is_ascii_digit()))
            .then(|| name.parse::<usize>().ok())
            .flatten();
        let named = |stage: &SyntaxStage| stage.from.name.as_deref() == Some(lower.as_str());
        let current = self.context.tree.stages[index]
            .from
            .name
            .clone()
            .unwrap_or_else(|| index.to_string());
        let found = match number {
            Some(number) if number >= stages => {
                let message = format!("invalid stage index {number}: the file has {stages} stages, from 0");
                return Err(Diagnostic::error(message, place));
            }
            Some(number) => Some(number),
            None => self
                .earlier(index, name)
                .or_else(|| self.context.tree.stages.iter().rposition(named)),
        };
        match found {
            Some(found) if found < index => Ok(Found::Stage(found)),
            Some(found) if found == index => {
                let message = format!("circular dependency detected on stage: {current}");
                Err(Diagnostic::error(message, place).with_help("a stage cannot copy from itself"))
            }
            Some(_) => {
                let message = format!(
                    "cannot copy from stage {name:?}, it needs to be defined before current stage {current:?}"
                );
                Err(Diagnostic::error(message, place))
            }
            None => {
                let platform = self.request.platform.clone();
                self.resolve(name, &platform, place).map(Found::Base)
            }
        }
    }
}

/// What a mount's `from=` is looked up by: the same number is a stage for COPY and a name for a mount.
pub(crate) fn mount_key(name: &str) -> String {
    format!("mount {name}")
}

/// The names an instruction takes files from.
fn origin_names(instruction: &Instruction) -> Result<Vec<String>, Diagnostic> {
    match &instruction.kind {
        Kind::Copy(copy) | Kind::Add(copy) => match &copy.from {
            Some(name) if name.contains('$') => {
                let message = "variable expansion is not supported for --from, define a new stage with FROM \
                               using ARG from global scope as a workaround";
                Err(Diagnostic::error(message, instruction.span))
            }
            Some(name) => Ok(vec![name.clone()]),
            None => Ok(Vec::new()),
        },
        Kind::Run(run) => Ok(run
            .mounts
            .iter()
            .filter_map(MountText::from)
            .filter(|name| !name.is_empty())
            .collect()),
        _ => Ok(Vec::new()),
    }
}
