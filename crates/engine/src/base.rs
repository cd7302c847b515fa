//! Bases made from Debian's archives.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use praxis_check::repin;
use praxis_debian::{
    BuildDirectories, HttpFetch, HttpSettings, Lock, LockOptions, MAIN_ARCHIVE, Mirrors, Progress, Recipe,
    SECURITY_ARCHIVE, build, lock,
};
use praxis_layer::Timestamp;
use praxis_oci::{Digest, Platform, Reference, media_type};
use praxis_solve::{BaseSource, BuiltImage, Event, Events, Script, make_base};
use praxis_store::{Store, StoredImage};

use crate::emulation::can_start;
use crate::outputs::put_index;
use crate::{BaseOrigin, BuildResponse, Engine, EngineError, Site};

/// What `praxis base …` asks for.
#[derive(Clone, Debug, Default)]
pub struct BaseRequest {
    /// The recipe; its lock lies beside it.
    pub recipe: PathBuf,
    /// Name for the image; the recipe's own below `localhost/praxis/` if there is none.
    pub tag: Option<String>,
    /// Platforms; this machine's if there is none. Several give an index in their order.
    pub platforms: Vec<Platform>,
    /// Mirrors instead of the site's.
    pub mirrors: Vec<String>,
    /// Whether a Release file that is past its time is taken when a lock is made.
    pub allow_expired: bool,
    /// What the machine lends.
    pub site: Site,
    /// Dockerfiles to re-pin.
    pub dockerfiles: Vec<PathBuf>,
}

/// What became of a base.
#[derive(Clone, Debug)]
pub struct BaseOutcome {
    /// The image.
    pub response: BuildResponse,
    /// Dockerfiles that were changed.
    pub repinned: Vec<PathBuf>,
}

impl Engine {
    /// Resolves a recipe and writes its lock beside it; gives the lock's path.
    pub fn base_lock(&self, request: &BaseRequest, events: &dyn Events) -> Result<PathBuf, EngineError> {
        let recipe = read_recipe(&request.recipe)?;
        let path = lock_path(&request.recipe);
        let made = make_lock(request, &recipe, events)?;
        match kept_lock(&path, &made) {
            Some(_) => events.event(kept_note(&path)),
            None => replace_file(&path, &made.render())?,
        }
        Ok(path)
    }

    /// Builds a base from its lock and names it.
    pub fn base_build(
        &self,
        request: &BaseRequest,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, EngineError> {
        let recipe = read_recipe(&request.recipe)?;
        let path = lock_path(&request.recipe);
        let text = fs::read_to_string(&path).map_err(|error| {
            EngineError::user(format!("{}: {error}", path.display()))
                .with_hint(format!("make it: praxis base lock {}", request.recipe.display()))
        })?;
        let lock = Lock::parse(&text, &path)?;
        self.build_locked(request, &recipe, &lock, events, cancel)
    }

    /// Locks again, builds, and writes the new digest into the Dockerfiles that use the base.
    pub fn base_update(
        &self,
        request: &BaseRequest,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BaseOutcome, EngineError> {
        let recipe = read_recipe(&request.recipe)?;
        let path = lock_path(&request.recipe);
        let made = make_lock(request, &recipe, events)?;
        let kept = kept_lock(&path, &made);
        let lock = kept.as_ref().unwrap_or(&made);
        let response = self.build_locked(request, &recipe, lock, events, cancel)?;
        match kept {
            Some(_) => events.event(kept_note(&path)),
            None => replace_file(&path, &made.render())?,
        }
        let mut repinned = Vec::new();
        let name = name_of(request, &recipe)?;
        for path in &request.dockerfiles {
            if repin_file(path, &name, response.digest.as_ref())? {
                repinned.push(path.clone());
            }
        }
        Ok(BaseOutcome { response, repinned })
    }

    fn build_locked(
        &self,
        request: &BaseRequest,
        recipe: &Recipe,
        lock: &Lock,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, EngineError> {
        let name = name_of(request, recipe)?;
        let platforms = platforms(request)?;
        for platform in &platforms {
            refuse_scripts(recipe, platform, &can_start)?;
        }
        let store = self.store()?;
        let images = platforms
            .iter()
            .map(|platform| self.build_platform(request, (recipe, lock), platform, &store, events, cancel))
            .collect::<Result<Vec<BuiltImage>, EngineError>>()?;
        let (top, config) = match images.as_slice() {
            [only] => (only.manifest.clone(), Some(only.config.digest)),
            several => (
                put_index(&store, media_type::INDEX, several, Default::default())?,
                None,
            ),
        };
        store.put_image(&StoredImage {
            name: name.to_string(),
            descriptor: top.clone(),
        })?;
        Ok(BuildResponse {
            digest: Some(top.digest),
            config_digest: config,
            size: top.size,
            media_type: top.media_type,
            steps: 0,
            cached: 0,
            ..BuildResponse::default()
        })
    }

    fn build_platform(
        &self,
        request: &BaseRequest,
        (recipe, lock): (&Recipe, &Lock),
        platform: &Platform,
        store: &Arc<Store>,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuiltImage, EngineError> {
        let architecture = debian_architecture(platform)?;
        let scratch = store.scratch()?;
        let cache = self.settings.root.join("debian");
        fs::create_dir_all(&cache).map_err(|error| {
            EngineError::environment(format!("cannot create {}: {error}", cache.display()))
        })?;
        let fetch = fetcher(&request.site)?;
        let mirrors = mirrors(request);
        let tell = |progress: Progress| tell(events, &progress);
        let directories = BuildDirectories {
            cache: &cache,
            work: scratch.path(),
        };
        let mut built = build(recipe, lock, architecture, &mirrors, &fetch, directories, &tell)?;
        let pair = |text: &String| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (name.to_string(), value.to_string())
        };
        let scripts = built.scripts.iter().map(|script| Script {
            arguments: script.arguments.clone(),
            environment: script.environment.iter().map(pair).collect(),
        });
        let (scripts, content) = (
            scripts.collect(),
            std::mem::replace(&mut built.content, Box::new(Taken)),
        );
        let source = BaseSource {
            scripts,
            listing: built.listing.clone(),
            content: Arc::from(content),
            epoch: Timestamp::seconds(built.epoch),
            config: built.config.clone(),
            created_by: format!("praxis base build {}", lock.recipe),
            settle: Box::new(move |listing| built.settle(listing)),
        };
        let image = make_base(self.workplace(store.clone()), source, events, cancel)?;
        let origin = BaseOrigin {
            base_architecture: architecture.into(),
            base_lock: lock.render(),
        };
        store.put_origin(&image.manifest.digest, &origin)?;
        Ok(image)
    }
}

/// The platforms of a base, each once: two of one Debian architecture would be the same image.
fn platforms(request: &BaseRequest) -> Result<Vec<Platform>, EngineError> {
    if request.platforms.is_empty() {
        return Ok(vec![Platform::host()]);
    }
    let mut seen = Vec::new();
    for platform in &request.platforms {
        let architecture = debian_architecture(platform)?;
        if seen.contains(&architecture) {
            return Err(EngineError::user(format!(
                "--platform {platform}: Debian's architecture {architecture} is there already"
            )));
        }
        seen.push(architecture);
    }
    Ok(request.platforms.clone())
}

/// Maintainer scripts are programs of the base's own platform.
fn refuse_scripts(
    recipe: &Recipe,
    platform: &Platform,
    can_start: &dyn Fn(&Platform) -> bool,
) -> Result<(), EngineError> {
    if recipe.minimal || can_start(platform) {
        return Ok(());
    }
    Err(EngineError::user(format!(
        "{}: its packages have maintainer scripts of {platform}, and this machine has no emulator for {}",
        recipe.name, platform.architecture
    ))
    .with_hint(
        "install qemu-user-static (Debian), or register qemu with binfmt_misc and the flag F where Linux is older than 6.7, \
         or make the recipe minimal: it then runs no scripts",
    ))
}

/// The content of a root file system whose content was given away.
struct Taken;

impl praxis_layer::ContentSource for Taken {
    fn open(&self, _: &praxis_layer::Entry) -> std::io::Result<Box<dyn std::io::Read + Send + '_>> {
        Err(std::io::Error::other("the content was given away"))
    }
}

fn tell(events: &dyn Events, progress: &Progress) {
    let message = match progress {
        Progress::Verified { suite, signers } => {
            format!("verified {suite}, signed by {}", signers.join(", "))
        }
        Progress::Index { name, packages } => format!("read the index {name}: {packages} packages"),
        Progress::Fetched {
            package,
            size,
            cached: false,
        } => format!("fetched {package} ({size} bytes)"),
        _ => return,
    };
    events.event(Event::Note { message });
}

fn read_recipe(path: &Path) -> Result<Recipe, EngineError> {
    let text = fs::read_to_string(path)
        .map_err(|error| EngineError::user(format!("{}: {error}", path.display())))?;
    Ok(Recipe::parse(&text, path)?)
}

fn lock_path(recipe: &Path) -> PathBuf {
    recipe.with_extension("lock")
}

fn name_of(request: &BaseRequest, recipe: &Recipe) -> Result<Reference, EngineError> {
    let text = request
        .tag
        .clone()
        .unwrap_or_else(|| format!("localhost/praxis/{}", recipe.name));
    let reference: Reference = text
        .parse()
        .map_err(|error| EngineError::user(format!("--tag: {error}")))?;
    Ok(reference.with_default_tag())
}

fn make_lock(request: &BaseRequest, recipe: &Recipe, events: &dyn Events) -> Result<Lock, EngineError> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs() as i64);
    let options = LockOptions {
        now,
        allow_expired: request.allow_expired,
    };
    let fetch = fetcher(&request.site)?;
    let tell = |progress: Progress| tell(events, &progress);
    Ok(lock(recipe, &mirrors(request), &fetch, options, &tell)?)
}

/// The lock that lies at `path`, if `made` names the same packages: then its epoch, hence the base's digest, stays.
fn kept_lock(path: &Path, made: &Lock) -> Option<Lock> {
    let lock = Lock::parse(&fs::read_to_string(path).ok()?, path).ok()?;
    made.has_same_packages(&lock).then_some(lock)
}

fn kept_note(path: &Path) -> Event {
    Event::Note {
        message: format!("{} stays: it names the packages of today", path.display()),
    }
}

fn mirrors(request: &BaseRequest) -> Mirrors {
    let mut mirrors = Mirrors::new();
    if request.mirrors.is_empty() {
        for line in &request.site.apt_mirrors {
            if let Some((archive, uri)) = line.split_once(' ') {
                mirrors.add(archive, uri);
            }
        }
    }
    for uri in &request.mirrors {
        let archive = if uri.trim_end_matches('/').ends_with("-security") {
            SECURITY_ARCHIVE
        } else {
            MAIN_ARCHIVE
        };
        mirrors.add(archive, uri);
    }
    mirrors
}

fn fetcher(site: &Site) -> Result<HttpFetch, EngineError> {
    let proxy = |name: &str| {
        let found = site
            .proxies
            .iter()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_empty());
        found.map(|(_, value)| value.clone())
    };
    let list = proxy("no_proxy").unwrap_or_default();
    let settings = HttpSettings {
        http_proxy: proxy("http_proxy"),
        https_proxy: proxy("https_proxy"),
        no_proxy: list
            .split(',')
            .map(|name| name.trim().to_string())
            .filter(|name| !name.is_empty())
            .collect(),
        certificates: site.ca_bundle.as_ref().and_then(|path| fs::read(path).ok()),
    };
    HttpFetch::new(&settings).map_err(|error| EngineError::environment(error.to_string()))
}

/// Debian's name of a platform's architecture.
pub(crate) fn debian_architecture(platform: &Platform) -> Result<&'static str, EngineError> {
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("amd64", _) => Ok("amd64"),
        ("arm64", _) => Ok("arm64"),
        ("386", _) => Ok("i386"),
        ("arm", Some("v7") | None) => Ok("armhf"),
        ("arm", _) => Ok("armel"),
        ("ppc64le", _) => Ok("ppc64el"),
        ("riscv64", _) => Ok("riscv64"),
        ("s390x", _) => Ok("s390x"),
        _ => Err(EngineError::user(format!(
            "{platform}: Debian has no architecture of that name"
        ))),
    }
}

/// Replaces the digest of `name` in a Dockerfile; whether anything changed.
fn repin_file(path: &Path, name: &Reference, digest: Option<&Digest>) -> Result<bool, EngineError> {
    let Some(digest) = digest else { return Ok(false) };
    let text = fs::read_to_string(path)
        .map_err(|error| EngineError::user(format!("{}: {error}", path.display())))?;
    let mut changed = text.clone();
    for old in pinned_digests(&text, name) {
        changed = repin(&changed, &name.name(), &old, digest).text;
    }
    if changed == text {
        return Ok(false);
    }
    replace_file(path, &changed)?;
    Ok(true)
}

/// The digests that stand behind `name` in a Dockerfile, with its tag or without any.
fn pinned_digests(text: &str, name: &Reference) -> Vec<Digest> {
    let words = text.split(|letter: char| letter.is_whitespace() || "\"'=,{}".contains(letter));
    let default = |word: &str| {
        word.rsplit_once(":-")
            .map_or(word, |(_, after)| after)
            .to_string()
    };
    let pinned = words.filter_map(|word| default(word).parse::<Reference>().ok());
    let mut digests: Vec<Digest> = pinned
        .filter(|found| found.name() == name.name())
        .filter(|found| found.tag().is_none_or(|tag| Some(tag) == name.tag()))
        .filter_map(|found| found.digest().copied())
        .collect();
    digests.sort();
    digests.dedup();
    digests
}

/// Writes a file whole or not at all.
fn replace_file(path: &Path, text: &str) -> Result<(), EngineError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(name);
    let written = fs::write(&part, text).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        EngineError::environment(format!("cannot write {}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_other_processors_are_refused_unless_there_is_an_emulator() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bases");
        let (full, minimal) = (
            read_recipe(&path.join("debian-slim.toml")).unwrap(),
            read_recipe(&path.join("python-runtime.toml")).unwrap(),
        );
        let foreign: Platform = "linux/s390x".parse().unwrap();
        let refused = refuse_scripts(&full, &foreign, &|_| false).unwrap_err();
        assert!(
            refused.message.contains("no emulator for s390x"),
            "{}",
            refused.message
        );
        assert!(refuse_scripts(&full, &foreign, &|_| true).is_ok());
        assert!(refuse_scripts(&minimal, &foreign, &|_| false).is_ok());
    }

    #[test]
    fn each_architecture_comes_once() {
        let request = |list: &[&str]| BaseRequest {
            platforms: list.iter().map(|text| text.parse().unwrap()).collect(),
            ..BaseRequest::default()
        };
        assert_eq!(platforms(&request(&[])).unwrap(), [Platform::host()]);
        assert_eq!(
            platforms(&request(&["linux/arm64", "linux/arm/v7"]))
                .unwrap()
                .len(),
            2
        );
        let twice = platforms(&request(&["linux/arm64", "linux/arm64/v8"])).unwrap_err();
        assert!(twice.message.contains("is there already"), "{}", twice.message);
        assert!(platforms(&request(&["linux/mips64"])).is_err());
    }

    #[test]
    fn pins_are_found_wherever_a_dockerfile_has_them_and_of_one_tag_only() {
        let digest = |n: u8| Digest::of(&[n]);
        let text = format!(
            "ARG A=localhost/b:one@{}\nFROM ${{B:-localhost/b@{}}}\nFROM localhost/b:two@{}\n\
             RUN --mount=from=localhost/b:one@{},target=/x true\n",
            digest(1),
            digest(2),
            digest(3),
            digest(4)
        );
        let mut expected = vec![digest(1), digest(2), digest(4)];
        expected.sort();
        assert_eq!(
            pinned_digests(&text, &"localhost/b:one".parse().unwrap()),
            expected
        );
    }

    #[test]
    fn a_lock_of_the_same_packages_stays() {
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../bases/python.lock");
        let text = fs::read_to_string(&recipe).unwrap();
        let mut made = Lock::parse(&text, &recipe).unwrap();
        made.epoch += 86_400;
        let kept = kept_lock(&recipe, &made).unwrap();
        assert_eq!(kept.epoch + 86_400, made.epoch);
        made.architectures[0].packages.pop();
        assert_eq!(kept_lock(&recipe, &made), None);
    }
}
