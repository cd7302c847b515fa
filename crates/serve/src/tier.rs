//! How much a caller may have done.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Serialize;

/// How much a caller may have done; a later tier allows all that the earlier ones allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Nothing runs and no registry is asked: look at files in the roots and at the store.
    Readonly,
    /// Build and test what lies in the roots, with this server's policy.
    #[default]
    Guarded,
    /// Any directory, git repository and address as a context, and the operator's registry credentials for pulling.
    Open,
}

impl Tier {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Tier::Readonly => "readonly",
            Tier::Guarded => "guarded",
            Tier::Open => "open",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Tier, String> {
        let known = [Tier::Readonly, Tier::Guarded, Tier::Open];
        let found = known.into_iter().find(|tier| tier.name() == text);
        found.ok_or_else(|| format!("{text:?} is no tier: there are readonly, guarded and open"))
    }
}
