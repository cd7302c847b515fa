//! What BuildKit's checks say, each with a Dockerfile that it finds something in. The page and the tests are made of it.

/// One check of BuildKit's.
pub(crate) struct BuildKitCheck {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub says: &'static str,
    /// A Dockerfile that it finds something in; a `.dockerignore` beside it leaves out `ignored`.
    pub bad: &'static str,
    /// Whether only a build sees it: it depends on build arguments or on the base.
    pub in_builds: bool,
}

macro_rules! checks {
    ($($name:literal $says:literal $bad:literal;)* builds: $($seen:literal $means:literal $text:literal;)*) => {
        /// All of them, in the order of their names in the rules.
        pub(crate) const CHECKS: &[BuildKitCheck] = &[
            $(BuildKitCheck { name: $name, says: $says, bad: $bad, in_builds: false },)*
            $(BuildKitCheck { name: $seen, says: $means, bad: $text, in_builds: true },)*
        ];
    };
}

checks! {
    "StageNameCasing" "names of stages are in lower case" "FROM scratch AS Build\nCOPY a /\n";
    "FromAsCasing" "FROM and AS have the same case" "FROM scratch as build\nCOPY a /\n";
    "NoEmptyContinuation" "no empty line goes on with an instruction" "FROM scratch\nCOPY a \\\n\n  /a\n";
    "ConsistentInstructionCasing" "instructions are all in upper or all in lower case" "FROM scratch\nCOPY a /a\ncopy b /b\n";
    "DuplicateStageName" "stages have different names" "FROM scratch AS a\nCOPY a /\nFROM scratch AS a\nCOPY a /\n";
    "ReservedStageName" "no stage is called scratch or context" "FROM scratch AS context\nCOPY a /\n";
    "JSONArgsRecommended" "CMD and ENTRYPOINT are lists, so that signals reach the program" "FROM scratch\nCMD serve it\n";
    "MaintainerDeprecated" "the author is a label, not MAINTAINER" "FROM scratch\nMAINTAINER me\n";
    "UndefinedArgInFrom" "variables in FROM are declared" "FROM a.example/base$tag\n";
    "UndefinedVar" "variables are declared" "FROM scratch\nCOPY $what /\n";
    "WorkdirRelativePath" "the first WORKDIR is absolute" "FROM scratch\nWORKDIR x\n";
    "MultipleInstructionsDisallowed" "a stage has one CMD, ENTRYPOINT and HEALTHCHECK" "FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]\n";
    "LegacyKeyValueFormat" "ENV and LABEL have an equals sign" "FROM scratch\nENV a b\n";
    "RedundantTargetPlatform" "FROM does not ask for the platform it has anyway" "FROM --platform=$TARGETPLATFORM a.example/base:1\n";
    "SecretsUsedInArgOrEnv" "ARG and ENV hold no secrets" "FROM scratch\nARG AWS_SECRET\n";
    "FromPlatformFlagConstDisallowed" "FROM names no fixed platform" "FROM --platform=linux/amd64 a.example/base:1\n";
    "CopyIgnoredFile" "what is copied is not left out of the context" "FROM scratch\nCOPY ignored /\n";
    "InvalidDefinitionDescription" "comments above stages and arguments describe them (only with check=experimental)" "# check=experimental=all\n# other text\nFROM scratch AS a\n";
    "ExposeProtoCasing" "protocols in EXPOSE are in lower case" "FROM scratch\nEXPOSE 80/TCP\n";
    "ExposeInvalidFormat" "EXPOSE names no address and no port of the host" "FROM scratch\nEXPOSE 127.0.0.1:80:80\n";
    builds:
    "InvalidDefaultArgInFrom" "FROM is an image also without build arguments" "ARG tag\nFROM a.example/base:$tag\n";
    "InvalidBaseImagePlatform" "the base is for the platform that is built for" "FROM a.example/base-for-another-platform:1\n";
}
