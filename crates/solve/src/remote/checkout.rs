//! One commit of a git repository, checked out into a scratch directory.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use praxis_layer::Timestamp;
use praxis_store::{Scratch, Store};

use crate::remote::Access;
use crate::remote::address::{GitAddress, Transport, check_reference, is_commit};
use crate::remote::git::{Git, Reach};
use crate::remote::tidy::tidy;
use crate::{ContextDirectory, Everything, SolveError};

/// The last second of the year 9999: no commit's time counts as later.
const LATEST: i64 = 253_402_300_799;
/// Where a commit is put that has no name of its own.
const UNNAMED: &str = "refs/praxis/source";

/// A commit's files. They are removed when the last of it is dropped.
pub struct Checkout {
    directory: PathBuf,
    scratch: Arc<Scratch>,
    commit: String,
    time: i64,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Checkout {
    /// The directory that was asked for.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The commit's hash.
    pub fn commit(&self) -> &str {
        &self.commit
    }

    /// The commit's time, in seconds since 1970.
    pub fn time(&self) -> i64 {
        self.time
    }

    /// Its files as a context; all have the time of the commit.
    pub fn context(&self) -> Result<ContextDirectory, SolveError> {
        let times = Some(Timestamp::seconds(self.time));
        let context = ContextDirectory::open(&self.directory, Box::new(Everything), times, None)?;
        Ok(context.keeping(self.scratch.clone()))
    }
}

/// Fetches the commit that `address` names, as little as the remote lets us, and checks it out with the submodules
/// it names itself (with theirs only where the address says `submodules=true`). No hook, setting or program of the
/// repository or of this machine is run.
///
/// # Errors
/// If the repository, the reference, the commit or the directory is not there, the commit is another than the
/// address says, or the directory is outside of the checkout.
pub fn fetch_git(store: &Store, address: &GitAddress, access: &Access<'_>) -> Result<Checkout, SolveError> {
    let scratch = Arc::new(store.scratch()?);
    let top = scratch.directory("tree")?;
    let work = Work {
        git: Git::new(scratch.directory("home")?, address, access)?,
        address,
        top: &top,
        scratch: scratch.path(),
    };
    let wanted = work.wanted()?;
    work.prepare(&wanted)?;
    let commit = work.fetch(&wanted)?;
    let time = work.time(&commit)?;
    work.git(
        Reach::Nowhere,
        &["checkout", "--quiet", "--force", "--detach", &commit, "--"],
    )?;
    let warnings = work.submodules()?;
    let keep = address.keep_git_directory == Some(true);
    if keep {
        work.settle()?;
    }
    tidy(&top, keep)?;
    Ok(Checkout {
        directory: work.directory()?,
        commit,
        time,
        warnings,
        scratch: scratch.clone(),
    })
}

/// What to ask the remote for.
#[derive(Debug)]
enum Wanted {
    /// A full reference, and whether its objects have long (SHA-256) names.
    Reference { name: String, long: bool },
    /// A commit's whole hash.
    Commit(String),
}

struct Work<'a> {
    git: Git<'a>,
    address: &'a GitAddress,
    top: &'a Path,
    scratch: &'a Path,
}

impl Work<'_> {
    fn git(&self, reach: Reach, arguments: &[&str]) -> Result<String, SolveError> {
        self.git.run(self.top, reach, arguments)
    }

    fn wrong(&self, why: impl std::fmt::Display) -> SolveError {
        SolveError::user(format!("{}: {why}", self.address))
    }

    /// Finds the full name of the reference. Branches come before tags, as in `git checkout`.
    fn wanted(&self) -> Result<Wanted, SolveError> {
        let Some(reference) = self.address.reference.as_deref() else {
            return self.head();
        };
        if is_commit(reference) {
            return Ok(Wanted::Commit(reference.into()));
        }
        let candidates = match reference.starts_with("refs/") {
            true => vec![reference.to_string()],
            false => ["refs/heads/", "refs/tags/", "refs/"]
                .map(|prefix| format!("{prefix}{reference}"))
                .to_vec(),
        };
        let mut arguments = vec!["ls-remote", "--quiet", "--", "origin"];
        arguments.extend(candidates.iter().map(String::as_str));
        let answer = self.git.run(self.scratch, Reach::Address, &arguments)?;
        let known: Vec<(&str, &str)> = answer.lines().filter_map(|line| line.split_once('\t')).collect();
        for name in candidates {
            if let Some((hash, _)) = known.iter().find(|(_, has)| *has == name) {
                return Ok(Wanted::Reference {
                    name,
                    long: hash.len() == 64,
                });
            }
        }
        let made = self.wrong(format!("no branch or tag {reference}"));
        match reference.bytes().all(|b| b.is_ascii_hexdigit()) {
            true => Err(made.with_hint("a commit is named by its whole hash")),
            false => Err(made),
        }
    }

    /// The remote's HEAD, by the branch it stands for where the remote says a sensible one.
    fn head(&self) -> Result<Wanted, SolveError> {
        let arguments = ["ls-remote", "--quiet", "--symref", "--", "origin", "HEAD"];
        let answer = self.git.run(self.scratch, Reach::Address, &arguments)?;
        let mut lines = answer
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(_, name)| *name == "HEAD");
        let branch = lines.clone().find_map(|(value, _)| value.strip_prefix("ref: "));
        let hash = lines.find(|(value, _)| is_commit(value));
        let Some((hash, _)) = hash else {
            return Err(self
                .wrong("the repository has no commit at HEAD")
                .with_hint("name a branch, tag or commit after #"));
        };
        let long = hash.len() == 64;
        let name = match branch {
            None => "HEAD".into(),
            Some(name) => {
                check_reference(name)
                    .map_err(|why| self.wrong(format!("the HEAD of the repository: {why}")))?;
                if !name.starts_with("refs/") {
                    return Err(self.wrong(format!("the HEAD of the repository: {name:?} is no reference")));
                }
                name.to_string()
            }
        };
        Ok(Wanted::Reference { name, long })
    }

    /// Makes an empty repository with the remote as its origin.
    fn prepare(&self, wanted: &Wanted) -> Result<(), SolveError> {
        let long = match wanted {
            Wanted::Reference { long, .. } => *long,
            Wanted::Commit(hash) => hash.len() == 64,
        };
        let format = if long {
            "--object-format=sha256"
        } else {
            "--object-format=sha1"
        };
        self.git(
            Reach::Nowhere,
            &["init", "--quiet", "--template=", "--initial-branch=main", format],
        )?;
        let path = self.top.join(".git/config");
        let url = self.address.remote.replace('\\', "\\\\").replace('"', "\\\"");
        let mut file = fs::File::options()
            .append(true)
            .open(&path)
            .map_err(SolveError::io("open", &path))?;
        writeln!(file, "[remote \"origin\"]\n\turl = \"{url}\"").map_err(SolveError::io("write", &path))
    }

    /// Fetches, and gives the hash of the commit.
    fn fetch(&self, wanted: &Wanted) -> Result<String, SolveError> {
        match wanted {
            Wanted::Reference { name, .. } => {
                let place = if name == "HEAD" { UNNAMED } else { name };
                self.fetch_shallow(&[&format!("+{name}:{place}")])?;
                let object = self.resolve(place)?;
                let commit = self.resolve(&format!("{place}^{{commit}}"))?;
                self.verify(&[&commit, &object])?;
                Ok(commit)
            }
            Wanted::Commit(hash) => {
                if self.fetch_shallow(&[&format!("+{hash}:{UNNAMED}")]).is_err() {
                    // The remote gives no commit by its hash alone: fetch all that has a name.
                    self.fetch_all(&["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"])?;
                }
                let commit = self
                    .resolve(&format!("{hash}^{{commit}}"))
                    .map_err(|_| self.wrong(format!("no commit {hash}")))?;
                self.verify(&[&commit, hash])?;
                Ok(commit)
            }
        }
    }

    fn fetch_shallow(&self, what: &[&str]) -> Result<(), SolveError> {
        let mut arguments = FETCH.to_vec();
        arguments.extend(["--depth=1", "--", "origin"]);
        arguments.extend(what);
        match self.git(Reach::Address, &arguments) {
            Err(error) if error.message.contains("shallow") => self.fetch_all(what),
            other => other.map(drop),
        }
    }

    fn fetch_all(&self, what: &[&str]) -> Result<(), SolveError> {
        let mut arguments = FETCH.to_vec();
        arguments.extend(["--", "origin"]);
        arguments.extend(what);
        self.git(Reach::Address, &arguments).map(drop)
    }

    fn resolve(&self, what: &str) -> Result<String, SolveError> {
        let hash = self.git(
            Reach::Nowhere,
            &["rev-parse", "--verify", "--quiet", "--end-of-options", what],
        )?;
        match is_commit(&hash) {
            true => Ok(hash),
            false => Err(self.wrong(format!("{what} is no object"))),
        }
    }

    /// The commit (or the tag that names it) must be the one that the address says.
    fn verify(&self, found: &[&str]) -> Result<(), SolveError> {
        let Some(expected) = &self.address.commit else {
            return Ok(());
        };
        match found.iter().any(|hash| hash.starts_with(expected.as_str())) {
            true => Ok(()),
            false => Err(self.wrong(format!("commit {} instead of {expected}", found[0]))),
        }
    }

    fn time(&self, commit: &str) -> Result<i64, SolveError> {
        let text = self.git(Reach::Nowhere, &["log", "-1", "--format=%ct", commit, "--"])?;
        let time: i64 = text
            .parse()
            .map_err(|_| self.wrong(format!("commit {commit} has no time")))?;
        Ok(time.clamp(0, LATEST))
    }

    fn submodules(&self) -> Result<Vec<String>, SolveError> {
        let wanted = self.address.submodules;
        if wanted == Some(false) || !self.has_submodules(self.top) {
            return Ok(Vec::new());
        }
        if self.git.access.site.reach.is_bounded() {
            // Where they lead is the repository's choice, and git's to resolve.
            return match wanted {
                Some(true) => Err(self.wrong("submodules are not fetched where connections are bounded")),
                _ => Ok(vec![format!("{}: its submodules are left out", self.address)]),
            };
        }
        let mut arguments = vec!["submodule", "--quiet", "update", "--init", "--depth=1"];
        if wanted == Some(true) {
            arguments.push("--recursive");
        }
        self.git(Reach::Submodules, &arguments)?;
        if wanted == Some(true) {
            return Ok(Vec::new());
        }
        let listed = self.git(
            Reach::Nowhere,
            &["submodule", "--quiet", "foreach", "echo \"$sm_path\""],
        )?;
        let nested = listed
            .lines()
            .filter(|path| self.has_submodules(&self.top.join(path)));
        let says = |path: &str| {
            format!(
                "{}: submodules of the submodule {path} are left out; ask for them with ?submodules=true",
                self.address
            )
        };
        Ok(nested.map(says).collect())
    }

    fn has_submodules(&self, directory: &Path) -> bool {
        fs::symlink_metadata(directory.join(".gitmodules")).is_ok_and(|it| it.is_file())
    }

    /// Takes out of the kept `.git` what depends on when and where it was made.
    fn settle(&self) -> Result<(), SolveError> {
        const SETTLE: &str = "place=$(git rev-parse --absolute-git-dir) && rm -rf \"$place/index\" \"$place/logs\" \
                              \"$place/FETCH_HEAD\" \"$place/ORIG_HEAD\" && git read-tree HEAD";
        if self.has_submodules(self.top) && self.address.submodules != Some(false) {
            self.git(
                Reach::Nowhere,
                &["submodule", "--quiet", "foreach", "--recursive", SETTLE],
            )?;
        }
        let own = self.top.join(".git");
        for name in ["index", "FETCH_HEAD", "ORIG_HEAD"] {
            let path = own.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(SolveError::io("remove", &path)(error));
                }
                _ => {}
            }
        }
        self.git(Reach::Nowhere, &["read-tree", "HEAD"])?;
        if self.address.transport == Transport::File {
            // A path of this machine is no part of an image.
            self.git(Reach::Nowhere, &["config", "--remove-section", "remote.origin"])?;
        }
        Ok(())
    }

    /// The directory that the address asks for, which must be one of the checkout, links followed.
    fn directory(&self) -> Result<PathBuf, SolveError> {
        let Some(below) = &self.address.subdirectory else {
            return Ok(self.top.to_path_buf());
        };
        let top = self
            .top
            .canonicalize()
            .map_err(SolveError::io("resolve", self.top))?;
        let real = top
            .join(below.trim_start_matches('/'))
            .canonicalize()
            .map_err(|error| self.wrong(format!("directory {below}: {error}")))?;
        if !real.starts_with(&top) {
            return Err(self.wrong(format!("directory {below} leads out of the repository")));
        }
        match real.is_dir() {
            true => Ok(real),
            false => Err(self.wrong(format!("{below} is not a directory"))),
        }
    }
}

const FETCH: [&str; 5] = [
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-recurse-submodules",
    "--update-head-ok",
];
