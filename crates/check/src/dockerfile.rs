//! A Dockerfile as rules see it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use praxis_dockerfile::{CheckOptions, Command, Dockerfile, IgnoreFile, Instruction, Kind, parse};
use praxis_oci::{Digest, ImageConfig, Platform};
use praxis_plan::{Base, Bases, ImageBase, PlanRequest, plan};
use praxis_source::{Diagnostic, SourceFile, Span};

use crate::ImageUse;
use crate::images::{self, BaseView};
use crate::labels::{self, Label};

/// A Dockerfile: its tree, the images it names and what it makes.
pub struct DockerfileView {
    /// The file.
    pub path: String,
    /// Its text.
    pub file: SourceFile,
    /// Its tree.
    pub tree: Dockerfile,
    /// The directory it is built in; empty for the top.
    pub context: String,
    /// The images it names, in the order of the file.
    pub images: Vec<ImageUse>,
    /// What the planner says: errors without a code, checks with one.
    pub diagnostics: Vec<Diagnostic>,
    /// The configuration of the image, over bases that say nothing.
    pub config: Option<ImageConfig>,
    pub(crate) bases: Vec<BaseView>,
    pub(crate) options: CheckOptions,
    labels: OnceLock<BTreeMap<String, Label>>,
}

/// Images whose configuration says nothing.
struct Blank;

impl Bases for Blank {
    fn resolve(&self, name: &str, platform: &Platform) -> Result<Base, String> {
        Ok(Base::Image(ImageBase {
            reference: name.into(),
            manifest: Digest::of(name.as_bytes()),
            config: Arc::new(ImageConfig {
                architecture: platform.architecture.clone(),
                os: platform.os.clone(),
                ..ImageConfig::default()
            }),
        }))
    }
}

impl DockerfileView {
    /// Reads a Dockerfile. Whatever the text, there is a view.
    pub(crate) fn new(path: &str, text: &str, context: &str, ignore: Option<&IgnoreFile>) -> DockerfileView {
        let file = SourceFile::new(path, text);
        let (tree, mut diagnostics) = parse(&file);
        let (images, bases) = images::find(&file, &tree);
        let asked = tree.directives.check.as_deref().unwrap_or_default();
        let options = CheckOptions::parse(asked).unwrap_or_default();
        let mut config = None;
        if diagnostics.is_empty() {
            match plan(&file, &tree, &request(&tree), &Blank) {
                Ok(mut plan) => {
                    diagnostics = std::mem::take(&mut plan.warnings);
                    if let Some(ignore) = ignore {
                        diagnostics.extend(tree.filter_findings(&options, plan.check_ignored(ignore)));
                    }
                    config = plan.stages.pop().map(|stage| stage.config);
                }
                Err(errors) => diagnostics = errors,
            }
        }
        DockerfileView {
            path: path.into(),
            file,
            tree,
            context: context.into(),
            images,
            diagnostics,
            config,
            bases,
            options,
            labels: OnceLock::new(),
        }
    }

    /// The final stage and the stages it is made from, the final one first.
    pub(crate) fn chain(&self) -> Vec<usize> {
        let mut chain = Vec::new();
        let mut next = self.tree.stages.len().checked_sub(1);
        while let Some(index) = next {
            chain.push(index);
            next = match self.bases.get(index) {
                Some(BaseView::Stage(parent)) => Some(*parent),
                _ => None,
            };
        }
        chain
    }

    /// The image that the final stage is made from.
    pub(crate) fn final_base(&self) -> Option<&ImageUse> {
        match self.bases.get(*self.chain().last()?)? {
            BaseView::Image(index) => self.images.get(*index),
            _ => None,
        }
    }

    /// The instructions of the final image, in order.
    pub(crate) fn runtime(&self) -> Vec<&Instruction> {
        let stages = self.chain().into_iter().rev();
        stages
            .flat_map(|stage| &self.tree.stages[stage].instructions)
            .collect()
    }

    /// The labels of the image with variables filled in.
    pub(crate) fn labels(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.config.as_ref().map_or(&NONE, |config| &config.config.labels)
    }

    /// The labels that the file sets, with their places.
    pub(crate) fn label_places(&self) -> &BTreeMap<String, Label> {
        self.labels.get_or_init(|| labels::labels(self))
    }

    /// Who the image runs as; empty if the file does not say.
    pub(crate) fn user(&self) -> &str {
        self.config.as_ref().map_or("", |config| &config.config.user)
    }

    /// The last USER of the final image.
    pub(crate) fn user_instruction(&self) -> Option<&Instruction> {
        let instructions = self.runtime();
        instructions
            .into_iter()
            .rfind(|one| matches!(one.kind, Kind::User(_)))
    }

    /// The last `FROM`, where a finding about what is missing is shown.
    pub(crate) fn last_from(&self) -> Span {
        self.tree
            .stages
            .last()
            .map_or_else(Span::default, |stage| stage.from.span)
    }

    /// Whether the file says that findings are errors: `# check=error=true`.
    pub(crate) fn checks_are_errors(&self) -> bool {
        self.options.error
    }

    /// Where `word` stands in the instruction at `span`, or the first line of it.
    pub(crate) fn place(&self, span: Span, word: &str) -> Span {
        let text = self.file.slice(span);
        match text.find(word) {
            Some(at) if !word.is_empty() => Span::new(span.start + at, span.start + at + word.len()),
            _ => Span::new(span.start, span.start + text.lines().next().map_or(0, str::len)),
        }
    }

    /// The instruction of that kind that counts: the last of the final image.
    pub(crate) fn entrypoint(&self) -> Option<(&Instruction, &Command)> {
        self.runtime().into_iter().rev().find_map(|one| match &one.kind {
            Kind::Entrypoint(command) => Some((one, command)),
            _ => None,
        })
    }
}

/// A build without arguments. An argument that FROM needs and that has no default gets a stand-in.
fn request(tree: &Dockerfile) -> PlanRequest {
    let platform = Platform {
        os: "linux".into(),
        architecture: "amd64".into(),
        variant: None,
        os_version: None,
    };
    let mut request = PlanRequest::new(platform);
    for instruction in &tree.arguments {
        let Kind::Arg(arguments) = &instruction.kind else {
            continue;
        };
        for argument in arguments.iter().filter(|argument| argument.default.is_none()) {
            let whole = [format!("${}", argument.name), format!("${{{}}}", argument.name)];
            let stands_alone = tree.stages.iter().any(|stage| whole.contains(&stage.from.base));
            let name = &argument.name;
            let used = tree
                .stages
                .iter()
                .any(|stage| stage.from.base.contains(&format!("{{{name}")));
            let automatic = ["TARGET", "BUILD"].iter().any(|prefix| name.starts_with(prefix));
            if (stands_alone || used) && !automatic {
                let value = if stands_alone {
                    "argument.invalid/unknown"
                } else {
                    "0"
                };
                request.build_args.insert(name.clone(), value.into());
            }
        }
    }
    // A directive that makes errors of findings is the policy's business here.
    let asked = tree.directives.check.as_deref().unwrap_or_default();
    let kept: Vec<&str> = asked
        .split(';')
        .filter(|one| !one.trim().starts_with("error"))
        .collect();
    request
        .build_args
        .insert("BUILDKIT_DOCKERFILE_CHECK".into(), kept.join(";"));
    request
}
