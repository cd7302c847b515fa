//! The variables of a stage.

use std::collections::BTreeMap;

use praxis_dockerfile::Argument;
use praxis_oci::Platform;

use crate::PlanRequest;

/// Variables in the order they were first set; names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Variables(Vec<(String, String)>);

impl Variables {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((name.into(), value.into())),
        }
    }

    pub(crate) fn lookup(&self) -> impl Fn(&str) -> Option<String> + '_ {
        |name| self.get(name).map(str::to_string)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn entries(&self) -> &[(String, String)] {
        &self.0
    }
}

/// The variables that exist before the first line: platforms and the name of the target.
pub(crate) fn automatic(request: &PlanRequest) -> Variables {
    let mut variables = Variables::default();
    for (prefix, platform) in [("BUILD", &request.build_platform), ("TARGET", &request.platform)] {
        for (name, value) in platform_values(platform) {
            variables.set(&format!("{prefix}{name}"), &value);
        }
    }
    variables.set("TARGETSTAGE", request.target.as_deref().unwrap_or("default"));
    let names: Vec<String> = variables.names().map(str::to_string).collect();
    for name in names {
        if let Some(given) = request.build_args.get(&name) {
            variables.set(&name, given);
        }
    }
    variables
}

fn platform_values(platform: &Platform) -> [(&'static str, String); 5] {
    [
        ("PLATFORM", platform.to_string()),
        ("OS", platform.os.clone()),
        ("OSVERSION", platform.os_version.clone().unwrap_or_default()),
        ("ARCH", platform.architecture.clone()),
        ("VARIANT", platform.variant.clone().unwrap_or_default()),
    ]
}

/// Arguments that steer the build and never reach an environment.
pub(crate) fn is_private(name: &str) -> bool {
    matches!(name, "BUILDKIT_SBOM_SCAN_CONTEXT" | "BUILDKIT_SBOM_SCAN_STAGE")
}

const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// Proxies that were given as build arguments, under both spellings, without those `declared` holds.
pub(crate) fn proxies(
    build_args: &BTreeMap<String, String>,
    declared: &[(String, String)],
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in PROXIES {
        let lower = name.to_lowercase();
        let given = build_args
            .iter()
            .rfind(|(given, _)| given.eq_ignore_ascii_case(name));
        let Some((_, value)) = given else { continue };
        for spelling in [name.to_string(), lower] {
            if !declared.iter().any(|(other, _)| *other == spelling) {
                found.push((spelling, value.clone()));
            }
        }
    }
    found
}

/// What a name of `ARG` gets without looking at its default: the build argument, or what the file says globally.
pub(crate) fn given(
    argument: &Argument,
    request: &PlanRequest,
    global: Option<&Variables>,
) -> Option<String> {
    if let Some(value) = request.build_args.get(&argument.name) {
        return Some(value.clone());
    }
    match (&argument.default, global) {
        (None, Some(global)) => global.get(&argument.name).map(str::to_string),
        _ => None,
    }
}
