//! `praxis.toml`: what a repository promises about its images.

use std::collections::BTreeMap;

use praxis_dockerfile::nearest;
use praxis_source::{SourceFile, Span};
use serde::Deserialize;
use toml::Spanned;

use crate::rule::Level;
use crate::{CheckError, RULES, own_rules};

/// The name of the file.
pub(crate) const FILE: &str = "praxis.toml";

/// What a repository promises, as its `praxis.toml` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Levels of all rules to begin with.
    pub preset: Preset,
    /// Rules that the repository brings with it.
    pub policy: OwnRules,
    /// Levels of single rules.
    pub rules: BTreeMap<Spanned<String>, Level>,
    /// Which files count.
    pub paths: Paths,
    /// What the image that runs is like.
    pub image: Image,
    /// What it may be made from.
    pub bases: Bases,
    /// Optional parts of the project, by name.
    pub extras: BTreeMap<String, Extra>,
    /// Images beside the default one, by name.
    pub variants: BTreeMap<Spanned<String>, Variant>,
    /// Where decisions and the backlog are.
    pub records: Records,
    /// Facts that a recorded decision rests on.
    pub premises: Vec<Premise>,
    /// What deploys the image.
    pub deploy: Deploy,
    /// What a release is promoted into.
    pub promote: Promote,
    /// What builds and publishes it.
    pub ci: Ci,
    /// Where workflows find actions.
    pub actions: Actions,
    /// Who has to have signed the image, and what has to be said about it.
    pub verify: Verify,
    /// How the image shows that it works.
    #[serde(deserialize_with = "crate::smoke::one_or_several")]
    pub smoke: Vec<crate::SmokeTest>,
    /// Findings that are accepted for a time.
    pub waivers: Vec<WaiverEntry>,
    /// Whether the repository has the file.
    #[serde(skip)]
    pub present: bool,
}

/// Levels of all rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Errors are contradictions only: for a repository that promised nothing.
    #[default]
    Minimal,
    /// The decision record on container images.
    #[serde(rename = "adr-0032")]
    Adr0032,
    /// As `adr-0032`, and every finding is an error.
    Strict,
}

/// Rules that the repository brings with it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OwnRules {
    /// Files and directories with rules in Rego, below the top of the repository.
    pub rego: Vec<Spanned<String>>,
}

/// Which files count.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Paths {
    /// Patterns of paths that are left out, as in `.dockerignore`.
    pub exclude: Vec<String>,
    /// The build context of a Dockerfile, where it is not the Dockerfile's directory.
    pub contexts: BTreeMap<String, String>,
}

/// What the image that runs is like.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Image {
    /// The name it is published under.
    pub name: Option<String>,
    /// Who it runs as: `10001` or `10001:10001`.
    pub user: Option<String>,
    /// Platforms it is built for.
    pub platforms: Vec<String>,
    /// What may be copied out of builder stages.
    pub artefacts: Vec<String>,
    /// Labels it must have.
    pub required_labels: Option<Vec<String>>,
    /// The label that names decision records and backlog items.
    pub governance_label: Option<String>,
    /// What the governance label says.
    pub governance: Option<String>,
    /// Whether `praxis build` sets the labels by itself.
    pub set_labels: Option<bool>,
    /// How it is spoken to.
    pub transport: Transport,
}

/// How the service in an image is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Nothing is said.
    #[default]
    Any,
    /// Standard input and output; HTTP only where the operator asks for it.
    Stdio,
    /// HTTP.
    Http,
}

/// What an image may be made from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Bases {
    /// Allowed images: names without tag, `*` at the end for all below.
    pub allow: Vec<String>,
    /// Allowed countries, by what `origins` declares.
    pub countries: Vec<String>,
    /// Allowed operators, by what `origins` declares.
    pub operators: Vec<String>,
    /// Who runs a registry, by the registry's name.
    pub origins: BTreeMap<String, Origin>,
    /// How many days a pin may be behind its tag.
    pub max_age_days: Option<u32>,
}

/// Who runs a registry.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Origin {
    /// Two letters.
    pub country: String,
    /// The operator's name.
    pub operator: String,
}

/// An optional part of the project.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Extra {
    /// Packages that only it needs.
    pub packages: Vec<String>,
    /// Keys of deploy values that need it, such as `tsa.enabled`.
    pub settings: Vec<String>,
}

/// An image beside the default one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Variant {
    /// The stage that makes it.
    pub stage: String,
    /// The extras it has.
    pub extras: Vec<String>,
}

/// Where decisions and the backlog are.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Records {
    /// Directories of decision records.
    pub decisions: Vec<String>,
    /// The backlog.
    pub backlog: Option<String>,
}

/// A fact that a recorded decision rests on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Premise {
    /// The record.
    pub record: String,
    /// The fact.
    pub says: String,
    /// The day it has to be looked at again.
    pub until: Spanned<String>,
}

/// What deploys the image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Deploy {
    /// The digest that was released last; `praxis promote` keeps it.
    pub released: Option<Spanned<String>>,
    /// Deploy files that must not hold the placeholder, as patterns; without any, those whose name starts with
    /// `values-prod`.
    pub production: Vec<String>,
}

/// What a release is promoted into.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Promote {
    /// Patterns of the deploy files whose digests are written, as in `.dockerignore`.
    pub files: Vec<String>,
}

/// Who has to have signed an image, and what has to be said about it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Verify {
    /// Public keys that are believed.
    pub keys: Vec<SignerKey>,
    /// Who is believed to have signed with a certificate.
    pub identities: Vec<SignerIdentity>,
    /// Statements that have to be there: `provenance`, `spdx`, `cyclonedx` or the address of a type.
    pub predicates: Vec<String>,
    /// Who may have built it.
    pub builders: Vec<String>,
    /// The Dockerfile whose bases the provenance has to name.
    pub dockerfile: Option<String>,
    /// Whether SBOMs are compared with the files.
    pub sbom: bool,
    /// The file of authorities that are believed about times: only signatures with a time by one of them count. The logs of
    /// signatures and certificates that it names are believed too.
    pub trusted_root: Option<String>,
    /// Whether only signatures count that a log of the trusted root has.
    pub require_log: bool,
}

/// A key that is believed.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a key is the name of a file, or { file = \"NAME\", require-log = true }"
)]
pub enum SignerKey {
    /// Its file.
    File(String),
    /// Its file, and what its signatures need.
    Demanding(DemandingKey),
}

/// A key that is believed under conditions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DemandingKey {
    /// The file of the public key.
    pub file: String,
    /// Whether only signatures count that a log of the trusted root has.
    #[serde(default)]
    pub require_log: bool,
}

impl SignerKey {
    /// The file, and whether a log has to have the signatures.
    pub fn parts(&self) -> (&str, bool) {
        match self {
            SignerKey::File(file) => (file, false),
            SignerKey::Demanding(key) => (&key.file, key.require_log),
        }
    }
}

/// Somebody who signs with a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SignerIdentity {
    /// The address of mail, URI or name of account that the certificate names, to the letter.
    pub name: String,
    /// Who knows them by it: the issuer of their identity tokens, to the letter.
    pub issuer: String,
    /// Whether only signatures count that a log of the trusted root has.
    #[serde(default)]
    pub require_log: bool,
}

/// What builds and publishes the image.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Ci {
    /// Workflows that release.
    pub release: Vec<String>,
    /// Workflows that build and try the image.
    pub image: Vec<String>,
}

/// Where workflows find actions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Actions {
    /// The server of their repositories, such as `https://git.example.com`, or a mirror of it.
    pub server: Option<String>,
}

/// Findings that are accepted for a time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WaiverEntry {
    /// The rule.
    pub rule: Spanned<String>,
    /// Pattern of the files, as in `.dockerignore`.
    pub path: String,
    /// The last day.
    pub until: Option<String>,
    /// Why.
    pub because: String,
}

/// The labels that an image must have where the policy lists none.
pub(crate) const REQUIRED_LABELS: [&str; 5] = [
    "org.opencontainers.image.base.digest",
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.source",
    "org.opencontainers.image.version",
];

impl Policy {
    /// Reads the text of a `praxis.toml`.
    pub fn parse(text: &str) -> Result<Policy, CheckError> {
        let file = SourceFile::new(FILE, text);
        let mut policy: Policy = toml::from_str(text).map_err(|error| {
            let span = error.span().map_or(0, |span| span.start);
            wrong(&file, span, &with_hint(error.message()))
        })?;
        policy.present = true;
        policy.validate(&file)?;
        Ok(policy)
    }

    fn validate(&self, file: &SourceFile) -> Result<(), CheckError> {
        let waived = self.waivers.iter().map(|waiver| &waiver.rule);
        for name in self.rules.keys().chain(waived) {
            if !self.knows(name.get_ref()) {
                return Err(wrong(file, name.span().start, &unknown_rule(name.get_ref())));
            }
        }
        for premise in &self.premises {
            if !crate::facts::is_date(premise.until.get_ref()) {
                let message = "until is not a date such as \"2027-01-31\"";
                return Err(wrong(file, premise.until.span().start, message));
            }
        }
        Ok(())
    }

    /// Whether a name is that of a rule, or may be that of a rule of the repository's own.
    pub(crate) fn knows(&self, name: &str) -> bool {
        is_rule(name) || !self.policy.rego.is_empty() && own_rules::is_name(name)
    }

    /// The label that names decision records and backlog items.
    pub fn governance_label(&self) -> &str {
        self.image
            .governance_label
            .as_deref()
            .unwrap_or("io.praxis.governance")
    }

    /// Whether a deploy file is for production.
    pub fn is_production(&self, path: &str) -> bool {
        let patterns = &self.deploy.production;
        let name = path.rsplit('/').next().unwrap_or_default();
        let matches = |text: &String| {
            text == path || praxis_dockerfile::Pattern::parse(text).is_ok_and(|pattern| pattern.matches(path))
        };
        patterns.is_empty() && name.starts_with("values-prod") || patterns.iter().any(matches)
    }

    /// The labels that the image must have.
    pub fn required_labels(&self) -> Vec<&str> {
        match &self.image.required_labels {
            Some(labels) => labels.iter().map(String::as_str).collect(),
            None if self.preset == Preset::Minimal => Vec::new(),
            None => REQUIRED_LABELS
                .into_iter()
                .chain([self.governance_label()])
                .collect(),
        }
    }

    /// Whether `praxis build` writes labels by itself.
    pub fn sets_labels(&self) -> bool {
        let by_preset = self.present && self.preset != Preset::Minimal;
        self.image.set_labels.unwrap_or(by_preset)
    }
}

/// Whether a name is that of a rule or of a check that BuildKit has too.
pub(crate) fn is_rule(name: &str) -> bool {
    RULES.iter().any(|rule| rule.id == name) || crate::rules::BUILDKIT.contains(&name)
}

/// What to say about a name that is no rule's.
pub(crate) fn unknown_rule(name: &str) -> String {
    let names: Vec<&str> = RULES
        .iter()
        .map(|rule| rule.id)
        .chain(crate::rules::BUILDKIT)
        .collect();
    let hint = nearest(name, &names).map(|other| format!(" (did you mean {other}?)"));
    format!("there is no rule {name:?}{}", hint.unwrap_or_default())
}

pub(crate) fn wrong(file: &SourceFile, offset: usize, reason: &str) -> CheckError {
    let place = file.position(offset);
    CheckError::Policy {
        path: file.name().into(),
        line: place.line,
        column: place.column,
        reason: reason.into(),
    }
}

/// The message of the reader, with the name that was likely meant.
fn with_hint(message: &str) -> String {
    let message = message.trim_end().replace('\n', "; ");
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let hint = match quoted.as_slice() {
        [written, known @ ..] if message.starts_with("unknown") => nearest(written, known),
        _ => None,
    };
    match hint {
        Some(name) => format!("{message} (did you mean {name}?)"),
        None => message,
    }
}

/// Where a text stands in `praxis.toml`.
pub(crate) fn span<T>(spanned: &Spanned<T>) -> Span {
    Span::new(spanned.span().start, spanned.span().end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Policy::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn unknown_keys_have_a_place_and_a_hint() {
        let message = error("preset = \"adr-0032\"\n[image]\nusr = \"10001\"\n");
        assert!(
            message.starts_with("praxis.toml:3:1: unknown field `usr`"),
            "{message}"
        );
        assert!(message.ends_with("(did you mean user?)"), "{message}");
        let message = error("[rules]\nPX1O1 = \"error\"\n");
        assert_eq!(
            message,
            "praxis.toml:2:1: there is no rule \"PX1O1\" (did you mean PX101?)"
        );
        let message = error("preset = \"stict\"\n");
        assert!(message.starts_with("praxis.toml:1:10: "), "{message}");
        assert!(message.contains("did you mean strict?"), "{message}");
        assert!(
            error("[[premises]]\nrecord=\"r\"\nsays=\"s\"\nuntil=\"soon\"\n")
                .starts_with("praxis.toml:4:7: ")
        );
    }

    #[test]
    fn presets_decide_what_is_promised() {
        let none = Policy::default();
        assert!(none.required_labels().is_empty() && !none.sets_labels());
        let record = Policy::parse("preset = \"adr-0032\"").unwrap();
        assert!(record.sets_labels());
        assert!(record.required_labels().contains(&"io.praxis.governance"));
        let named = Policy::parse("[image]\nrequired-labels = [\"a\"]\n").unwrap();
        assert_eq!(named.required_labels(), ["a"]);
    }
}
