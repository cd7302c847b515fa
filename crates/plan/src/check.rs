//! Checks that need arguments, platforms or base images; and what becomes of all findings.

use std::collections::BTreeSet;

use praxis_dockerfile::{CheckOptions, IgnoreFile, Kind, Stage, clean, nearest};
use praxis_oci::{Platform, Reference};
use praxis_source::{Diagnostic, Span, masked};

use crate::expand::Context;
use crate::variables::{self, Variables};
use crate::{Operation, Origin, Plan, PlanRequest, Source};

/// Findings about FROM lines.
pub(crate) fn heads(context: Context, globals: &Variables, request: &PlanRequest) -> Vec<Diagnostic> {
    let defaults = defaults(context, request);
    let declared = declared(context);
    let mut found = Vec::new();
    for stage in &context.tree.stages {
        undefined_arguments(context, stage, globals, &declared, &mut found);
        if let Some(platform) = &stage.from.platform {
            platform_flag(context, stage, platform, &mut found);
        }
        let from = &stage.from;
        if from.base.contains('$')
            && let Ok(expansion) = context.expand(&from.base, &defaults, from.span)
            && expansion.text.parse::<Reference>().is_err()
        {
            let message = format!(
                "Default value for ARG {} results in empty or invalid base image name",
                from.base
            );
            found.push(Diagnostic::warning("InvalidDefaultArgInFrom", message, from.span));
        }
    }
    found
}

/// The variables FROM would see if nobody gave a build argument.
fn defaults(context: Context, request: &PlanRequest) -> Variables {
    let mut globals = variables::automatic(&PlanRequest {
        build_args: Default::default(),
        ..request.clone()
    });
    for instruction in &context.tree.arguments {
        let Kind::Arg(arguments) = &instruction.kind else {
            continue;
        };
        for argument in arguments {
            let Some(default) = &argument.default else {
                continue;
            };
            if let Ok(expansion) = context.expand(default, &globals, instruction.span) {
                globals.set(&argument.name, &expansion.text);
            }
        }
    }
    globals
}

fn declared(context: Context<'_>) -> BTreeSet<&str> {
    let instructions = context.tree.arguments.iter();
    let names = instructions.filter_map(|instruction| match &instruction.kind {
        Kind::Arg(arguments) => Some(arguments.iter().map(|argument| argument.name.as_str())),
        _ => None,
    });
    names.flatten().collect()
}

fn undefined_arguments(
    context: Context,
    stage: &Stage,
    globals: &Variables,
    declared: &BTreeSet<&str>,
    found: &mut Vec<Diagnostic>,
) {
    let from = &stage.from;
    for word in [Some(&from.base), from.platform.as_ref()].into_iter().flatten() {
        let Ok(expansion) = context.expand(word, globals, from.span) else {
            continue;
        };
        for name in expansion
            .undefined
            .iter()
            .filter(|name| !declared.contains(name.as_str()))
        {
            let known: Vec<&str> = globals.names().chain(declared.iter().copied()).collect();
            let message = format!("FROM argument '{name}' is not declared{}", hint(name, &known));
            let place = context.place(word, from.span);
            found.push(Diagnostic::warning("UndefinedArgInFrom", message, place));
        }
    }
}

fn platform_flag(context: Context, stage: &Stage, platform: &str, found: &mut Vec<Diagnostic>) {
    let span = context.place(platform, stage.from.span);
    if matches!(platform, "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
        let message = format!(
            "Setting platform to predefined {platform} in FROM is redundant as this is the default behavior"
        );
        found.push(Diagnostic::warning("RedundantTargetPlatform", message, span));
    }
    let named_for_it = |name: &String| {
        platform
            .parse::<Platform>()
            .is_ok_and(|p| name.contains(&p.os) || name.contains(&p.architecture))
    };
    if !platform.contains('$') && !stage.from.name.as_ref().is_some_and(named_for_it) {
        let message = format!("FROM --platform flag should not use constant value {platform:?}");
        found.push(Diagnostic::warning(
            "FromPlatformFlagConstDisallowed",
            message,
            span,
        ));
    }
}

/// A variable that has no value where it is used.
pub(crate) fn undefined_variable(name: &str, variables: &Variables, span: Span) -> Diagnostic {
    let known: Vec<&str> = variables.names().collect();
    let message = format!("Usage of undefined variable '${name}'{}", hint(name, &known));
    Diagnostic::warning("UndefinedVar", message, span)
}

fn hint(name: &str, known: &[&str]) -> String {
    nearest(name, known)
        .map(|other| format!(" (did you mean {other}?)"))
        .unwrap_or_default()
}

/// How values begin that are keys to something: of code hosts, clouds, registries, and private keys themselves.
const TOKENS: [&str; 17] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gldt-",
    "AKIA",
    "ASIA",
    "xoxb-",
    "xoxp-",
    "npm_",
    "pypi-",
    "dckr_pat_",
    "sk_live_",
    "eyJhbGciOi",
];

/// Whether a value looks like a token of a kind that many know, or a private key.
pub fn looks_like_token(value: &str) -> bool {
    let known = TOKENS
        .iter()
        .any(|start| value.starts_with(start) && value.len() >= start.len() + 12);
    known || (value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----"))
}

/// Whether a build argument's value is a secret by its looks: a token, a key, or an address with a password.
pub(crate) fn looks_secret(value: &str) -> bool {
    looks_like_token(value) || masked(value) != value
}

/// A build argument whose value is a secret; the value is not shown.
pub(crate) fn token_argument(name: &str, span: Span) -> Diagnostic {
    let message = format!(
        "The value given for ARG {name:?} looks like a secret: it is seen by the steps after it and kept in the history \
         of the image"
    );
    Diagnostic::warning("SecretsUsedInArgOrEnv", message, span)
        .with_help("mount it where it is used: RUN --mount=type=secret,id=…")
}

/// A WORKDIR that is relative although nothing in the file says to what.
pub(crate) fn relative_workdir(path: &str, span: Span) -> Diagnostic {
    let message = format!("Relative workdir {path:?} can have unexpected results if the base image changes");
    Diagnostic::warning("WorkdirRelativePath", message, span)
}

/// A base image of another platform than was asked for.
pub(crate) fn base_platform(name: &str, found: &Platform, wanted: &Platform, span: Span) -> Diagnostic {
    let message = format!(
        "Base image {name} was pulled with platform \"{found}\", expected \"{wanted}\" for current build"
    );
    Diagnostic::warning("InvalidBaseImagePlatform", message, span)
}

/// Puts all findings in order, leaves out what is skipped, and makes an error of the rest if the file says so.
pub(crate) fn settle(
    context: Context,
    request: &PlanRequest,
    found: Vec<Diagnostic>,
) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let given = request.build_args.get("BUILDKIT_DOCKERFILE_CHECK");
    let text = given.or(context.tree.directives.check.as_ref());
    let options = CheckOptions::parse(text.map(String::as_str).unwrap_or_default())
        .map_err(|why| vec![Diagnostic::general(why)])?;
    let mut found = context
        .tree
        .filter_findings(&options, [context.tree.check(), found].concat());
    found.sort_by_key(|diagnostic| diagnostic.span);
    found.dedup();
    let rules: BTreeSet<&str> = found
        .iter()
        .filter_map(|finding| finding.code.as_deref())
        .collect();
    if !options.error || rules.is_empty() {
        return Ok(found);
    }
    let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
    let error = Diagnostic::general(format!("lint violation found for rules: {rules}"))
        .with_help("the file asks for this with check=error=true; check=skip=… leaves rules out");
    Err([vec![error], found].concat())
}

impl Plan {
    /// Findings about `COPY` and `ADD` of files that the ignore file keeps out of the context.
    pub fn check_ignored(&self, ignore: &IgnoreFile) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for step in self.stages.iter().flat_map(|stage| &stage.steps) {
            let Operation::Copy(copy) = &step.operation else {
                continue;
            };
            if copy.origin != Origin::Context {
                continue;
            }
            for source in &copy.sources {
                let Source::Path(written) = source else { continue };
                let path = clean(&format!("/{written}"));
                let path = path.trim_start_matches('/');
                if !path.is_empty() && ignore.is_ignored(path) {
                    let message =
                        format!("Attempting to Copy file {written:?} that is excluded by .dockerignore");
                    found.push(Diagnostic::warning("CopyIgnoredFile", message, step.span));
                }
            }
        }
        found
    }
}

/// Where in a word the plain use of a variable stands.
pub(crate) fn place_of_variable(context: Context, name: &str, word: &str, span: Span) -> Span {
    let place = context.place(word, span);
    let text = context.file.slice(place);
    for written in [format!("${{{name}}}"), format!("${name}")] {
        if let Some(at) = text.find(&written) {
            return Span::new(place.start + at, place.start + at + written.len());
        }
    }
    place
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
