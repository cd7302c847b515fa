//! What `praxis check --image` asks the engine for.

use praxis_check::Repository;
use praxis_engine::{Event, Events, ImageCheckRequest, RegistryAccess, ReproduceRequest, SmokeRequest};

use super::Surroundings;
use crate::arguments::CheckOptions;
use crate::failure::Failure;
use crate::registries;

/// The request of these options, with what the repository says about its image.
pub fn request(
    options: &CheckOptions,
    image: &str,
    repository: &Repository,
    surroundings: &Surroundings,
) -> Result<ImageCheckRequest<'static>, Failure> {
    if options.rebuild && image.starts_with("docker://") {
        let message =
            "--rebuild needs what was noted when the image was built, which is in the store that built it";
        return Err(Failure::usage(message).with_hint("name the image of the store"));
    }
    let settings = registries::interruptible(registries::settings(&options.registries, surroundings)?)?;
    let policy = &repository.policy;
    let dockerfile = policy.verify.dockerfile.as_deref().unwrap_or("Dockerfile");
    let rebuild = ReproduceRequest {
        image: image.into(),
        platform: options.platform.clone(),
        jobs: std::thread::available_parallelism().map_or(2, usize::from),
        site: surroundings.site().site,
        registries: RegistryAccess {
            settings: settings.clone(),
            ..RegistryAccess::default()
        },
        ..ReproduceRequest::default()
    };
    let smoke = SmokeRequest {
        image: image.into(),
        platform: options.platform.clone(),
        tests: policy.smoke.clone(),
        user: policy.image.user.clone(),
        ..SmokeRequest::default()
    };
    Ok(ImageCheckRequest {
        image: image.into(),
        platform: options.platform.clone(),
        dockerfile: repository.text(dockerfile).map(String::from),
        smoke: options.run.then_some(smoke),
        rebuild: options.rebuild.then_some((rebuild, &Silent)),
        settings,
    })
}

/// The steps of a rebuild are no findings.
struct Silent;

impl Events for Silent {
    fn event(&self, _: Event) {}
}
