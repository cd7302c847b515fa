//! `COPY` and `ADD`.

use praxis_dockerfile::{Expander, Heredoc, Instruction, Transfer, resolve};
use praxis_oci::Digest;
use praxis_source::{Diagnostic, masked};

use crate::mode::mode;
use crate::stage::{Outcome, StageBuilder};
use crate::text::quote;
use crate::{Add, Copy, Operation, Origin, Source};

pub(crate) fn transfer(
    stage: &mut StageBuilder,
    syntax: &Transfer,
    add: bool,
    instruction: &Instruction,
) -> Result<Outcome, Diagnostic> {
    let failed = |message: String| Diagnostic::error(message, instruction.span);
    let mut sources = Vec::new();
    let mut history = String::new();
    for word in &syntax.sources {
        let path = stage.expand(word, instruction)?;
        let source = source(path.clone(), add).map_err(failed)?;
        // What is in an address to get in is no part of what the image is made of.
        match &source {
            Source::Url(_) | Source::Git(_) => history.push_str(&format!(" {}", masked(&path))),
            _ => history.push_str(&format!(" {path}")),
        }
        sources.push(source);
    }
    for heredoc in &syntax.heredocs {
        history.push_str(&format!(" <<{}", heredoc.name));
        sources.push(inline(stage, heredoc, instruction)?);
    }
    let destination = stage.expand(&syntax.destination, instruction)?;
    let owner = option(stage, syntax.chown.as_ref(), instruction)?;
    let mode_text = option(stage, syntax.chmod.as_ref(), instruction)?;
    let checksum = option(stage, syntax.checksum.as_ref(), instruction)?;
    check_checksum(checksum.as_deref(), &sources).map_err(failed)?;
    let flags = flags(syntax.parents, owner.as_deref(), mode_text.as_deref());
    let keyword = if add { "ADD" } else { "COPY" };
    let history = format!("{keyword}{flags}{history} {destination}");
    let copy = Copy {
        origin: origin(stage, syntax).map_err(failed)?,
        sources,
        destination_is_directory: destination.is_empty() || destination == "." || destination.ends_with('/'),
        destination: resolve(stage.directory(), &destination),
        owner,
        mode: mode_text.as_deref().map(mode).transpose().map_err(|message| {
            let place = stage.context.place("--chmod", instruction.span);
            Diagnostic::error(message, place)
        })?,
        link: syntax.link,
        parents: syntax.parents,
        excludes: syntax.excludes.clone(),
        add: add.then_some(Add {
            unpack: syntax.unpack,
            checksum,
            keep_git_directory: syntax.keep_git_directory,
        }),
    };
    Ok(Outcome::layer(Operation::Copy(Box::new(copy)), history))
}

fn origin(stage: &StageBuilder, syntax: &Transfer) -> Result<Origin, String> {
    match &syntax.from {
        None => Ok(Origin::Context),
        Some(name) => stage
            .names
            .origin(name)
            .ok_or_else(|| format!("--from={name} is neither a stage nor an image")),
    }
}

/// An option's value, expanded; an empty one is as good as none.
fn option(
    stage: &mut StageBuilder,
    text: Option<&String>,
    instruction: &Instruction,
) -> Result<Option<String>, Diagnostic> {
    let Some(text) = text else { return Ok(None) };
    Ok(Some(stage.expand(text, instruction)?).filter(|value| !value.is_empty()))
}

fn flags(parents: bool, owner: Option<&str>, mode: Option<&str>) -> String {
    let mut text = String::new();
    if parents {
        text.push_str(" --parents");
    }
    for (name, value) in [("chown", owner), ("chmod", mode)] {
        if let Some(value) = value {
            text.push_str(&format!(" --{name}={value}"));
        }
    }
    text
}

fn inline(stage: &StageBuilder, heredoc: &Heredoc, instruction: &Instruction) -> Result<Source, Diagnostic> {
    let content = heredoc.content();
    let name = heredoc.name.clone();
    if !heredoc.expand {
        return Ok(Source::Inline { name, content });
    }
    let expanded = Expander::heredoc().expand(&content, &stage.variables.lookup());
    let content = expanded.map_err(|error| {
        let message = format!("failed to process the here-document {}: {error}", quote(&name));
        Diagnostic::error(message, instruction.span)
    })?;
    Ok(Source::Inline {
        name,
        content: content.text,
    })
}

fn source(path: String, add: bool) -> Result<Source, String> {
    if is_git(&path) {
        return if add {
            Ok(Source::Git(path))
        } else {
            Err("source can't be a git ref for COPY: use ADD".into())
        };
    }
    if path.starts_with("http://") || path.starts_with("https://") {
        return if add {
            Ok(Source::Url(path))
        } else {
            Err("source can't be a URL for COPY: use ADD".into())
        };
    }
    Ok(Source::Path(path))
}

/// Whether a source names a git repository rather than a file or an address.
fn is_git(path: &str) -> bool {
    if path.starts_with("git://") || path.starts_with("ssh://") {
        return true;
    }
    if path.starts_with("http://") || path.starts_with("https://") {
        let repository = path.split(['#', '?']).next().unwrap_or(path);
        return repository.ends_with(".git");
    }
    let Some((user, rest)) = path.split_once('@') else {
        return false;
    };
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    rest.split_once(':')
        .is_some_and(|(host, path)| plain(user) && plain(host) && !path.is_empty())
}

fn check_checksum(checksum: Option<&str>, sources: &[Source]) -> Result<(), String> {
    let Some(checksum) = checksum else { return Ok(()) };
    match sources {
        [Source::Url(_)] => checksum
            .parse::<Digest>()
            .map(|_| ())
            .map_err(|error| error.to_string()),
        [Source::Git(_)] if checksum.len() >= 7 && checksum.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(()),
        [Source::Git(_)] => Err(format!(
            "invalid checksum {checksum:?}: a git source needs a commit's hash"
        )),
        [_] => Err("checksum requires HTTP(S) or Git sources".into()),
        _ => Err("checksum can't be specified for multiple sources".into()),
    }
}
