//! From a logical line to a typed instruction.

use praxis_source::{Diagnostic, Span};

use crate::flag::Flags;
use crate::line::LogicalLine;
use crate::suggest::nearest;
use crate::words::{self, Json};
use crate::{
    Argument, Command, Device, From, Healthcheck, Heredoc, Instruction, Kind, MountText, Network, Pair, Run,
    Transfer, health,
};

const INSTRUCTIONS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A line that was understood.
pub(crate) enum Parsed {
    From(From),
    Instruction(Instruction),
}

/// The parts of an instruction's line.
struct Line<'l> {
    keyword: String,
    flags: Vec<String>,
    rest: &'l str,
    escape: char,
    heredocs: Vec<Heredoc>,
    text: &'l str,
}

/// Reads one logical line.
pub(crate) fn parse(line: LogicalLine, escape: char) -> Result<Parsed, Diagnostic> {
    let (keyword, rest) = words::first(&line.text);
    let keyword_span = Span::new(line.span.start, line.span.start + keyword.len());
    let (flags, rest) = words::flags(rest);
    let parts = Line {
        keyword: keyword.to_uppercase(),
        flags,
        rest: rest.trim(),
        escape,
        heredocs: line.heredocs.clone(),
        text: &line.text,
    };
    if !INSTRUCTIONS.contains(&parts.keyword.as_str()) {
        return Err(unknown(keyword, keyword_span));
    }
    let located = |message: String| Diagnostic::error(message, line.span);
    if parts.keyword == "FROM" {
        let from = from(&parts, &line, keyword_span).map_err(located)?;
        return Ok(Parsed::From(from));
    }
    let kind = kind(&parts).map_err(located)?;
    Ok(Parsed::Instruction(Instruction {
        span: line.span,
        keyword: keyword_span,
        text: line.text,
        comments: line.comments,
        empty_continuation: line.empty_continuation,
        kind,
    }))
}

fn unknown(keyword: &str, span: Span) -> Diagnostic {
    match nearest(keyword, &INSTRUCTIONS) {
        Some(name) => {
            let message = format!("unknown instruction: {keyword} (did you mean {name}?)");
            Diagnostic::error(message, span)
        }
        None => Diagnostic::error(format!("unknown instruction: {keyword}"), span)
            .with_help(format!("the instructions are {}", INSTRUCTIONS.join(", "))),
    }
}

fn kind(line: &Line) -> Result<Kind, String> {
    match line.keyword.as_str() {
        "ADD" | "COPY" => return transfer(line),
        "RUN" => return run(line),
        "HEALTHCHECK" => return healthcheck(line),
        _ => {}
    }
    line.no_flags()?;
    Ok(match line.keyword.as_str() {
        "ARG" => Kind::Arg(arguments(line)?),
        "CMD" => Kind::Cmd(line.command()?),
        "ENTRYPOINT" => Kind::Entrypoint(line.command()?),
        "ENV" => Kind::Env(pairs(line)?),
        "LABEL" => Kind::Label(pairs(line)?),
        "EXPOSE" => Kind::Expose(expose(line)?),
        "MAINTAINER" => Kind::Maintainer(line.one()?),
        "ONBUILD" => Kind::Onbuild(onbuild(line)?),
        "SHELL" => Kind::Shell(shell(line)?),
        "STOPSIGNAL" => Kind::Stopsignal(line.one()?),
        "USER" => Kind::User(line.one()?),
        "VOLUME" => Kind::Volume(volume(line)?),
        _ => Kind::Workdir(line.one()?),
    })
}

impl Line<'_> {
    fn no_flags(&self) -> Result<(), String> {
        Flags::read(&self.flags, &[], &[]).map(|_| ())
    }

    fn one(&self) -> Result<String, String> {
        match self.rest {
            "" => Err(format!("{} requires exactly one argument", self.keyword)),
            rest => Ok(rest.to_string()),
        }
    }

    fn json(&self) -> Result<Option<Vec<String>>, String> {
        match words::json(self.rest) {
            Json::Strings(strings) => Ok(Some(strings)),
            Json::Other => {
                Err("when using JSON array syntax, arrays must be comprised of strings only".into())
            }
            Json::Not => Ok(None),
        }
    }

    fn command(&self) -> Result<Command, String> {
        Ok(match self.json()? {
            Some(arguments) => Command::Exec(arguments),
            None => Command::Shell(self.rest.to_string()),
        })
    }

    fn list(&self) -> Result<Vec<String>, String> {
        Ok(self.json()?.unwrap_or_else(|| words::plain(self.rest)))
    }
}

fn from(line: &Line, logical: &LogicalLine, keyword: Span) -> Result<From, String> {
    let flags = Flags::read(&line.flags, &["platform"], &[])?;
    let platform = flags.text("platform")?;
    let words = words::plain(line.rest);
    let (base, written_as, written_name) = match words.as_slice() {
        [base] => (base, None, None),
        [base, alias, name] if alias.eq_ignore_ascii_case("AS") => {
            (base, Some(alias.clone()), Some(name.clone()))
        }
        _ => return Err("FROM requires either one or three arguments: FROM base [AS name]".into()),
    };
    let name = written_name.as_deref().map(str::to_lowercase);
    if let (Some(name), Some(written)) = (&name, &written_name)
        && !is_stage_name(name)
    {
        return Err(format!(
            "invalid name for build stage: {written:?}, name can't start with a number or contain symbols"
        ));
    }
    Ok(From {
        span: logical.span,
        keyword,
        text: logical.text.clone(),
        base: base.clone(),
        name,
        written_name,
        written_as,
        platform,
        comments: logical.comments.clone(),
        empty_continuation: logical.empty_continuation,
    })
}

fn is_stage_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

fn arguments(line: &Line) -> Result<Vec<Argument>, String> {
    let words = words::quoted(line.rest, line.escape);
    if words.is_empty() {
        return Err("ARG requires at least one argument".into());
    }
    let argument = |word: &String| {
        let (name, default) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (word.as_str(), None),
        };
        match name {
            "" => Err("ARG names can not be blank".to_string()),
            name => Ok(Argument {
                name: name.into(),
                default,
            }),
        }
    };
    words.iter().map(argument).collect()
}

fn pairs(line: &Line) -> Result<Vec<Pair>, String> {
    let keyword = &line.keyword;
    let words = words::quoted(line.rest, line.escape);
    let Some(first) = words.first() else {
        return Err(format!("{keyword} requires at least one argument"));
    };
    if !first.contains('=') {
        let (key, value) = words::first(line.rest);
        if value.is_empty() {
            return Err(format!("{keyword} must have two arguments: {keyword} name=value"));
        }
        return Ok(vec![Pair {
            key: key.into(),
            value: value.into(),
            legacy: true,
        }]);
    }
    let pair = |word: &String| match word.split_once('=') {
        Some(("", _)) => Err(format!("{keyword} names can not be blank")),
        Some((key, value)) => Ok(Pair {
            key: key.into(),
            value: value.into(),
            legacy: false,
        }),
        None => Err(format!(
            "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
        )),
    };
    words.iter().map(pair).collect()
}

fn expose(line: &Line) -> Result<Vec<String>, String> {
    let mut ports = words::plain(line.rest);
    if ports.is_empty() {
        return Err("EXPOSE requires at least one argument".into());
    }
    ports.sort();
    Ok(ports)
}

fn volume(line: &Line) -> Result<Vec<String>, String> {
    let volumes: Vec<String> = line
        .list()?
        .iter()
        .map(|volume| volume.trim().to_string())
        .collect();
    if volumes.is_empty() {
        return Err("VOLUME requires at least one argument".into());
    }
    if volumes.iter().any(String::is_empty) {
        return Err("VOLUME specified can not be an empty string".into());
    }
    Ok(volumes)
}

fn shell(line: &Line) -> Result<Vec<String>, String> {
    match line.json()? {
        Some(words) if words.is_empty() => Err("SHELL requires at least one argument".into()),
        Some(words) => Ok(words),
        None => Err(r#"SHELL requires the arguments to be in JSON form: SHELL ["/bin/sh", "-c"]"#.into()),
    }
}

fn onbuild(line: &Line) -> Result<String, String> {
    let trigger = words::first(line.rest).0.to_uppercase();
    match trigger.as_str() {
        "" => return Err("ONBUILD requires at least one argument".into()),
        "ONBUILD" => return Err("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".into()),
        "FROM" | "MAINTAINER" => return Err(format!("{trigger} isn't allowed as an ONBUILD trigger")),
        _ => triggered(line, &trigger)?,
    }
    let mut text = words::first(line.text).1.to_string();
    for heredoc in &line.heredocs {
        text.push('\n');
        text.push_str(&heredoc.raw);
        text.push_str(&heredoc.name);
    }
    Ok(text)
}

/// What of a trigger is checked where it stands; the rest where it fires.
fn triggered(line: &Line, keyword: &str) -> Result<(), String> {
    let (flags, rest) = words::flags(words::first(line.rest).1);
    let inner = Line {
        keyword: keyword.into(),
        flags,
        rest: rest.trim(),
        escape: line.escape,
        heredocs: Vec::new(),
        text: line.rest,
    };
    match keyword {
        "ENV" | "LABEL" if !inner.rest.is_empty() => pairs(&inner).map(drop),
        "ADD" | "CMD" | "COPY" | "ENTRYPOINT" | "RUN" | "SHELL" | "VOLUME" => inner.json().map(drop),
        _ => Ok(()),
    }
}

fn run(line: &Line) -> Result<Kind, String> {
    let flags = Flags::read(&line.flags, &["network", "security"], &["mount", "device"])?;
    let network = match flags.text("network")?.as_deref() {
        None => None,
        Some("default") => Some(Network::Default),
        Some("none") => Some(Network::None),
        Some("host") => Some(Network::Host),
        Some(other) => {
            return Err(format!(
                "invalid network mode {other:?}: it is default, none or host"
            ));
        }
    };
    let insecure = match flags.text("security")?.as_deref() {
        None | Some("sandbox") => false,
        Some("insecure") => true,
        Some(other) => {
            return Err(format!(
                "security mode {other:?} is not valid: it is sandbox or insecure"
            ));
        }
    };
    let mounts: Vec<MountText> = flags.texts("mount")?.into_iter().map(MountText).collect();
    for mount in &mounts {
        mount.check().map_err(|error| error.to_string())?;
    }
    let devices = flags
        .texts("device")?
        .iter()
        .map(|text| device(text))
        .collect::<Result<_, _>>()?;
    let command = line.command()?;
    match &command {
        Command::Exec(arguments) if arguments.is_empty() => return Err("RUN requires a command".into()),
        Command::Shell(text) if text.is_empty() => return Err("RUN requires a command".into()),
        _ => {}
    }
    Ok(Kind::Run(Run {
        command,
        heredocs: line.heredocs.clone(),
        mounts,
        network,
        insecure,
        devices,
    }))
}

fn device(text: &str) -> Result<Device, String> {
    let (name, options) = text.split_once(',').unwrap_or((text, ""));
    let name = name.strip_prefix("name=").unwrap_or(name);
    let required = match options {
        "" | "required=false" => false,
        "required" | "required=true" => true,
        other => {
            return Err(format!(
                "unexpected option {other:?} of --device: there is required"
            ));
        }
    };
    match name {
        "" => Err("--device requires a name".into()),
        name => Ok(Device {
            name: name.into(),
            required,
        }),
    }
}

fn transfer(line: &Line) -> Result<Kind, String> {
    let add = line.keyword == "ADD";
    let known: &[&str] = if add {
        &["chown", "chmod", "link", "keep-git-dir", "checksum", "unpack"]
    } else {
        &["from", "chown", "chmod", "link", "parents"]
    };
    let flags = Flags::read(&line.flags, known, &["exclude"])?;
    let mut words = line.list()?;
    let keyword = &line.keyword;
    let destination = match words.len() {
        0 => {
            return Err(format!(
                "{keyword} requires at least two arguments, but none were provided. Source and destination could not be determined"
            ));
        }
        1 => {
            return Err(format!(
                "{keyword} requires at least two arguments, but only one was provided. Destination could not be determined"
            ));
        }
        _ => words.pop().unwrap_or_default(),
    };
    if Heredoc::opened_by(&destination).is_some() {
        return Err(format!("{keyword} cannot accept a heredoc as a destination"));
    }
    let (sources, heredocs) = inline(words, &line.heredocs);
    let transfer = Transfer {
        sources,
        heredocs,
        destination,
        from: flags.text("from")?.filter(|from| !from.is_empty()),
        chown: flags.text("chown")?,
        chmod: flags.text("chmod")?,
        link: flags.switch("link")?.unwrap_or(false),
        parents: flags.switch("parents")?.unwrap_or(false),
        excludes: flags.texts("exclude")?,
        checksum: flags.text("checksum")?,
        keep_git_directory: flags.switch("keep-git-dir")?.unwrap_or(false),
        unpack: flags.switch("unpack")?,
    };
    Ok(if add {
        Kind::Add(transfer)
    } else {
        Kind::Copy(transfer)
    })
}

/// Takes the words that open here-documents out of the sources.
fn inline(words: Vec<String>, heredocs: &[Heredoc]) -> (Vec<String>, Vec<Heredoc>) {
    let mut sources = Vec::new();
    let mut inline = Vec::new();
    for word in words {
        let opened = Heredoc::opened_by(&word).map(|doc| doc.name);
        match opened.and_then(|name| heredocs.iter().rfind(|doc| doc.name == name)) {
            Some(heredoc) => inline.push(heredoc.clone()),
            None => sources.push(word),
        }
    }
    (sources, inline)
}

fn healthcheck(line: &Line) -> Result<Kind, String> {
    let names = ["interval", "timeout", "start-period", "start-interval", "retries"];
    let (kind, rest) = words::first(line.rest);
    match kind.to_uppercase().as_str() {
        "" => Err("HEALTHCHECK requires at least one argument: NONE or CMD command".into()),
        "NONE" if !rest.is_empty() => Err("HEALTHCHECK NONE takes no arguments".into()),
        // Flags say nothing here, whatever they are.
        "NONE" => Ok(Kind::Healthcheck(Healthcheck {
            test: vec!["NONE".into()],
            ..Healthcheck::default()
        })),
        "CMD" => {
            let flags = Flags::read(&line.flags, &names, &[])?;
            health::check(&flags, rest).map(Kind::Healthcheck)
        }
        _ => Err(format!("unknown type {kind:?} in HEALTHCHECK (try CMD)")),
    }
}
