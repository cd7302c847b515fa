//! Checks: what works, but is likely not meant so. Rules carry the names other tools know them by.

use std::collections::BTreeMap;

use praxis_source::{Diagnostic, Span};

use crate::{Command, Dockerfile, Instruction, Kind, suggest};

/// Rules that only run when a file asks for them.
const EXPERIMENTAL: [&str; 1] = ["InvalidDefinitionDescription"];

/// Which findings count: `skip=…;error=…;experimental=…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Rules that do not run; `all` is every one.
    pub skip: Vec<String>,
    /// Whether a finding stops the build.
    pub error: bool,
    /// Experimental rules that run; `all` is every one.
    pub experimental: Vec<String>,
}

impl CheckOptions {
    /// Reads the value of a `check` directive; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<CheckOptions, String> {
        let mut options = CheckOptions::default();
        for option in text.split(';').map(str::trim).filter(|option| !option.is_empty()) {
            let (name, value) = option
                .split_once('=')
                .ok_or_else(|| format!("invalid check option {option:?}"))?;
            let names = || value.split(',').map(|name| name.trim().to_string()).collect();
            match name.trim() {
                "skip" => options.skip = names(),
                "experimental" => options.experimental = names(),
                "error" => {
                    options.error = match value.trim() {
                        "true" | "1" => true,
                        "false" | "0" => false,
                        other => return Err(format!("invalid value {other:?} of the check option error")),
                    }
                }
                other => {
                    let hint = suggest::nearest(other, &["skip", "error", "experimental"]);
                    let hint = hint
                        .map(|name| format!(" (did you mean {name}?)"))
                        .unwrap_or_default();
                    return Err(format!("invalid check option {other:?}{hint}"));
                }
            }
        }
        Ok(options)
    }

    /// Whether the rule runs.
    pub fn runs(&self, rule: &str) -> bool {
        let named = |list: &[String]| {
            list.iter()
                .any(|name| name == "all" || name.eq_ignore_ascii_case(rule))
        };
        !named(&self.skip) && (!EXPERIMENTAL.contains(&rule) || named(&self.experimental))
    }
}

impl Dockerfile {
    /// Findings that can be made without knowing arguments or base images, in the order of the file.
    pub fn check(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        stage_names(self, &mut found);
        casing(self, &mut found);
        for stage in &self.stages {
            repeated(&stage.instructions, &mut found);
            commands(&stage.instructions, &mut found);
        }
        for instruction in self.instructions() {
            instruction_rules(instruction, &mut found);
        }
        descriptions(self, &mut found);
        found.sort_by_key(|diagnostic| diagnostic.span);
        found
    }

    /// Leaves out the findings that `options`, or a `# check=skip=…` above the instruction, switch off.
    pub fn filter_findings(&self, options: &CheckOptions, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let local: Vec<(Span, CheckOptions)> = self
            .heads()
            .filter_map(|(span, comments)| {
                let last = comments
                    .iter()
                    .rev()
                    .find_map(|line| line.strip_prefix("check="))?;
                Some((span, CheckOptions::parse(last).ok()?))
            })
            .collect();
        let runs = |diagnostic: &Diagnostic| {
            let Some(rule) = &diagnostic.code else { return true };
            let inside = |span: &Span| {
                diagnostic
                    .span
                    .is_some_and(|place| span.start <= place.start && place.start <= span.end)
            };
            options.runs(rule)
                && local
                    .iter()
                    .filter(|(span, _)| inside(span))
                    .all(|(_, skip)| skip.runs(rule))
        };
        found.into_iter().filter(runs).collect()
    }

    /// Place and comments of every instruction, FROM included.
    fn heads(&self) -> impl Iterator<Item = (Span, &Vec<String>)> {
        let from = self
            .stages
            .iter()
            .map(|stage| (stage.from.span, &stage.from.comments));
        from.chain(
            self.instructions()
                .map(|instruction| (instruction.span, &instruction.comments)),
        )
    }
}

fn stage_names(tree: &Dockerfile, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
    for stage in &tree.stages {
        let from = &stage.from;
        let (Some(name), Some(written)) = (&from.name, &from.written_name) else {
            continue;
        };
        if name != written {
            let message = format!("Stage name '{written}' should be lowercase");
            found.push(Diagnostic::warning("StageNameCasing", message, from.span));
        }
        let keyword = first_word(&from.text);
        if let Some(written) = &from.written_as
            && is_upper(written) != is_upper(keyword)
        {
            let message = format!("'{written}' and '{keyword}' keywords' casing do not match");
            found.push(Diagnostic::warning("FromAsCasing", message, from.span));
        }
        if matches!(name.as_str(), "context" | "scratch") {
            let message = format!("Stage name should not use the same name as reserved stage {name:?}");
            found.push(Diagnostic::warning("ReservedStageName", message, from.span));
        }
        if seen.insert(name, ()).is_some() {
            let message = format!("Duplicate stage name {written:?}, stage names should be unique");
            found.push(Diagnostic::warning("DuplicateStageName", message, from.span));
        }
    }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

fn is_upper(word: &str) -> bool {
    word == word.to_uppercase()
}

/// Keywords are all in upper or all in lower case, whichever there are more of.
fn casing(tree: &Dockerfile, found: &mut Vec<Diagnostic>) {
    let from = tree
        .stages
        .iter()
        .map(|stage| (first_word(&stage.from.text), stage.from.keyword));
    let others = tree
        .instructions()
        .map(|one| (first_word(&one.text), one.keyword));
    let words: Vec<(&str, Span)> = from.chain(others).collect();
    let upper = words.iter().filter(|(word, _)| is_upper(word)).count();
    let lower = words
        .iter()
        .filter(|(word, _)| *word == word.to_lowercase())
        .count();
    let (majority, wanted): (_, fn(&str) -> String) = if lower > upper {
        ("lowercase", str::to_lowercase)
    } else {
        ("uppercase", str::to_uppercase)
    };
    for (word, span) in words.into_iter().filter(|(word, _)| *word != wanted(word)) {
        let message = format!("Command '{word}' should match the case of the command majority ({majority})");
        found.push(Diagnostic::warning("ConsistentInstructionCasing", message, span));
    }
    for stage in tree.stages.iter().filter(|stage| stage.from.empty_continuation) {
        found.push(empty_continuation(&stage.from.text, stage.from.span));
    }
}

fn empty_continuation(text: &str, span: Span) -> Diagnostic {
    let message = format!("Empty continuation line found in: {text}");
    Diagnostic::warning("NoEmptyContinuation", message, span)
}

/// Instructions of which only the last one in a stage counts.
fn repeated(instructions: &[Instruction], found: &mut Vec<Diagnostic>) {
    for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
        let mut all: Vec<&Instruction> = instructions
            .iter()
            .filter(|one| one.kind.keyword() == keyword)
            .collect();
        all.pop();
        for instruction in all {
            let message = format!(
                "Multiple {keyword} instructions should not be used in the same stage because only the last one \
                 will be used"
            );
            found.push(Diagnostic::warning(
                "MultipleInstructionsDisallowed",
                message,
                instruction.span,
            ));
        }
    }
}

/// CMD and ENTRYPOINT in shell form, where no SHELL says that it is meant so.
fn commands(instructions: &[Instruction], found: &mut Vec<Diagnostic>) {
    for instruction in instructions {
        match &instruction.kind {
            Kind::Shell(_) => return,
            Kind::Cmd(Command::Shell(_)) | Kind::Entrypoint(Command::Shell(_)) => {
                let message = format!(
                    "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
                    instruction.kind.keyword()
                );
                found.push(Diagnostic::warning(
                    "JSONArgsRecommended",
                    message,
                    instruction.span,
                ));
            }
            _ => {}
        }
    }
}

fn instruction_rules(instruction: &Instruction, found: &mut Vec<Diagnostic>) {
    let span = instruction.span;
    let mut warn = |rule: &str, message: String| found.push(Diagnostic::warning(rule, message, span));
    match &instruction.kind {
        Kind::Maintainer(_) => {
            warn(
                "MaintainerDeprecated",
                "Maintainer instruction is deprecated in favor of using label".into(),
            );
        }
        Kind::Env(pairs) | Kind::Label(pairs) if pairs.iter().any(|pair| pair.legacy) => {
            let keyword = instruction.kind.keyword();
            let message = format!(
                "\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format"
            );
            warn("LegacyKeyValueFormat", message);
        }
        Kind::Expose(words) => {
            for word in words {
                let (port, protocol) = word.split_once('/').unwrap_or((word, ""));
                if protocol.contains(|c: char| c.is_ascii_uppercase()) {
                    let message =
                        format!("Defined protocol '{word}' in EXPOSE instruction should be lowercase");
                    warn("ExposeProtoCasing", message);
                }
                if port.contains(':') && !port.contains('$') {
                    let message = format!(
                        "EXPOSE instruction should not define an IP address or host-port mapping, found '{word}'"
                    );
                    warn("ExposeInvalidFormat", message);
                }
            }
        }
        _ => {}
    }
    for name in sensitive_names(&instruction.kind) {
        let keyword = instruction.kind.keyword();
        let message = format!("Do not use ARG or ENV instructions for sensitive data ({keyword} {name:?})");
        let finding = Diagnostic::warning("SecretsUsedInArgOrEnv", message, span);
        found.push(finding.with_help("mount it where it is used: RUN --mount=type=secret,id=…"));
    }
    if instruction.empty_continuation {
        found.push(empty_continuation(&instruction.text, span));
    }
}

/// Names of ARG and ENV that sound as if they hold a secret.
fn sensitive_names(kind: &Kind) -> Vec<&str> {
    let names: Vec<&str> = match kind {
        Kind::Arg(arguments) => arguments.iter().map(|argument| argument.name.as_str()).collect(),
        Kind::Env(pairs) => pairs.iter().map(|pair| pair.key.as_str()).collect(),
        _ => Vec::new(),
    };
    names.into_iter().filter(|name| is_sensitive(name)).collect()
}

/// Whether a variable of this name sounds as if it held a secret.
pub fn is_sensitive(name: &str) -> bool {
    let lower = name.to_lowercase();
    let mut words = lower.split('_');
    !words.clone().any(|word| word == "public")
        && words.any(|word| {
            matches!(
                word,
                "apikey"
                    | "auth"
                    | "credential"
                    | "credentials"
                    | "key"
                    | "password"
                    | "pword"
                    | "passwd"
                    | "secret"
                    | "token"
            )
        })
}

/// The comment above a named stage or an ARG starts with the name.
fn descriptions(tree: &Dockerfile, found: &mut Vec<Diagnostic>) {
    let mut check = |name: &str, comments: &[String], span: Span| {
        let Some(last) = comments.last().filter(|line| !line.starts_with("check=")) else {
            return;
        };
        if first_word(last) != name {
            let message = format!("Comment for {name} should follow the format: `# {name} <description>`");
            found.push(Diagnostic::warning("InvalidDefinitionDescription", message, span));
        }
    };
    for stage in &tree.stages {
        if let Some(name) = &stage.from.name {
            check(name, &stage.from.comments, stage.from.span);
        }
    }
    for instruction in tree.instructions() {
        if let Kind::Arg(arguments) = &instruction.kind
            && let [argument] = arguments.as_slice()
        {
            check(&argument.name, &instruction.comments, instruction.span);
        }
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
