use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system and processor, as in descriptors and `--platform` (`linux/arm/v7`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Platform {
    /// Go's name of the processor: `amd64`, `arm64`, `arm`, …
    pub architecture: String,
    /// Go's name of the operating system: `linux`, …
    pub os: String,
    /// Version of the operating system (Windows).
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Variant of the processor: `v7`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Why a text is no platform.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid platform {0:?}: expected OS/ARCH[/VARIANT], such as linux/amd64")]
pub struct PlatformError(String);

impl Platform {
    /// The platform this program runs on.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Platform {
            architecture: architecture.into(),
            os: "linux".into(),
            os_version: None,
            variant: (architecture == "arm").then(|| "v7".into()),
        }
    }

    /// Whether binaries of `self` run on a machine of `host`.
    pub fn runs_on(&self, host: &Platform) -> bool {
        self.os == host.os && self.architecture == host.architecture
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Platform, PlatformError> {
        let wrong = || PlatformError(text.into());
        let well = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if text.eq_ignore_ascii_case("local") {
            return Ok(Platform::host());
        }
        if !parts.iter().all(|part| well(part)) {
            return Err(wrong());
        }
        let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        let (os, arch, variant) = match lower.as_slice() {
            [os, arch] => (os.clone(), arch.as_str(), None),
            [os, arch, variant] => (os.clone(), arch.as_str(), Some(variant.clone())),
            _ => return Err(wrong()),
        };
        let (architecture, variant) = match (arch, variant.as_deref()) {
            ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64".to_string(), None),
            ("x86_64" | "x86-64", _) => ("amd64".to_string(), variant),
            ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64".to_string(), None),
            ("armhf", _) => ("arm".to_string(), Some("v7".to_string())),
            ("armel", _) => ("arm".to_string(), Some("v6".to_string())),
            ("arm", None | Some("7")) => ("arm".to_string(), Some("v7".to_string())),
            ("i386" | "i686", _) => ("386".to_string(), None),
            (other, _) => (other.to_string(), variant),
        };
        Ok(Platform {
            architecture,
            os,
            os_version: None,
            variant,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_aliases() {
        for (text, expected) in [
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), expected);
        }
        assert!("linux".parse::<Platform>().is_err());
        assert!("linux//x".parse::<Platform>().is_err());
    }
}
