//! The rules, one file each. The comment at the top of a file is the rule's page.

use crate::Confidence;
use crate::rule::{Level, Rule};

/// The checks that BuildKit has too, under its names.
pub(crate) const BUILDKIT: [&str; 22] = [
    "StageNameCasing",
    "FromAsCasing",
    "NoEmptyContinuation",
    "ConsistentInstructionCasing",
    "DuplicateStageName",
    "ReservedStageName",
    "JSONArgsRecommended",
    "MaintainerDeprecated",
    "UndefinedArgInFrom",
    "UndefinedVar",
    "WorkdirRelativePath",
    "MultipleInstructionsDisallowed",
    "LegacyKeyValueFormat",
    "RedundantTargetPlatform",
    "SecretsUsedInArgOrEnv",
    "InvalidDefaultArgInFrom",
    "FromPlatformFlagConstDisallowed",
    "CopyIgnoredFile",
    "InvalidDefinitionDescription",
    "ExposeProtoCasing",
    "ExposeInvalidFormat",
    "InvalidBaseImagePlatform",
];

macro_rules! rules {
    ($($module:ident $id:literal $name:literal $level:ident $minimal:ident $confidence:ident;)*) => {
        $(mod $module;)*

        /// Every rule, in the order of their ids.
        pub static RULES: &[Rule] = &[$(Rule {
            id: $id,
            name: $name,
            level: Level::$level,
            minimal: Level::$minimal,
            confidence: Confidence::$confidence,
            source: include_str!(concat!(stringify!($module), ".rs")),
            run: $module::run,
        },)*];
    };
}

pub(crate) mod deployed;
mod packages;

// Module, id, name, level under `adr-0032`, level under `minimal`, confidence.
rules! {
    px001 "PX001" "unreadable-file" Error Error High;
    px002 "PX002" "waiver-malformed" Error Error High;
    px003 "PX003" "waiver-expired" Error Error High;
    px004 "PX004" "waiver-unused" Warning Warning High;
    px101 "PX101" "unpinned-image" Error Note High;
    px102 "PX102" "tag-comment-differs" Error Warning High;
    px103 "PX103" "digests-differ" Error Warning High;
    px104 "PX104" "base-digest-label-differs" Error Error High;
    px105 "PX105" "base-name-label-differs" Error Warning High;
    px106 "PX106" "digest-does-not-cover" Error Error High;
    px107 "PX107" "pin-lags" Warning Note Medium;
    px108 "PX108" "base-not-allowed" Error Error High;
    px109 "PX109" "unpinned-frontend" Warning Note High;
    px110 "PX110" "premise-expired" Error Error High;
    px201 "PX201" "runtime-from-builder" Error Warning Medium;
    px202 "PX202" "toolchain-in-runtime" Error Note Medium;
    px203 "PX203" "undeclared-artefact" Error Error High;
    px204 "PX204" "install-not-locked" Error Note Medium;
    px205 "PX205" "extra-in-default-image" Error Error Medium;
    px206 "PX206" "undeclared-variant" Error Error Medium;
    px207 "PX207" "context-leaks" Error Warning Medium;
    px208 "PX208" "rebuild-differs" Error Warning High;
    px301 "PX301" "user-not-declared" Error Error High;
    px302 "PX302" "login-shell" Error Note Medium;
    px303 "PX303" "account-unlocked" Error Warning High;
    px304 "PX304" "setuid-file" Error Warning High;
    px305 "PX305" "app-files-writable" Warning Note Medium;
    px306 "PX306" "needs-writable-root" Error Note High;
    px307 "PX307" "chart-user-differs" Error Warning High;
    px401 "PX401" "label-missing" Error Error High;
    px402 "PX402" "labels-overridden" Error Note Medium;
    px403 "PX403" "governance-label-wrong" Error Error High;
    px404 "PX404" "label-differs-from-git" Error Warning High;
    px405 "PX405" "comment-contradicts-backlog" Warning Note Low;
    px406 "PX406" "no-annotations" Warning Off Medium;
    px501 "PX501" "digest-not-released" Error Error High;
    px502 "PX502" "deployed-digests-differ" Error Error High;
    px503 "PX503" "deployed-by-tag" Error Error High;
    px504 "PX504" "versions-differ" Error Warning High;
    px505 "PX505" "placeholder-in-production" Error Error High;
    px506 "PX506" "extra-missing" Error Error Medium;
    px507 "PX507" "pinned-before-verified" Error Warning Medium;
    px601 "PX601" "pull-request-can-push" Error Warning High;
    px602 "PX602" "release-not-guarded" Error Note Medium;
    px603 "PX603" "action-not-pinned" Error Note High;
    px604 "PX604" "identity-token-too-wide" Error Warning High;
    px605 "PX605" "smoke-test-too-weak" Warning Note Medium;
    px606 "PX606" "published-is-not-tested" Error Warning Medium;
    px607 "PX607" "tool-not-verified" Error Note Medium;
    px701 "PX701" "default-command" Error Note High;
    px702 "PX702" "opened-by-environment" Error Warning Medium;
    px703 "PX703" "open-without-token" Error Note High;
    px801 "PX801" "not-signed" Error Note High;
    px802 "PX802" "base-not-in-provenance" Error Error High;
    px803 "PX803" "sbom-differs" Error Error High;
    px804 "PX804" "referrer-entry-wrong" Error Warning High;
    px901 "PX901" "download-not-verified" Error Note Medium;
    px902 "PX902" "verification-off" Error Warning High;
    px903 "PX903" "secret-in-instruction" Error Error High;
    px904 "PX904" "add-for-copy" Warning Note High;
    px905 "PX905" "package-cache-left" Warning Note Medium;
    px906 "PX906" "healthcheck-on-stdio" Warning Warning High;
}

#[cfg(test)]
pub(crate) mod buildkit;
#[cfg(test)]
mod complete_tests;
#[cfg(test)]
mod tests;

pub(crate) use px202::is_toolchain;
pub(crate) use px702::wrong as opens_or_tells;
pub use px903::credential_in;
