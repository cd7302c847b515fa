use std::sync::Arc;

use praxis_dockerfile::parse;
use praxis_oci::{Digest, ImageConfig};
use praxis_source::SourceFile;

use super::*;
use crate::{Base, Bases, ImageBase, plan};

struct Arm;

impl Bases for Arm {
    fn resolve(&self, name: &str, _: &Platform) -> Result<Base, String> {
        let config = ImageConfig {
            architecture: "arm64".into(),
            os: "linux".into(),
            ..Default::default()
        };
        let image = ImageBase {
            reference: name.into(),
            manifest: Digest::of(b""),
            config: Arc::new(config),
        };
        Ok(if name == "arm" {
            Base::Image(image)
        } else {
            Base::Scratch
        })
    }
}

fn result(text: &str) -> Result<Plan, Vec<Diagnostic>> {
    let file = SourceFile::new("f", text);
    let (tree, errors) = parse(&file);
    assert_eq!(errors, [], "{text}");
    plan(
        &file,
        &tree,
        &PlanRequest::new("linux/amd64".parse().unwrap()),
        &Arm,
    )
}

fn found(text: &str) -> Vec<String> {
    let plan = result(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
    plan.warnings
        .into_iter()
        .map(|w| format!("{}: {}", w.code.unwrap_or_default(), w.message))
        .collect()
}

#[test]
fn each_rule_has_something_to_find() {
    for (text, finding) in [
        (
            "FROM x$tga\n",
            "UndefinedArgInFrom: FROM argument 'tga' is not declared",
        ),
        (
            "ARG tag\nFROM x:${tag}1\nFROM y$tagg\n",
            "UndefinedArgInFrom: FROM argument 'tagg' is not declared (did you mean tag?)",
        ),
        (
            "FROM scratch\nENV a=1\nLABEL x=$b\n",
            "UndefinedVar: Usage of undefined variable '$b' (did you mean a?)",
        ),
        (
            "FROM scratch\nWORKDIR a\nWORKDIR b\n",
            "WorkdirRelativePath: Relative workdir \"a\" can have unexpected results if the base image changes",
        ),
        (
            "FROM arm\n",
            "InvalidBaseImagePlatform: Base image arm was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for current build",
        ),
        (
            "FROM --platform=$TARGETPLATFORM x\n",
            "RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
        ),
        (
            "FROM --platform=linux/amd64 x\n",
            "FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value \"linux/amd64\"",
        ),
        (
            "FROM x AS A\n",
            "StageNameCasing: Stage name 'A' should be lowercase",
        ),
    ] {
        assert_eq!(found(text), [finding], "{text}");
    }
    let text = "ARG tag\nFROM x:$tag\n";
    let file = SourceFile::new("f", text);
    let mut request = PlanRequest::new("linux/amd64".parse().unwrap());
    request.build_args.insert("tag".into(), "1".into());
    let warnings = plan(&file, &parse(&file).0, &request, &Arm).unwrap().warnings;
    assert_eq!(warnings[0].code.as_deref(), Some("InvalidDefaultArgInFrom"));
}

#[test]
fn good_files_pass() {
    let text = "ARG v=1\nFROM --platform=$BUILDPLATFORM x:$v AS a\nARG undeclared\nENV p=$PATH:${d:-x} u=$undeclared\n\
                WORKDIR /a\nWORKDIR b\nFROM --platform=linux/arm64 y AS build-arm64\nFROM a\nWORKDIR c\n";
    assert_eq!(found(text), [""; 0]);
}

#[test]
fn findings_can_be_errors() {
    let errors = result("# check=error=true\nFROM x AS Upper\n").unwrap_err();
    assert_eq!(
        errors[0].message,
        "lint violation found for rules: StageNameCasing"
    );
    assert!(errors[0].is_error() && !errors[1].is_error());
    assert_eq!(
        found("# check=skip=StageNameCasing;error=true\nFROM x AS Upper\n"),
        [""; 0]
    );
    assert!(result("# check=skpi=x\nFROM x\n").is_err());
}

#[test]
fn ignored_files_are_noticed() {
    let plan = result("FROM scratch\nCOPY ./gone kept /\nADD sub/gone/x /\n").unwrap();
    let ignore = IgnoreFile::parse("gone\nsub/gone\n").unwrap();
    let messages: Vec<String> = plan
        .check_ignored(&ignore)
        .into_iter()
        .map(|w| w.message)
        .collect();
    assert_eq!(
        messages,
        [
            "Attempting to Copy file \"./gone\" that is excluded by .dockerignore",
            "Attempting to Copy file \"sub/gone/x\" that is excluded by .dockerignore"
        ]
    );
}

#[test]
fn a_finding_points_at_the_variable() {
    let text = "FROM scratch\nENV a=b c=\"x${none}y\"\n";
    let finding = result(text).unwrap().warnings.remove(0);
    assert_eq!(SourceFile::new("f", text).slice(finding.span.unwrap()), "${none}");
}
