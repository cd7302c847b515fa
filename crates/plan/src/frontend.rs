//! `# syntax=`: which frontends the file may ask for. praxis has its own, and reads what the family of
//! docker/dockerfile reads, up to a version.

use praxis_oci::Reference;
use praxis_source::{Diagnostic, Span};

use crate::PlanRequest;
use crate::expand::Context;

/// The version of docker/dockerfile whose language is implemented.
const IMPLEMENTED: (u64, u64) = (1, 25);
const ARGUMENT: &str = "BUILDKIT_SYNTAX";

/// Checks the frontend that the file or the build argument asks for: an error for one that is unknown, a warning for
/// a version that is newer than what is implemented.
pub(crate) fn check(context: Context, request: &PlanRequest) -> Result<Option<Diagnostic>, Diagnostic> {
    let argument = request
        .build_args
        .get(ARGUMENT)
        .filter(|text| !text.trim().is_empty());
    let written = argument.or(context.tree.directives.syntax.as_ref());
    // What follows the name is for the frontend itself.
    let Some(name) = written.and_then(|text| text.split_whitespace().next()) else {
        return Ok(None);
    };
    let place = argument.is_none().then(|| place(context, name));
    let by = if argument.is_some() { ARGUMENT } else { "syntax" };
    let Some(reference) = family(name) else {
        let message = format!(
            "{by}={name}: no frontend image is ever run; praxis reads the language of docker/dockerfile, and knows no other"
        );
        let fix = "remove the line, or write docker/dockerfile:1 if the file is an ordinary Dockerfile (as for a copy of \
                   that image under another name); --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1 says so without a \
                   change of the file";
        let span = place.unwrap_or_default();
        let error = match place {
            Some(_) => Diagnostic::error(message, span),
            None => Diagnostic::general(message),
        };
        return Err(error.with_help(fix));
    };
    let tag = reference.tag().unwrap_or("latest");
    let newer = version(tag).is_some_and(|asked| asked > IMPLEMENTED);
    Ok(newer.then(|| {
        let (major, minor) = IMPLEMENTED;
        let message = format!(
            "{by}={name} asks for a newer language than praxis implements, which is docker/dockerfile:{major}.{minor}: \
             what came later is refused where it is used"
        );
        let mut warning = Diagnostic::warning("FrontendVersion", message, place.unwrap_or_default());
        warning.span = place;
        warning
    }))
}

/// The name as a reference, if it is one of the family of docker/dockerfile.
fn family(name: &str) -> Option<Reference> {
    let reference: Reference = name.parse().ok()?;
    let known = matches!(
        reference.path(),
        "docker/dockerfile" | "docker/dockerfile-upstream"
    );
    (known && reference.domain() == "docker.io").then_some(reference)
}

/// `1.7` of `1.7.0-labs`; a bare major is whatever it has, up to what is implemented. `None` for names.
fn version(tag: &str) -> Option<(u64, u64)> {
    let number = tag.split('-').next().unwrap_or(tag);
    let mut parts = number.split('.');
    let major: u64 = parts.next()?.parse().ok()?;
    let minor = match parts.next() {
        Some(minor) => minor.parse().ok()?,
        None => 0,
    };
    Some((major, minor))
}

/// Where the directive says `name`: before the first instruction.
fn place(context: Context, name: &str) -> Span {
    let first = context
        .tree
        .instructions()
        .map(|one| one.span.start)
        .chain(context.tree.stages.iter().map(|stage| stage.from.span.start))
        .min();
    let head = Span::new(0, first.unwrap_or_default());
    let directive = context.file.slice(head).to_ascii_lowercase().find("syntax");
    context.place(
        name,
        Span::new(directive.map_or(0, |at| at + "syntax".len()), head.end),
    )
}

#[cfg(test)]
mod tests {
    use praxis_dockerfile::parse;
    use praxis_source::SourceFile;

    use super::*;

    fn checked(text: &str, argument: Option<&str>) -> Result<Option<Diagnostic>, Diagnostic> {
        let file = SourceFile::new("Dockerfile", text);
        let (tree, errors) = parse(&file);
        assert_eq!(errors, []);
        let mut request = PlanRequest::new("linux/amd64".parse().unwrap());
        if let Some(argument) = argument {
            request.build_args.insert(ARGUMENT.into(), argument.into());
        }
        let context = Context {
            file: &file,
            tree: &tree,
        };
        check(context, &request)
    }

    fn named(name: &str) -> Result<Option<Diagnostic>, Diagnostic> {
        checked(&format!("# syntax={name}\nFROM scratch\n"), None)
    }

    #[test]
    fn the_family_is_understood() {
        let digest = format!("docker/dockerfile:1.4@sha256:{}", "0".repeat(64));
        for name in [
            "docker/dockerfile",
            "docker/dockerfile:1",
            "docker/dockerfile:1.7.0-labs",
            "docker/dockerfile:labs",
            "docker.io/docker/dockerfile:1.25",
            "index.docker.io/docker/dockerfile-upstream:master-labs",
            "docker/dockerfile:1 with words for it",
            &digest,
        ] {
            assert_eq!(named(name), Ok(None), "{name}");
        }
        assert_eq!(checked("FROM scratch\n", Some("")), Ok(None));
    }

    #[test]
    fn newer_versions_are_said_aloud() {
        for name in [
            "docker/dockerfile:1.999",
            "docker/dockerfile:2",
            "docker/dockerfile-upstream:3.0.1-rc1",
        ] {
            let warning = named(name).unwrap().unwrap();
            assert!(
                warning.message.contains("docker/dockerfile:1.25"),
                "{}",
                warning.message
            );
            assert_eq!(warning.span, Some(Span::new(9, 9 + name.len())));
        }
    }

    #[test]
    fn others_are_errors_that_say_where_and_what_to_do() {
        for name in [
            "foo/bar",
            "docker/dockerfile-other:1",
            "ghcr.io/docker/dockerfile:1",
            "UPPER",
            "a b",
        ] {
            let error = named(name).unwrap_err();
            assert_eq!(error.span.unwrap().start, 9, "{name}");
            assert!(error.help.unwrap().contains("docker/dockerfile:1"));
        }
        let error = checked("# syntax=docker/dockerfile:1\nFROM scratch\n", Some("foo/bar")).unwrap_err();
        assert_eq!(error.span, None);
        assert!(error.message.starts_with("BUILDKIT_SYNTAX=foo/bar"));
        assert_eq!(
            checked("# syntax=foo/bar\nFROM scratch\n", Some("docker/dockerfile:1")),
            Ok(None)
        );
    }
}
