use std::collections::BTreeMap;

use praxis_oci::Platform;

use crate::{ImageBase, NetworkMode};

/// Where the planner asks for what a name stands for that is no stage.
pub trait Bases {
    /// Resolves the name after `FROM`, `COPY --from` or a mount's `from=`. Named contexts (`--build-context`)
    /// come first, then images. The error says why not; the planner adds the line.
    fn resolve(&self, name: &str, platform: &Platform) -> Result<Base, String>;

    /// The named context that stands in for the stage of this name, if there is one: the stage's instructions
    /// are then not used.
    fn stage_replacement(&self, name: &str, platform: &Platform) -> Option<Result<Base, String>> {
        let _ = (name, platform);
        None
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Base {
    /// Nothing: an empty root.
    Scratch,
    /// An image.
    Image(ImageBase),
    /// A named context that is a directory; the text is the solver's id of it.
    Directory(String),
}

/// What a caller asks for besides the Dockerfile.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanRequest {
    /// The stage to build; the last one if there is none.
    pub target: Option<String>,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--label`, stronger than any `LABEL`.
    pub labels: BTreeMap<String, String>,
    /// The platform the image is for.
    pub platform: Platform,
    /// The platform the build runs on.
    pub build_platform: Platform,
    /// Whether no step may come from the cache.
    pub no_cache: bool,
    /// Stages whose steps may not come from the cache.
    pub no_cache_filter: Vec<String>,
    /// `--allow security.insecure`: whether `RUN --security=insecure` is granted.
    pub allow_insecure: bool,
    /// `--allow network.host`: whether `RUN --network=host` is granted.
    pub allow_host_network: bool,
    /// Network of `RUN` steps that do not choose one.
    pub network: Option<NetworkMode>,
    /// `SOURCE_DATE_EPOCH` for the environment of each `RUN` that has none.
    pub source_date_epoch_for_run: Option<i64>,
    /// RFC 3339 time for the history and the configuration.
    pub created: String,
}

impl PlanRequest {
    /// The default build for `platform`, on a machine of the same platform.
    pub fn new(platform: Platform) -> PlanRequest {
        PlanRequest {
            target: None,
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            build_platform: platform.clone(),
            platform,
            no_cache: false,
            no_cache_filter: Vec::new(),
            allow_insecure: false,
            allow_host_network: false,
            network: None,
            source_date_epoch_for_run: None,
            created: "1980-01-01T00:00:00Z".into(),
        }
    }
}
