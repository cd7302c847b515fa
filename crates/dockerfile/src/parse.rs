use praxis_source::{Diagnostic, SourceFile, Span};

use crate::instruction::{self, Parsed};
use crate::line::Lines;
use crate::{Dockerfile, Instruction, Kind, Stage, directive};

/// Reads a Dockerfile. Never panics, whatever the text. Every diagnostic is an error: with none, the tree is
/// complete and has at least one stage; with some, it holds what could be understood.
pub fn parse(file: &SourceFile) -> (Dockerfile, Vec<Diagnostic>) {
    let (directives, mut errors) = directive::directives(file);
    let escape = directives.escape;
    let mut tree = Dockerfile {
        directives,
        ..Dockerfile::default()
    };
    let mut lines = Lines::new(file, escape);
    let mut empty = true;
    while let Some(line) = lines.next() {
        empty = false;
        match line.and_then(|line| instruction::parse(line, escape)) {
            Ok(Parsed::From(from)) => tree.stages.push(Stage {
                from,
                instructions: Vec::new(),
            }),
            Ok(Parsed::Instruction(instruction)) => {
                if let Err(error) = place(&mut tree, instruction) {
                    errors.push(error);
                }
            }
            Err(error) => errors.push(narrowed(file, error)),
        }
    }
    tree.layout = lines.layout();
    if empty {
        errors.push(
            Diagnostic::error("file with no instructions", Span::default())
                .with_help("a Dockerfile starts with FROM, such as FROM scratch"),
        );
    } else if tree.stages.is_empty() && errors.is_empty() {
        errors.push(no_stage(Span::default()));
    }
    (tree, errors)
}

/// The error with its span cut down to the word it quotes, where that word can be found.
fn narrowed(file: &SourceFile, mut error: Diagnostic) -> Diagnostic {
    let Some(span) = error.span else { return error };
    let quoted = error.message.split(['"', '\'']).skip(1).step_by(2);
    let flags = error
        .message
        .split_whitespace()
        .filter(|word| word.starts_with("--"));
    let text = file.slice(span);
    let found = flags
        .map(|flag| flag.trim_end_matches([',', ';', ':']))
        .chain(quoted)
        .filter(|word| word.len() > 1)
        .find_map(|word| Some((text.find(word)?, word.len())));
    if let Some((at, length)) = found {
        error.span = Some(Span::new(span.start + at, span.start + at + length));
    }
    error
}

fn place(tree: &mut Dockerfile, instruction: Instruction) -> Result<(), Diagnostic> {
    match tree.stages.last_mut() {
        Some(stage) => stage.instructions.push(instruction),
        None if matches!(instruction.kind, Kind::Arg(_)) => tree.arguments.push(instruction),
        None => return Err(no_stage(instruction.span)),
    }
    Ok(())
}

fn no_stage(span: Span) -> Diagnostic {
    Diagnostic::error("no build stage in current context", span)
        .with_help("only ARG may stand before the first FROM")
}

/// Reads one instruction on its own, as `ONBUILD` stores it.
pub fn parse_trigger(text: &str) -> Result<Instruction, String> {
    let file = SourceFile::new("trigger", text);
    let mut lines = Lines::new(&file, '\\');
    let line = lines
        .next()
        .ok_or("the trigger is empty")?
        .map_err(|error| error.message)?;
    if lines.next().is_some() {
        return Err("the trigger has more than one instruction".into());
    }
    match instruction::parse(line, '\\').map_err(|error| error.message)? {
        Parsed::Instruction(instruction) => match instruction.kind {
            Kind::Onbuild(_) | Kind::Maintainer(_) => Err(format!(
                "{} isn't allowed as an ONBUILD trigger",
                instruction.kind.keyword()
            )),
            _ => Ok(instruction),
        },
        Parsed::From(_) => Err("FROM isn't allowed as an ONBUILD trigger".into()),
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
