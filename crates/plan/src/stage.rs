//! One stage: its instructions one after the other.

use std::collections::BTreeMap;

use praxis_dockerfile::{Argument, Command, Instruction, Kind, Pair, clean, format_duration, resolve};
use praxis_oci::{Healthcheck, History, ImageConfig, Platform};
use praxis_source::{Diagnostic, masked};

use crate::expand::Context;
use crate::graph::{Found, Needed};
use crate::text::{plain_list, quoted_list};
use crate::variables::{self, Variables};
use crate::{
    Base, Operation, Origin, PlanRequest, Stage, StageBase, Step, Workdir, check, port, run, signal, transfer,
};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The longest path that the kernel takes.
const LONGEST_PATH: usize = 4095;
/// What the history's comment says of entries made here.
const COMMENT: &str = "praxis.dockerfile.v0";

/// What names after `from` stand for in one stage.
#[derive(Clone, Copy)]
pub(crate) struct Names<'f> {
    pub index: usize,
    pub origins: &'f BTreeMap<(usize, String), Found>,
    pub positions: &'f BTreeMap<usize, usize>,
}

impl Names<'_> {
    /// Where files of `name` come from; `None` for a name nobody looked up.
    pub(crate) fn origin(&self, name: &str) -> Option<Origin> {
        Some(match self.origins.get(&(self.index, name.to_string()))? {
            Found::Stage(index) => Origin::Stage(*self.positions.get(index)?),
            Found::Base(Base::Scratch) => Origin::Scratch,
            Found::Base(Base::Image(image)) => Origin::Image(image.clone()),
            Found::Base(Base::Directory(id)) => Origin::Directory(id.clone()),
        })
    }
}

/// What an instruction comes to.
pub(crate) struct Outcome {
    operation: Operation,
    /// The entry in the history; `None` for what leaves none.
    history: Option<String>,
    layer: bool,
}

impl Outcome {
    fn metadata(history: String) -> Outcome {
        Outcome {
            operation: Operation::Metadata,
            history: Some(history),
            layer: false,
        }
    }

    /// A step that makes a layer.
    pub(crate) fn layer(operation: Operation, history: String) -> Outcome {
        Outcome {
            operation,
            history: Some(format!("{history} # praxis")),
            layer: true,
        }
    }
}

/// A stage while it is being planned.
pub(crate) struct StageBuilder<'f> {
    pub context: Context<'f>,
    pub globals: &'f Variables,
    pub request: &'f PlanRequest,
    pub names: Names<'f>,
    /// All variables: ENV and declared ARGs.
    pub variables: Variables,
    /// What ARG declared, in order, with the value it got.
    pub declared: Vec<(String, Option<String>)>,
    pub config: ImageConfig,
    pub warnings: Vec<Diagnostic>,
    findings: Vec<Diagnostic>,
    base: StageBase,
    platform: Platform,
    cmd_set: bool,
    workdir_set: bool,
    steps: Vec<Step>,
    name: Option<String>,
    no_cache: bool,
}

impl<'f> StageBuilder<'f> {
    /// A stage on its base, before its first instruction.
    pub(crate) fn new(
        context: Context<'f>,
        globals: &'f Variables,
        request: &'f PlanRequest,
        names: Names<'f>,
        needed: &Needed,
        parent: Option<&StageBuilder>,
    ) -> StageBuilder<'f> {
        let name = context.tree.stages[needed.index].from.name.clone();
        let filtered = |wanted: &String| {
            name.as_ref()
                .is_some_and(|name| wanted.eq_ignore_ascii_case(name))
                || *wanted == needed.index.to_string()
        };
        let no_cache = request.no_cache || request.no_cache_filter.iter().any(filtered);
        let mut builder = StageBuilder {
            context,
            globals,
            request,
            names,
            variables: Variables::default(),
            declared: Vec::new(),
            config: ImageConfig::default(),
            warnings: Vec::new(),
            findings: Vec::new(),
            base: StageBase::Scratch,
            platform: needed.platform.clone(),
            cmd_set: false,
            workdir_set: false,
            steps: Vec::new(),
            name,
            no_cache,
        };
        builder.start(needed, parent);
        builder
    }

    fn start(&mut self, needed: &Needed, parent: Option<&StageBuilder>) {
        match (&needed.base, parent) {
            (Found::Stage(index), Some(parent)) => {
                self.base = StageBase::Stage(self.names.positions.get(index).copied().unwrap_or_default());
                self.platform = parent.platform.clone();
                self.variables = parent.variables.clone();
                self.declared = parent.declared.clone();
                self.workdir_set = parent.workdir_set;
                self.config = parent.config.clone();
            }
            (Found::Base(Base::Image(image)), _) => {
                self.base = StageBase::Image(image.clone());
                self.config = image_config(&image.config);
                self.check_platform(&image.reference);
            }
            (Found::Base(Base::Directory(id)), _) => {
                self.base = StageBase::Directory(id.clone());
                self.config = empty_config(&self.platform);
            }
            _ => {
                self.platform = self.request.platform.clone();
                self.config = empty_config(&self.platform);
            }
        }
        self.config.config.on_build.clear();
        let environment = &mut self.config.config.env;
        if !environment.iter().any(|entry| entry.starts_with("PATH=")) {
            environment.push(format!("PATH={PATH}"));
        }
        for entry in &self.config.config.env {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            self.variables.set(name, value);
        }
        let directory = &mut self.config.config.working_dir;
        if !directory.is_empty() {
            *directory = resolve("/", directory);
        }
    }

    fn check_platform(&mut self, name: &str) {
        let found = self.config.platform();
        let same = found.os == self.platform.os && found.architecture == self.platform.architecture;
        if !same && !found.os.is_empty() {
            let from = &self.context.tree.stages[self.names.index].from;
            let place = self.context.place(&from.base, from.span);
            self.findings
                .push(check::base_platform(name, &found, &self.platform, place));
        }
    }

    /// Findings that belong to no step.
    pub(crate) fn take_findings(&mut self) -> Vec<Diagnostic> {
        std::mem::take(&mut self.findings)
    }

    /// Plans all instructions.
    pub(crate) fn apply(&mut self, needed: &Needed) -> Result<(), Diagnostic> {
        for (number, instruction) in needed.instructions.iter().enumerate() {
            let outcome = self.instruction(instruction)?;
            if let Some(history) = outcome.history.clone() {
                self.record(instruction, outcome, history, number < needed.triggers);
            }
        }
        self.name_steps();
        Ok(())
    }

    fn record(&mut self, instruction: &Instruction, outcome: Outcome, history: String, trigger: bool) {
        self.config.history.push(History {
            created: Some(self.request.created.clone()),
            created_by: Some(history),
            comment: Some(COMMENT.into()),
            author: None,
            empty_layer: !outcome.layer,
        });
        self.steps.push(Step {
            span: instruction.span,
            line: self.context.line(instruction.span),
            name: display(instruction, trigger),
            operation: outcome.operation,
            history: self.config.history.len() - 1,
            no_cache: self.no_cache,
            warnings: std::mem::take(&mut self.warnings),
        });
    }

    /// Puts `[stage 2/5]` before the names of steps that do something.
    fn name_steps(&mut self) {
        let works = |step: &&mut Step| step.operation != Operation::Metadata;
        let total = self.steps.iter_mut().filter(works).count() + 1;
        let stage = match &self.name {
            Some(name) => format!("{name} "),
            None if self.context.tree.stages.len() > 1 => format!("stage-{} ", self.names.index),
            None => String::new(),
        };
        for (number, step) in self.steps.iter_mut().filter(works).enumerate() {
            step.name = format!("[{stage}{}/{total}] {}", number + 2, step.name);
        }
    }

    /// The planned stage.
    pub(crate) fn finish(self) -> Stage {
        let index = self.names.index;
        let from = self.context.tree.stages[index].from.span;
        Stage {
            name: self.name.unwrap_or_else(|| index.to_string()),
            index,
            platform: self.platform,
            base: self.base,
            base_line: self.context.line(from),
            steps: self.steps,
            config: self.config,
        }
    }

    /// Expands a word of an instruction.
    pub(crate) fn expand(&mut self, word: &str, instruction: &Instruction) -> Result<String, Diagnostic> {
        self.expansion(word, instruction).map(|expansion| expansion.0)
    }

    /// The whole text and the words a word expands to.
    fn expansion(
        &mut self,
        word: &str,
        instruction: &Instruction,
    ) -> Result<(String, Vec<String>), Diagnostic> {
        let expansion = self.context.expand(word, &self.variables, instruction.span)?;
        for name in &expansion.undefined {
            let declared = self.declared.iter().any(|(other, _)| other == name);
            if !declared && !variables::is_private(name) {
                let place = check::place_of_variable(self.context, name, word, instruction.span);
                self.warnings
                    .push(check::undefined_variable(name, &self.variables, place));
            }
        }
        Ok((expansion.text, expansion.words))
    }

    fn expand_all(&mut self, words: &[String], instruction: &Instruction) -> Result<Vec<String>, Diagnostic> {
        words.iter().map(|word| self.expand(word, instruction)).collect()
    }

    /// Where relative paths start.
    pub(crate) fn directory(&self) -> &str {
        match self.config.config.working_dir.as_str() {
            "" => "/",
            directory => directory,
        }
    }

    /// The arguments of a command in shell form.
    pub(crate) fn with_shell(&self, line: &str) -> Vec<String> {
        let default = || vec!["/bin/sh".to_string(), "-c".to_string()];
        let shell = &self.config.config.shell;
        let mut arguments = if shell.is_empty() {
            default()
        } else {
            shell.clone()
        };
        arguments.push(line.into());
        arguments
    }

    fn instruction(&mut self, instruction: &Instruction) -> Result<Outcome, Diagnostic> {
        let failed = |message: String| Diagnostic::error(message, instruction.span);
        match &instruction.kind {
            Kind::Add(transfer) => transfer::transfer(self, transfer, true, instruction),
            Kind::Copy(transfer) => transfer::transfer(self, transfer, false, instruction),
            Kind::Run(run) => run::run(self, run, instruction),
            Kind::Arg(arguments) => self.argument(arguments, instruction),
            Kind::Cmd(command) => Ok(self.cmd(command)),
            Kind::Entrypoint(command) => Ok(self.entrypoint(command)),
            Kind::Env(pairs) => self.environment(pairs, instruction),
            Kind::Label(pairs) => self.label(pairs, instruction),
            Kind::Expose(words) => self.expose(words, instruction),
            Kind::Healthcheck(check) => Ok(self.healthcheck(check)),
            Kind::Maintainer(name) => {
                self.config.author = name.clone();
                Ok(Outcome::metadata(format!("MAINTAINER {name}")))
            }
            Kind::Onbuild(text) => {
                self.config.config.on_build.push(text.clone());
                Ok(Outcome {
                    operation: Operation::Metadata,
                    history: None,
                    layer: false,
                })
            }
            Kind::Shell(words) => {
                self.config.config.shell = words.clone();
                Ok(Outcome::metadata(format!("SHELL {}", plain_list(words))))
            }
            Kind::Stopsignal(word) => {
                let name = self.expand(word, instruction)?;
                if !signal::is_signal(&name) {
                    return Err(failed(format!("invalid signal: {name}"))
                        .with_help("use a name such as SIGTERM or a number from 1"));
                }
                self.config.config.stop_signal = name.clone();
                Ok(Outcome::metadata(format!("STOPSIGNAL {name}")))
            }
            Kind::User(word) => {
                let user = self.expand(word, instruction)?;
                self.config.config.user = user.clone();
                Ok(Outcome::metadata(format!("USER {user}")))
            }
            Kind::Volume(words) => {
                let volumes = self.expand_all(words, instruction)?;
                if volumes.iter().any(String::is_empty) {
                    return Err(failed("VOLUME specified can not be an empty string".into()));
                }
                let empty = || serde_json::Value::Object(serde_json::Map::new());
                self.config
                    .config
                    .volumes
                    .extend(volumes.iter().map(|v| (v.clone(), empty())));
                Ok(Outcome::metadata(format!("VOLUME {}", plain_list(&volumes))))
            }
            Kind::Workdir(word) => self.workdir(word, instruction),
        }
    }

    fn argument(&mut self, arguments: &[Argument], instruction: &Instruction) -> Result<Outcome, Diagnostic> {
        let mut texts = Vec::new();
        for argument in arguments {
            let value = match (
                variables::given(argument, self.request, Some(self.globals)),
                &argument.default,
            ) {
                (Some(value), _) => Some(value),
                (None, Some(default)) => Some(self.expand(default, instruction)?),
                (None, None) => None,
            };
            if let Some(given) = self.request.build_args.get(&argument.name)
                && check::looks_secret(given)
            {
                self.warnings
                    .push(check::token_argument(&argument.name, instruction.span));
            }
            if let Some(value) = &value
                && !variables::is_private(&argument.name)
            {
                self.variables.set(&argument.name, value);
            }
            texts.push(match &value {
                Some(value) => format!("{}={value}", argument.name),
                None => argument.name.clone(),
            });
            self.declared.push((argument.name.clone(), value));
        }
        Ok(Outcome::metadata(format!("ARG {}", texts.join(" "))))
    }

    fn pairs(
        &mut self,
        pairs: &[Pair],
        instruction: &Instruction,
    ) -> Result<Vec<(String, String)>, Diagnostic> {
        let expand = |pair: &Pair| {
            Ok((
                self.expand(&pair.key, instruction)?,
                self.expand(&pair.value, instruction)?,
            ))
        };
        pairs.iter().map(expand).collect()
    }

    fn environment(&mut self, pairs: &[Pair], instruction: &Instruction) -> Result<Outcome, Diagnostic> {
        let pairs = self.pairs(pairs, instruction)?;
        for (name, value) in &pairs {
            self.variables.set(name, value);
            let entry = format!("{name}={value}");
            let same = |old: &&mut String| old.split_once('=').map_or(old.as_str(), |(old, _)| old) == name;
            match self.config.config.env.iter_mut().find(same) {
                Some(old) => *old = entry,
                None => self.config.config.env.push(entry),
            }
        }
        Ok(Outcome::metadata(format!("ENV {}", joined(&pairs))))
    }

    fn label(&mut self, pairs: &[Pair], instruction: &Instruction) -> Result<Outcome, Diagnostic> {
        let pairs = self.pairs(pairs, instruction)?;
        self.config.config.labels.extend(pairs.iter().cloned());
        Ok(Outcome::metadata(format!("LABEL {}", joined(&pairs))))
    }

    fn cmd(&mut self, command: &Command) -> Outcome {
        let arguments = self.arguments(command);
        let history = format!("CMD {}", quoted_list(&arguments));
        self.config.config.cmd = Some(arguments);
        self.config.config.args_escaped = true;
        self.cmd_set = true;
        Outcome::metadata(history)
    }

    fn entrypoint(&mut self, command: &Command) -> Outcome {
        let arguments = self.arguments(command);
        let history = format!("ENTRYPOINT {}", quoted_list(&arguments));
        self.config.config.entrypoint = Some(arguments);
        if !self.cmd_set {
            self.config.config.cmd = None;
        }
        Outcome::metadata(history)
    }

    fn arguments(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(arguments) => arguments.clone(),
            Command::Shell(line) => self.with_shell(line),
        }
    }

    fn expose(&mut self, words: &[String], instruction: &Instruction) -> Result<Outcome, Diagnostic> {
        let mut all = Vec::new();
        for word in words {
            for expanded in self.expansion(word, instruction)?.1 {
                let ports = port::ports(&expanded).map_err(|message| {
                    Diagnostic::error(message, self.context.place(word, instruction.span))
                })?;
                all.extend(ports);
            }
        }
        let empty = || serde_json::Value::Object(serde_json::Map::new());
        self.config
            .config
            .exposed_ports
            .extend(all.iter().map(|port| (port.clone(), empty())));
        Ok(Outcome::metadata(format!("EXPOSE {}", plain_list(&all))))
    }

    fn healthcheck(&mut self, check: &praxis_dockerfile::Healthcheck) -> Outcome {
        self.config.config.healthcheck = Some(Healthcheck {
            test: check.test.clone(),
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: check.retries,
        });
        Outcome::metadata(format!(
            "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
            plain_list(&check.test),
            format_duration(check.interval),
            format_duration(check.timeout),
            format_duration(check.start_period),
            format_duration(check.start_interval),
            check.retries
        ))
    }

    fn workdir(&mut self, word: &str, instruction: &Instruction) -> Result<Outcome, Diagnostic> {
        let path = self.expand(word, instruction)?;
        if !path.starts_with('/') && !self.workdir_set {
            self.warnings
                .push(check::relative_workdir(&path, instruction.span));
        }
        self.workdir_set = true;
        let path = resolve(self.directory(), &path);
        if path.len() > LONGEST_PATH {
            let message = format!("WORKDIR is longer than {LONGEST_PATH} bytes: no process can be in it");
            return Err(Diagnostic::error(message, instruction.span));
        }
        self.config.config.working_dir = path.clone();
        let history = format!("WORKDIR {path}");
        if path == "/" {
            return Ok(Outcome::metadata(history));
        }
        let operation = Operation::MakeDirectory(Workdir {
            path,
            user: self.config.config.user.clone(),
        });
        Ok(Outcome {
            operation,
            history: Some(history),
            layer: true,
        })
    }
}

fn joined(pairs: &[(String, String)]) -> String {
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The instruction in one line, for display.
fn display(instruction: &Instruction, trigger: bool) -> String {
    let words: Vec<&str> = instruction.text.split_whitespace().collect();
    let text = masked(&words.join(" "));
    let prefix = if trigger { "ONBUILD " } else { "" };
    let heredoc = match &instruction.kind {
        Kind::Run(run) => run.heredocs.first(),
        _ => None,
    };
    match heredoc.map(|heredoc| heredoc.content()) {
        Some(content) => {
            let first = content
                .lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or_default();
            format!("{prefix}{text} ({}…)", first.trim())
        }
        None => format!("{prefix}{text}"),
    }
}

/// The configuration of an empty root.
fn empty_config(platform: &Platform) -> ImageConfig {
    let mut config = ImageConfig {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        os_version: platform.os_version.clone(),
        variant: platform.variant.clone(),
        ..ImageConfig::default()
    };
    config.config.working_dir = clean("/");
    config
}

/// What of a base's configuration goes on: fields that Dockerfiles do not know are left behind.
fn image_config(base: &ImageConfig) -> ImageConfig {
    let mut config = base.clone();
    config.other.retain(|name, _| name == "os.features");
    config.config.other.clear();
    config
}
