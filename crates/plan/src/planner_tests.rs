use std::sync::Arc;

use praxis_dockerfile::parse;
use praxis_oci::{Digest, ImageConfig, Platform};

use super::*;
use crate::{Base, ImageBase, MountKind, NetworkMode, Operation, Origin, StageBase};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `plain` is an image with a CMD, `full` one with a working directory, a user and triggers, `dir` a directory.
pub(super) struct Shelf;

impl Bases for Shelf {
    fn resolve(&self, name: &str, _: &Platform) -> Result<Base, String> {
        let mut config = ImageConfig {
            architecture: "amd64".into(),
            os: "linux".into(),
            ..Default::default()
        };
        config.config.env = vec![PATH.into()];
        config.config.cmd = Some(vec!["sh".into()]);
        match name {
            "plain" => {}
            "full" => {
                config.config.env.push("FROM_BASE=1".into());
                config.config.working_dir = "/srv".into();
                config.config.user = "app".into();
                config.config.on_build = vec!["ENV FIRED=yes".into(), "RUN make".into()];
                config.history.push(Default::default());
            }
            "dir" => return Ok(Base::Directory("dir-id".into())),
            _ => return Err("no such image".into()),
        }
        Ok(Base::Image(ImageBase {
            reference: name.into(),
            manifest: Digest::of(b"m"),
            config: Arc::new(config),
        }))
    }

    fn stage_replacement(&self, name: &str, platform: &Platform) -> Option<Result<Base, String>> {
        (name == "replaced").then(|| self.resolve("full", platform))
    }
}

pub(super) fn request() -> PlanRequest {
    PlanRequest::new("linux/amd64".parse().unwrap())
}

fn planned(text: &str, request: &PlanRequest) -> Result<Plan, Vec<Diagnostic>> {
    let file = SourceFile::new("Dockerfile", text);
    let (tree, errors) = parse(&file);
    assert_eq!(errors, [], "{text}");
    plan(&file, &tree, request, &Shelf)
}

pub(super) fn good(text: &str) -> Plan {
    planned(text, &request()).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

pub(super) fn error(text: &str) -> String {
    let errors = planned(text, &request()).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors[0].message.clone()
}

/// The history of the target, `-` before what makes no layer.
pub(super) fn history(plan: &Plan) -> Vec<String> {
    let entries = &plan.stages[plan.target].config.history;
    entries
        .iter()
        .filter_map(|entry| Some((entry.empty_layer, entry.created_by.as_ref()?)))
        .map(|(empty, text)| format!("{}{text}", if empty { "-" } else { "" }))
        .collect()
}

pub(super) fn run(plan: &Plan) -> &crate::Run {
    let steps = plan.stages[plan.target].steps.iter().rev();
    steps
        .filter_map(|step| match &step.operation {
            Operation::Run(run) => Some(&**run),
            _ => None,
        })
        .next()
        .expect("the plan has a RUN")
}

pub(super) fn copy(plan: &Plan) -> &crate::Copy {
    match &plan.stages[plan.target]
        .steps
        .last()
        .expect("the plan has a step")
        .operation
    {
        Operation::Copy(copy) => copy,
        other => panic!("not a COPY: {other:?}"),
    }
}

pub(super) fn variable<'p>(plan: &'p Plan, name: &str) -> Option<&'p str> {
    run(plan)
        .environment
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

#[test]
fn every_instruction_leaves_its_trace() {
    let plan = good(
        "FROM plain\nENV a=1   b=\"2 3\"\nARG x=y\nLABEL l='v w'\nCOPY   f   /f\nCOPY --chmod=600 --chown=1:1 f /g\n\
         ADD [\"f\", \"/h\"]\nRUN echo a   b && \\\n  # no\n  echo c\nRUN [\"true\"]\nWORKDIR /w\nUSER app\nEXPOSE 80 \
         1-2/udp\nVOLUME /v \"/u\"\nSTOPSIGNAL 1\nSHELL [\"/bin/ash\", \"-c\"]\nCMD a \"b\"\nENTRYPOINT []\nMAINTAINER me\n\
         HEALTHCHECK --interval=90s CMD x y\nWORKDIR /\n",
    );
    assert_eq!(
        history(&plan),
        [
            "-ENV a=1 b=2 3",
            "-ARG x=y",
            "-LABEL l=v w",
            "COPY f /f # praxis",
            "COPY --chown=1:1 --chmod=600 f /g # praxis",
            "ADD f /h # praxis",
            "RUN |1 x=y /bin/sh -c echo a   b &&   echo c # praxis",
            "RUN |1 x=y true # praxis",
            "WORKDIR /w",
            "-USER app",
            "-EXPOSE [1/udp 2/udp 80/tcp]",
            "-VOLUME [/v /u]",
            "-STOPSIGNAL 1",
            "-SHELL [/bin/ash -c]",
            "-CMD [\"/bin/ash\" \"-c\" \"a \\\"b\\\"\"]",
            "-ENTRYPOINT []",
            "-MAINTAINER me",
            "-HEALTHCHECK {Test:[CMD-SHELL x y] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
            "-WORKDIR /",
        ]
    );
    let config = &plan.stages[plan.target].config;
    assert_eq!(config.author, "me");
    assert_eq!(config.config.env, [PATH, "a=1", "b=2 3"]);
    assert_eq!(
        config.config.exposed_ports.keys().collect::<Vec<_>>(),
        ["1/udp", "2/udp", "80/tcp"]
    );
    assert_eq!(config.config.working_dir, "/");
    for step in &plan.stages[plan.target].steps {
        let entry = &config.history[step.history];
        assert_eq!(
            entry.empty_layer,
            step.operation == Operation::Metadata,
            "{}",
            step.name
        );
    }
}

#[test]
fn an_empty_root_has_a_path_and_a_directory() {
    let plan = good("FROM scratch\nENV A=1\n");
    let config = &plan.stages[0].config;
    assert_eq!(
        (config.os.as_str(), config.architecture.as_str()),
        ("linux", "amd64")
    );
    assert_eq!(config.config.env, [PATH, "A=1"]);
    assert_eq!(config.config.working_dir, "/");
    assert_eq!(plan.stages[0].base, StageBase::Scratch);
}

#[test]
fn arguments_and_environment_take_turns() {
    let mut request = request();
    request.build_args.insert("a".into(), "cli".into());
    let text = "FROM plain\nARG a=${never:?}\nRUN 1\nENV a=env\nRUN 2\nARG a=default\nRUN 3\nARG b\nARG c= d=$a e=$d\nRUN 4\n";
    let plan = planned(text, &request).unwrap();
    assert_eq!(
        history(&plan),
        [
            "-ARG a=cli",
            "RUN |1 a=cli /bin/sh -c 1 # praxis",
            "-ENV a=env",
            "RUN |1 a=env /bin/sh -c 2 # praxis",
            "-ARG a=cli",
            "RUN |1 a=cli /bin/sh -c 3 # praxis",
            "-ARG b",
            "-ARG c= d=cli e=cli",
            "RUN |5 a=cli b= c= d=cli e=cli /bin/sh -c 4 # praxis",
        ]
    );
    assert_eq!(variable(&plan, "b"), None);
    assert_eq!(variable(&plan, "c"), Some(""));
}

#[test]
fn global_arguments_need_to_be_declared() {
    let text = "ARG base=plain\nARG v=global\nFROM ${base} AS a\nRUN 1\nFROM $base\nARG v\nARG w=$base\nLABEL v=$v w=[$w]\n";
    let plan = good(text);
    assert_eq!(
        history(&plan),
        ["-ARG v=global", "-ARG w=", "-LABEL v=global w=[]"]
    );
}

#[test]
fn one_instruction_sees_the_values_from_before_it() {
    let plan = good("FROM plain\nENV abc=hello\nENV abc=bye def=$abc\nLABEL $none=$def ${abc}=\"$abc\"\n");
    assert_eq!(
        history(&plan)[1..],
        ["-ENV abc=bye def=hello", "-LABEL =hello bye=bye"]
    );
}

#[test]
fn platforms_and_target_are_arguments() {
    let mut request = request();
    request.platform = "linux/arm/v6".parse().unwrap();
    request.target = Some("LAST".into());
    request.build_args.insert("TARGETOS".into(), "mine".into());
    let text = "FROM --platform=$BUILDPLATFORM scratch AS last\nARG TARGETPLATFORM TARGETOS BUILDARCH TARGETVARIANT \
                TARGETSTAGE\nARG TARGETARCH=given\nRUN [\"x\"]\n";
    let plan = planned(text, &request).unwrap();
    assert_eq!(
        history(&plan)[0],
        "-ARG TARGETPLATFORM=linux/arm/v6 TARGETOS=mine BUILDARCH=amd64 TARGETVARIANT=v6 TARGETSTAGE=LAST"
    );
    assert_eq!(variable(&plan, "TARGETARCH"), Some("given"));
    assert_eq!(plan.stages[0].config.platform(), request.platform);
}

#[test]
fn proxies_are_hidden_unless_declared() {
    let mut request = request();
    request.build_args.insert("HTTP_PROXY".into(), "h".into());
    request.build_args.insert("no_proxy".into(), "n".into());
    let plan = planned("FROM plain\nARG no_proxy\nRUN x\n", &request).unwrap();
    let hidden: Vec<String> = run(&plan)
        .hidden_environment
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(hidden, ["HTTP_PROXY=h", "http_proxy=h", "NO_PROXY=n"]);
    assert_eq!(variable(&plan, "no_proxy"), Some("n"));
    assert_eq!(history(&plan)[1], "RUN |1 no_proxy=n /bin/sh -c x # praxis");
}

/// security row 66: arguments of one stage are not seen in another, nor is anything nobody declared.
#[test]
fn row_66_environments_hold_what_was_declared_and_nothing_else() {
    let mut request = request();
    request.build_args.insert("secret".into(), "canary".into());
    let text = "FROM plain AS a\nARG secret\nRUN x\nFROM plain\nCOPY --from=a /f /f\nRUN y\n";
    let plan = planned(text, &request).unwrap();
    let names: Vec<&str> = run(&plan)
        .environment
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["PATH"]);
    assert!(!format!("{:?}", plan.stages[plan.target]).contains("canary"));
}

#[test]
fn the_epoch_reaches_each_run_unless_it_is_set() {
    let mut request = request();
    request.source_date_epoch_for_run = Some(7);
    let plan = planned("FROM plain\nRUN x\n", &request).unwrap();
    assert_eq!(variable(&plan, "SOURCE_DATE_EPOCH"), Some("7"));
    assert_eq!(history(&plan), ["RUN /bin/sh -c x # praxis"]);
    let plan = planned("FROM plain\nENV SOURCE_DATE_EPOCH=1\nRUN x\n", &request).unwrap();
    assert_eq!(variable(&plan, "SOURCE_DATE_EPOCH"), Some("1"));
}

#[test]
fn only_needed_stages_are_planned() {
    let text = "FROM missing AS unused\nRUN x\nFROM plain AS base\nRUN y\nFROM base AS left\nRUN z\nFROM scratch\nCOPY \
                --from=left /a /\nCOPY --from=1 /b /\nRUN --mount=type=bind,from=LEFT,target=/m true\n";
    let plan = good(text);
    let names: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["base", "left", "3"]);
    assert_eq!(
        (plan.stages[1].base.clone(), plan.stages[2].base.clone()),
        (StageBase::Stage(0), StageBase::Scratch)
    );
    let steps = &plan.stages[2].steps;
    assert!(matches!(&steps[0].operation, Operation::Copy(copy) if copy.origin == Origin::Stage(1)));
    assert!(matches!(&steps[1].operation, Operation::Copy(copy) if copy.origin == Origin::Stage(0)));
    assert!(matches!(&steps[2].operation, Operation::Run(run)
        if matches!(&run.mounts[0].kind, MountKind::Bind { origin: Origin::Stage(1), .. })));
    assert_eq!(steps[0].name, "[stage-3 2/4] COPY --from=left /a /");
    assert_eq!((plan.stages[2].base_line, steps[1].line), (7, 9));
}

#[test]
fn a_stage_inherits_everything_from_its_stage() {
    let text = "FROM plain AS a\nARG hidden=v\nENV e=1\nARG e=2\nUSER app\nWORKDIR /w\nSHELL [\"s\"]\nFROM a\nRUN x\n";
    let plan = good(text);
    let run = run(&plan);
    assert_eq!((run.user.as_str(), run.directory.as_str()), ("app", "/w"));
    assert_eq!(run.arguments, ["s", "x"]);
    assert_eq!(history(&plan).last().unwrap(), "RUN |2 hidden=v e=1 s x # praxis");
}

#[test]
fn the_nearest_earlier_stage_of_a_name_counts() {
    let plan = good(
        "FROM plain AS d\nRUN 1\nFROM plain AS D\nRUN 2\nFROM scratch\nCOPY --from=d /n /n\nFROM scratch AS d\n",
    );
    assert_eq!(plan.stages.len(), 1, "the last stage needs nothing");
    let mut request = request();
    request.target = Some("d".into());
    assert_eq!(
        planned(
            "FROM plain AS d\nFROM plain AS D\nRUN 2\nFROM scratch\n",
            &request
        )
        .unwrap()
        .stages[0]
            .index,
        1
    );
}

#[test]
fn a_number_is_a_stage_for_copy_and_a_name_for_a_mount() {
    let text =
        "FROM plain AS first\nRUN 1\nFROM plain\nCOPY --from=0 /a /b\nRUN --mount=from=0,target=/m true\n";
    let errors = planned(text, &request()).unwrap_err();
    assert!(
        errors[0].message.contains('0') && !errors[0].message.contains("stage"),
        "{errors:?}"
    );
    let named = good(&text.replace("from=0,", "from=first,"));
    assert_eq!(named.stages.len(), 2);
}

#[test]
fn stages_that_cannot_be() {
    for (text, message) in [
        (
            "FROM plain AS me\nCOPY --from=me /a /b\n",
            "circular dependency detected on stage: me",
        ),
        (
            "FROM plain AS first\nCOPY --from=1 /a /b\nFROM plain\nFROM first\n",
            "cannot copy from stage \"1\", it needs to be defined before current stage \"first\"",
        ),
        (
            "FROM plain AS first\nCOPY --from=next /a /b\nFROM plain AS next\nFROM first\n",
            "cannot copy from stage \"next\", it needs to be defined before current stage \"first\"",
        ),
        (
            "FROM plain\nCOPY --from=7 /a /b\n",
            "invalid stage index 7: the file has 1 stages, from 0",
        ),
        (
            "FROM plain\nCOPY --from=$s /a /b\n",
            "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround",
        ),
        ("FROM missing/image\n", "missing/image: no such image"),
        ("ARG b\nFROM $b\n", "base name ($b) should not be blank"),
        (
            "FROM --platform=$none plain\n",
            "empty platform value from expression $none",
        ),
        (
            "FROM --platform=x plain\n",
            "failed to parse platform x: invalid platform \"x\": expected OS/ARCH[/VARIANT], such as linux/amd64",
        ),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
    let mut request = request();
    request.target = Some("0".into());
    let errors = planned("FROM plain AS build\n", &request).unwrap_err();
    assert_eq!(errors[0].message, "target stage \"0\" could not be found");
    request.target = Some("biuld".into());
    let errors = planned("FROM plain AS build\n", &request).unwrap_err();
    assert_eq!(errors[0].help.as_deref(), Some("did you mean build?"));
}

#[test]
fn a_mistyped_stage_is_suggested() {
    let errors = planned(
        "FROM plain AS builder\nFROM scratch\nCOPY --from=bulider /a /b\n",
        &request(),
    )
    .unwrap_err();
    assert_eq!(errors[0].message, "bulider: no such image");
    assert_eq!(errors[0].help.as_deref(), Some("did you mean the stage builder?"));
}

#[test]
fn findings_belong_to_their_steps() {
    let plan = good("FROM plain\n# check=skip=UndefinedVar\nENV a=$b\nWORKDIR c\nCMD x\n");
    let rules = |step: &crate::Step| {
        step.warnings
            .iter()
            .filter_map(|w| w.code.clone())
            .collect::<Vec<_>>()
    };
    let found: Vec<Vec<String>> = plan.stages[0].steps.iter().map(rules).collect();
    assert_eq!(
        found,
        [
            vec![],
            vec!["WorkdirRelativePath".to_string()],
            vec!["JSONArgsRecommended".to_string()]
        ]
    );
    assert_eq!(plan.warnings.len(), 2);
}

#[test]
fn triggers_fire_once_and_are_gone() {
    let plan = good("FROM full\nONBUILD LABEL next=1\nRUN own\n");
    assert_eq!(
        history(&plan),
        [
            "-ENV FIRED=yes",
            "RUN /bin/sh -c make # praxis",
            "RUN /bin/sh -c own # praxis"
        ]
    );
    assert_eq!(plan.stages[0].config.config.on_build, ["LABEL next=1"]);
    assert_eq!(plan.stages[0].config.history.len(), 4, "the base's entry is kept");
    let text = "FROM plain AS parent\nONBUILD COPY --from=tool /t /t\nFROM plain AS tool\nRUN t\nFROM parent AS child\n\
                RUN c\nFROM child\nRUN g\n";
    let plan = good(text);
    assert_eq!(
        history(&plan),
        [
            "COPY /t /t # praxis",
            "RUN /bin/sh -c c # praxis",
            "RUN /bin/sh -c g # praxis"
        ]
    );
    assert_eq!(
        plan.stages.iter().map(|stage| stage.index).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
}

#[test]
fn an_entrypoint_clears_an_inherited_command() {
    let cmd = |text: &str| good(text).stages[0].config.config.cmd.clone();
    assert_eq!(cmd("FROM plain\nENTRYPOINT [\"/e\"]\n"), None);
    assert_eq!(
        cmd("FROM plain\nCMD [\"c\"]\nENTRYPOINT [\"/e\"]\n"),
        Some(vec!["c".into()])
    );
}

#[test]
fn a_context_may_stand_in_for_a_stage() {
    let plan = good("FROM missing AS replaced\nRUN never\nFROM replaced\nRUN x\n");
    assert!(plan.stages[0].steps.is_empty());
    assert_eq!(variable(&plan, "FROM_BASE"), Some("1"));
}

#[test]
fn the_request_has_the_last_word() {
    let mut request = request();
    request.labels.insert("over".into(), "cli".into());
    request.network = Some(NetworkMode::None);
    request.allow_host_network = true;
    request.no_cache_filter = vec!["A".into()];
    let text = "FROM plain AS a\nRUN x\nFROM a\nLABEL over=file\nRUN y\nRUN --network=host z\n";
    let plan = planned(text, &request).unwrap();
    assert_eq!(plan.stages[1].config.config.labels["over"], "cli");
    assert!(plan.stages[0].steps[0].no_cache && !plan.stages[1].steps[0].no_cache);
    let networks: Vec<NetworkMode> = plan.stages[1]
        .steps
        .iter()
        .filter_map(|step| match &step.operation {
            Operation::Run(run) => Some(run.network),
            _ => None,
        })
        .collect();
    assert_eq!(networks, [NetworkMode::None, NetworkMode::Host]);
}

#[test]
fn errors_point_at_the_word() {
    let text = "FROM plain\nENV a=1 \\\n  b=\"${c:?say why}\"\n";
    let error = planned(text, &request()).unwrap_err().remove(0);
    assert_eq!(
        error.message,
        "failed to process \"\\\"${c:?say why}\\\"\": c: say why"
    );
    let file = SourceFile::new("f", text);
    let place = file.position(error.span.unwrap().start);
    assert_eq!((place.line, place.column), (3, 5));
    assert_eq!(
        self::error("FROM plain\nSTOPSIGNAL SIGNOPE\n"),
        "invalid signal: SIGNOPE"
    );
    assert_eq!(
        self::error("FROM plain\nEXPOSE eighty\n"),
        "invalid containerPort: eighty"
    );
    assert_eq!(
        self::error("FROM plain\nENV a=${b^^c}\n"),
        "failed to process \"${b^^c}\": unsupported modifier (^) in substitution"
    );
}

/// security row 50: `..` in VOLUME and WORKDIR.
#[test]
fn row_50_paths_stay_below_the_root() {
    let plan = good("FROM plain\nWORKDIR ../../../etc/..\nWORKDIR ../../x\nCOPY f ../../../../y\n");
    assert_eq!(
        history(&plan),
        ["-WORKDIR /", "WORKDIR /x", "COPY f ../../../../y # praxis"]
    );
    assert_eq!(copy(&plan).destination, "/y");
}

/// security row 68: what stands in a label is text.
#[test]
fn row_68_labels_are_data() {
    let plan = good("FROM plain\nENV v=\"x\\\nRUN evil\"\nLABEL a=\"$v RUN [\\\"x\\\"]\"\n");
    let stage = &plan.stages[0];
    assert_eq!(stage.config.config.labels["a"], "xRUN evil RUN [\"x\"]");
    assert!(
        stage
            .steps
            .iter()
            .all(|step| step.operation == Operation::Metadata)
    );
}
