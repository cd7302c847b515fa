//! Recipe and lock → root file system.

use std::io::Read;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use praxis_layer::{ContentSource, Entry, Kind, Listing, Timestamp, TreePath};
use praxis_oci::{ContainerConfig, ImageConfig, RootFs};

use crate::accounts::account_files;
use crate::cache::{is_gone, open_package};
use crate::database::database_files;
use crate::date::format_timestamp;
use crate::deb::{Unpacked, unpack};
use crate::glob;
use crate::merge::Merge;
use crate::progress::{Progress, ProgressSink};
use crate::scripts::{ScriptCommand, script_commands};
use crate::spool::{Spool, SpooledContent};
use crate::{DebianError, DeclaredFile, Fetch, Lock, LockedPackage, Mirrors, Recipe};

/// Downloads at the same time; unpacking shares the threads.
const THREADS: usize = 4;

/// Where building may write.
#[derive(Clone, Copy, Debug)]
pub struct BuildDirectories<'a> {
    /// Keeps downloaded packages, by digest, for later builds.
    pub cache: &'a Path,
    /// Holds the contents of unpacked files, in files without names, as long as the result lives.
    pub work: &'a Path,
}

/// A root file system: all of it for a minimal recipe, else what `scripts` have to run in.
pub struct BuiltRootFs {
    /// Every entry. No file is younger than `epoch`.
    pub listing: Listing,
    /// The contents of its files.
    pub content: Box<dyn ContentSource + Send>,
    /// What has to run, in order, in a root made of the listing, without network. What they leave goes through
    /// [`BuiltRootFs::settle`]; the result is the same on every machine. Empty for a minimal recipe.
    pub scripts: Vec<ScriptCommand>,
    /// Seconds since 1970.
    pub epoch: i64,
    /// The image's configuration, without layers and history.
    pub config: ImageConfig,
}

impl BuiltRootFs {
    /// The root file system after the scripts have run: `after` is everything that is there then. What they touched
    /// gets the time `epoch`, whatever the clock said; what is in directories that only exist at run time is
    /// dropped.
    pub fn settle(&self, after: &Listing) -> Listing {
        let runtime: Vec<TreePath> = ["dev", "proc", "run", "sys", "tmp"].map(TreePath::from).into();
        let inside = |path: &TreePath| {
            runtime
                .iter()
                .any(|directory| path != directory && path.starts_with(directory))
        };
        let kept = after
            .entries()
            .iter()
            .filter(|entry| !inside(&entry.path))
            .map(|entry| {
                let before = self.listing.get(&entry.path).filter(|before| {
                    // A mount on it may have changed the metadata of such a directory.
                    before.mtime == entry.mtime || runtime.contains(&entry.path)
                });
                let mtime = before.map_or(Timestamp::seconds(self.epoch), |before| before.mtime);
                Entry {
                    mtime,
                    ..entry.clone()
                }
            });
        Listing::new(kept.collect())
    }
}

/// Builds the root file system of `recipe` for `architecture` (Debian's name) from exactly the packages of `lock`.
/// Needs neither root nor namespaces.
pub fn build(
    recipe: &Recipe,
    lock: &Lock,
    architecture: &str,
    mirrors: &Mirrors,
    fetch: &dyn Fetch,
    directories: BuildDirectories<'_>,
    progress: ProgressSink<'_>,
) -> Result<BuiltRootFs, DebianError> {
    lock.check_fits(recipe)?;
    let packages = lock.packages(architecture)?;
    for directory in [directories.cache, directories.work] {
        std::fs::create_dir_all(directory).map_err(DebianError::file("make the directory", directory))?;
    }
    let work = Work {
        recipe,
        packages,
        mirrors,
        fetch,
        directories,
        progress,
    };
    let (unpacked, mut content) = work.unpack_all()?;
    let mut merge = Merge::new(lock.epoch);
    let lost = merge.add_packages(&unpacked)?;
    let mut own = Spool::new(directories.work).map_err(DebianError::file("write in", directories.work))?;
    let mut files = Files {
        merge: &mut merge,
        spool: &mut own,
    };
    for (path, mode, bytes) in database_files(&unpacked, &lost, recipe.minimal) {
        files.add(path, mode, &bytes)?;
    }
    if recipe.minimal {
        for (path, mode, text) in account_files(recipe, lock.epoch) {
            files.add(path.into(), mode, text.as_bytes())?;
        }
    } else if !recipe.exclude.is_empty() {
        files.add(
            "etc/dpkg/dpkg.cfg.d/praxis-excludes".into(),
            0o644,
            path_filters(recipe).as_bytes(),
        )?;
    }
    for file in &recipe.files {
        files.declare(file, &content)?;
    }
    let scripts = match recipe.minimal {
        true => Vec::new(),
        false => script_commands(recipe, &unpacked, lock.epoch),
    };
    content.spools.push(own);
    Ok(BuiltRootFs {
        listing: merge.finish(),
        content: Box::new(content),
        scripts,
        epoch: lock.epoch,
        config: image_config(recipe, architecture, lock.epoch),
    })
}

/// dpkg's own spelling of what the recipe leaves out, for packages that are installed later.
fn path_filters(recipe: &Recipe) -> String {
    let lines = |key: &str, patterns: &[String]| -> String {
        patterns
            .iter()
            .map(|pattern| format!("{key}={pattern}\n"))
            .collect()
    };
    lines("path-exclude", &recipe.exclude) + &lines("path-include", &recipe.include)
}

/// Debian's name of a processor → name and variant in images.
fn oci_architecture(debian: &str) -> (&str, Option<&str>) {
    match debian {
        "i386" => ("386", None),
        "armhf" => ("arm", Some("v7")),
        "armel" => ("arm", Some("v5")),
        "ppc64el" => ("ppc64le", None),
        "mips64el" => ("mips64le", None),
        other => (other, None),
    }
}

fn image_config(recipe: &Recipe, architecture: &str, epoch: i64) -> ImageConfig {
    let (name, variant) = oci_architecture(architecture);
    let image = &recipe.image;
    ImageConfig {
        created: Some(format_timestamp(epoch)),
        architecture: name.into(),
        variant: variant.map(String::from),
        os: "linux".into(),
        config: ContainerConfig {
            user: image.user.clone(),
            env: image.env.clone(),
            entrypoint: image.entrypoint.clone(),
            cmd: image.cmd.clone(),
            working_dir: image.working_dir.clone(),
            labels: image.labels.clone(),
            ..ContainerConfig::default()
        },
        rootfs: RootFs::default(),
        ..ImageConfig::default()
    }
}

struct Work<'a> {
    recipe: &'a Recipe,
    packages: &'a [LockedPackage],
    mirrors: &'a Mirrors,
    fetch: &'a dyn Fetch,
    directories: BuildDirectories<'a>,
    progress: ProgressSink<'a>,
}

impl Work<'_> {
    /// All packages, in the lock's order. What has left the mirrors is listed completely.
    fn unpack_all(&self) -> Result<(Vec<Unpacked>, SpooledContent), DebianError> {
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let done = Mutex::new(Vec::new());
        let spools = std::thread::scope(|scope| {
            let threads = THREADS.min(self.packages.len().max(1));
            let workers: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| self.worker(&next, &stop, &done)))
                .collect();
            workers
                .into_iter()
                .map(|worker| {
                    worker
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect::<Vec<_>>()
        });
        let mut results = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        results.sort_by_key(|(index, _)| *index);
        let mut unpacked = Vec::new();
        let mut gone = Vec::new();
        for (index, result) in results {
            match result {
                Ok(package) => unpacked.push(package),
                Err(error) if is_gone(&error) => {
                    let package: &LockedPackage = &self.packages[index];
                    gone.push(format!("{} {}", package.name, package.version));
                }
                Err(error) => return Err(error),
            }
        }
        if !gone.is_empty() {
            return Err(DebianError::Gone { packages: gone });
        }
        Ok((
            unpacked,
            SpooledContent {
                spools: spools.into_iter().collect::<Result<_, _>>()?,
            },
        ))
    }

    /// Takes packages until there are none left, or another worker failed.
    fn worker(
        &self,
        next: &AtomicUsize,
        stop: &AtomicBool,
        done: &Mutex<Vec<(usize, Result<Unpacked, DebianError>)>>,
    ) -> Result<Spool, DebianError> {
        let work = self.directories.work;
        let mut spool = Spool::new(work).map_err(DebianError::file("write in", work))?;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(package) = self.packages.get(index).filter(|_| !stop.load(Ordering::Relaxed)) else {
                return Ok(spool);
            };
            let result = self.unpack_one(package, &mut spool);
            if result.as_ref().is_err_and(|error| !is_gone(error)) {
                stop.store(true, Ordering::Relaxed);
            }
            let mut done = done.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            done.push((index, result));
            let (package, total) = (package.name.clone(), self.packages.len());
            (self.progress)(Progress::Unpacked {
                package,
                done: done.len(),
                total,
            });
        }
    }

    fn unpack_one(&self, package: &LockedPackage, spool: &mut Spool) -> Result<Unpacked, DebianError> {
        let cached = open_package(package, self.directories.cache, self.mirrors, self.fetch)?;
        (self.progress)(Progress::Fetched {
            package: package.name.clone(),
            size: package.size,
            cached: cached.found,
        });
        unpack(
            std::io::BufReader::with_capacity(1 << 17, cached.file),
            package,
            self.recipe,
            spool,
        )
    }
}

/// Adds files that are of no package.
struct Files<'a> {
    merge: &'a mut Merge,
    spool: &'a mut Spool,
}

impl Files<'_> {
    fn add(&mut self, path: TreePath, mode: u32, bytes: &[u8]) -> Result<(), DebianError> {
        let kind = self
            .spool
            .add_bytes(bytes)
            .map_err(DebianError::file("write the content of", path.to_string()))?;
        self.merge.put(Entry::new(path, kind, mode, Timestamp::default()))
    }

    fn declare(&mut self, file: &DeclaredFile, content: &SpooledContent) -> Result<(), DebianError> {
        let path = TreePath::from(file.path.as_str());
        let error = || DebianError::file("write the content of", path.to_string());
        let kind = if file.directory {
            Kind::Directory { opaque: false }
        } else if let Some(target) = &file.link {
            Kind::Symlink {
                target: target.clone().into(),
            }
        } else if let Some(pattern) = &file.concatenate {
            let bytes = self.concatenate(pattern, content)?;
            self.spool.add_bytes(&bytes).map_err(error())?
        } else {
            self.spool
                .add_bytes(file.content.as_deref().unwrap_or_default().as_bytes())
                .map_err(error())?
        };
        let mode = if file.link.is_some() {
            0o777
        } else {
            file.permissions()
        };
        let mut entry = Entry::new(path, kind, mode, Timestamp::default());
        (entry.uid, entry.gid) = (file.uid, file.gid);
        self.merge.put(entry)
    }

    fn concatenate(&self, pattern: &str, content: &SpooledContent) -> Result<Vec<u8>, DebianError> {
        let mut bytes = Vec::new();
        for entry in self.merge.entries() {
            let absolute = [b"/", entry.path.as_bytes()].concat();
            let (Kind::File { content: digest, .. }, true) = (&entry.kind, glob::matches(pattern, &absolute))
            else {
                continue;
            };
            content
                .open_digest(digest)
                .and_then(|mut reader| reader.read_to_end(&mut bytes))
                .map_err(DebianError::file("read the content of", entry.path.to_string()))?;
            if !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
        }
        if bytes.is_empty() {
            let reason = format!("no file of a package matches {pattern}, which is to be concatenated");
            return Err(DebianError::package("the recipe", reason));
        }
        Ok(bytes)
    }
}
