//! Recipe → lock.

use std::io::BufReader;

use liblzma::read::XzDecoder;
use praxis_oci::Digest;

use crate::cache::is_gone;
use crate::fetch::{get_limited, get_verified};
use crate::index::{Offer, read_index};
use crate::openpgp::{Keyring, verify_clear_signed};
use crate::progress::{Progress, ProgressSink};
use crate::release::Release;
use crate::resolve::{Universe, resolve};
use crate::{DebianError, Fetch, Lock, LockedArchitecture, LockedPackage, LockedSuite, Mirrors, Recipe};

/// Largest InRelease file that is read; the real ones have 150 kB.
const LARGEST_RELEASE: u64 = 16 << 20;
/// Largest index once it is decompressed.
const LARGEST_INDEX: u64 = 1 << 30;

/// What else decides how a recipe is locked.
#[derive(Clone, Copy, Debug)]
pub struct LockOptions {
    /// Now, in seconds since 1970: signatures, keys and suites must be valid at that time.
    pub now: i64,
    /// Accept suites whose `Valid-Until` has passed, as apt does with `Acquire::Check-Valid-Until false`.
    pub allow_expired: bool,
}

/// Locks `recipe` to the packages that its archives offer now. Nothing is trusted but the keys the recipe names:
/// signature → Release → index → digest of each package.
pub fn lock(
    recipe: &Recipe,
    mirrors: &Mirrors,
    fetch: &dyn Fetch,
    options: LockOptions,
    progress: ProgressSink<'_>,
) -> Result<Lock, DebianError> {
    let locking = Locking {
        mirrors,
        fetch,
        options,
        progress,
    };
    let mut suites = Vec::new();
    let mut releases = Vec::new();
    for source in &recipe.sources {
        let keys = source.keys()?;
        for suite in &source.suites {
            let (locked, release) = locking.suite(&source.archive, suite, &keys)?;
            suites.push(locked);
            releases.push((source, suite, release));
        }
    }
    let mut architectures = Vec::new();
    for architecture in &recipe.architectures {
        let mut offers = Vec::new();
        for (source, suite, release) in &releases {
            for component in &source.components {
                release.check(suite, component, architecture)?;
                let all = release.separate_all.then_some("all");
                for index in [Some(architecture.as_str()), all].into_iter().flatten() {
                    offers.extend(locking.index(&source.archive, suite, release, component, index)?);
                }
            }
        }
        let fits = |offer: &Offer| offer.architecture == "all" || offer.architecture == *architecture;
        let wrong = |reason| DebianError::Resolve {
            architecture: architecture.clone(),
            reason,
        };
        let universe = Universe::new(offers.into_iter().filter(fits)).map_err(wrong)?;
        let found = resolve(&universe, &recipe.packages, &recipe.without, !recipe.minimal).map_err(wrong)?;
        let packages = found.into_iter().map(locked_package).collect();
        architectures.push(LockedArchitecture {
            architecture: architecture.clone(),
            packages,
        });
    }
    let epoch = suites.iter().map(|suite| suite.date).max().unwrap_or(0);
    Ok(Lock {
        recipe: recipe.name.clone(),
        inputs: recipe.inputs(),
        epoch,
        suites,
        architectures,
    })
}

fn locked_package(offer: &Offer) -> LockedPackage {
    LockedPackage {
        name: offer.name.clone(),
        version: offer.version.to_string(),
        architecture: offer.architecture.clone(),
        archive: offer.archive.clone(),
        filename: offer.filename.clone(),
        size: offer.size,
        digest: offer.digest,
    }
}

struct Locking<'a> {
    mirrors: &'a Mirrors,
    fetch: &'a dyn Fetch,
    options: LockOptions,
    progress: ProgressSink<'a>,
}

impl Locking<'_> {
    /// The suite's Release file, verified.
    fn suite(
        &self,
        archive: &str,
        suite: &str,
        keys: &Keyring,
    ) -> Result<(LockedSuite, Release), DebianError> {
        let path = format!("dists/{suite}/InRelease");
        self.each_mirror(archive, |mirror| {
            let url = format!("{mirror}/{path}");
            let bytes = get_limited(self.fetch, &url, LARGEST_RELEASE)?;
            let now = u64::try_from(self.options.now).unwrap_or(0);
            let verified =
                verify_clear_signed(&bytes, keys, now).map_err(|source| DebianError::Signature {
                    what: format!("{suite}/InRelease"),
                    source,
                })?;
            let release = Release::parse(
                suite,
                &verified.text,
                self.options.now,
                self.options.allow_expired,
            )?;
            let signers = verified.signers.iter().map(|signer| signer.to_string()).collect();
            (self.progress)(Progress::Verified {
                suite: suite.into(),
                signers,
            });
            let digest = Digest::of(&bytes);
            let locked = LockedSuite {
                archive: archive.into(),
                suite: suite.into(),
                date: release.date,
                digest,
            };
            Ok((locked, release))
        })
    }

    fn index(
        &self,
        archive: &str,
        suite: &str,
        release: &Release,
        component: &str,
        architecture: &str,
    ) -> Result<Vec<Offer>, DebianError> {
        let directory = format!("{component}/binary-{architecture}");
        let path = format!("{directory}/Packages.xz");
        let missing = || DebianError::Release {
            suite: suite.into(),
            reason: format!("it has no index {path}"),
        };
        let (size, digest) = release.file(&path).ok_or_else(missing)?;
        let compressed = self.each_mirror(archive, |mirror| {
            let by_hash = format!(
                "{mirror}/dists/{suite}/{directory}/by-hash/SHA256/{}",
                digest.hex()
            );
            let by_name = format!("{mirror}/dists/{suite}/{path}");
            if release.by_hash {
                match get_verified(self.fetch, &by_hash, size, &digest) {
                    Err(DebianError::Fetch(error)) if error.is_not_found() => {}
                    result => return result,
                }
            }
            get_verified(self.fetch, &by_name, size, &digest)
        })?;
        let text = std::io::Read::take(XzDecoder::new(&compressed[..]), LARGEST_INDEX);
        let name = format!("{suite}/{path}");
        let offers = read_index(BufReader::new(text), archive)
            .map_err(|error| DebianError::mismatch(&name, error.to_string()))?;
        (self.progress)(Progress::Index {
            name,
            packages: offers.len(),
        });
        Ok(offers)
    }

    /// The first success; else the first error, where one that says more than "not there" goes before.
    fn each_mirror<T>(
        &self,
        archive: &str,
        attempt: impl Fn(&str) -> Result<T, DebianError>,
    ) -> Result<T, DebianError> {
        let mut first = None;
        for mirror in self.mirrors.of(archive)? {
            match attempt(&mirror) {
                Ok(value) => return Ok(value),
                Err(error) if first.as_ref().is_none_or(is_gone) => first = Some(error),
                Err(_) => {}
            }
        }
        Err(first.unwrap_or(DebianError::NoMirror {
            archive: archive.into(),
        }))
    }
}
