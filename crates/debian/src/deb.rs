//! One package: its control members, and the files it brings.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use md5::{Digest as _, Md5};
use praxis_layer::{ArchiveEntry, ArchiveKind, LayerError, Limits, TreePath, decompress, read_archive};
use praxis_oci::Digest;

use crate::ar::read_ar;
use crate::control::{Paragraph, parse_paragraphs};
use crate::glob;
use crate::spool::Spool;
use crate::{DebianError, LockedPackage, Recipe};

/// Largest member of a control archive that is read.
const LARGEST_CONTROL: u64 = 16 << 20;

/// A package, unpacked: contents are in the spool.
pub(crate) struct Unpacked {
    pub(crate) package: LockedPackage,
    /// The paragraph of its control file.
    pub(crate) control: Paragraph,
    /// The other members of the control archive, with their modes.
    pub(crate) members: BTreeMap<String, (Vec<u8>, u32)>,
    /// Paths of configuration files and the MD5 of each.
    pub(crate) conffiles: Vec<(String, String)>,
    /// All paths, in the archive's order, excluded ones too.
    pub(crate) paths: Vec<TreePath>,
    /// What is in the archive, in its order, with the digests of files.
    pub(crate) files: Vec<(ArchiveEntry, Option<Digest>)>,
    /// Directories that the recipe excludes, for what it includes below them.
    pub(crate) excluded_directories: Vec<ArchiveEntry>,
}

/// Why reading a package stopped.
enum Stop {
    Read(io::Error),
    Layer(LayerError),
    Reason(String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Read(error)
    }
}

impl From<LayerError> for Stop {
    fn from(error: LayerError) -> Stop {
        Stop::Layer(error)
    }
}

/// Which paths a recipe leaves out.
pub(crate) fn is_excluded(recipe: &Recipe, path: &TreePath) -> bool {
    let absolute = [b"/", path.as_bytes()].concat();
    let any = |patterns: &[String]| patterns.iter().any(|pattern| glob::matches(pattern, &absolute));
    any(&recipe.exclude) && !any(&recipe.include)
}

/// Reads the package in `reader` and puts the contents of its files into `spool`. It must be the one that is
/// locked.
pub(crate) fn unpack(
    reader: impl Read + Send,
    package: &LockedPackage,
    recipe: &Recipe,
    spool: &mut Spool,
) -> Result<Unpacked, DebianError> {
    let mut unpacked = Unpacked {
        package: package.clone(),
        control: Paragraph::default(),
        members: BTreeMap::new(),
        conffiles: Vec::new(),
        paths: Vec::new(),
        files: Vec::new(),
        excluded_directories: Vec::new(),
    };
    let mut seen = Vec::new();
    let result = read_ar::<Stop>(reader, &mut |name, content| {
        let part = name.split('.').next().unwrap_or_default().to_string();
        match (part.as_str(), seen.len()) {
            ("debian-binary", 0) => check_format(content)?,
            ("control", 1) => unpacked.read_control(content)?,
            ("data", 2) => unpacked.read_data(content, recipe, spool)?,
            // Members that begin with an underscore are for other tools.
            (other, _) if other.starts_with('_') => return Ok(()),
            _ => return Err(Stop::Reason(format!("its member {name:?} is out of place"))),
        }
        seen.push(part);
        Ok(())
    });
    let wrong = |reason: String| DebianError::package(&package.name, reason);
    result.map_err(|stop| match stop {
        Stop::Read(error) => wrong(error.to_string()),
        Stop::Layer(error) => wrong(error.to_string()),
        Stop::Reason(reason) => wrong(reason),
    })?;
    if seen.len() != 3 {
        return Err(wrong("it is incomplete".into()));
    }
    Ok(unpacked)
}

fn check_format(content: &mut dyn Read) -> Result<(), Stop> {
    let mut text = String::new();
    content.take(64).read_to_string(&mut text)?;
    match text.starts_with("2.") {
        true => Ok(()),
        false => Err(Stop::Reason(format!("its format {text:?} is not 2"))),
    }
}

impl Unpacked {
    fn read_control(&mut self, content: &mut (dyn Read + Send)) -> Result<(), Stop> {
        let limits = Limits {
            max_entries: 1000,
            max_bytes: 4 * LARGEST_CONTROL,
            ..Limits::default()
        };
        let tar = decompress(content, &limits)?;
        let members = &mut self.members;
        read_archive::<Stop>(tar, &limits, &mut |entry, content| {
            if !matches!(entry.kind, ArchiveKind::File { .. }) {
                return Ok(());
            }
            let mut bytes = Vec::new();
            content.take(LARGEST_CONTROL).read_to_end(&mut bytes)?;
            let name = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
            if !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            {
                return Err(Stop::Reason(format!(
                    "its control member {name:?} has no plain name"
                )));
            }
            members.insert(name, (bytes, entry.mode & 0o777));
            Ok(())
        })?;
        self.read_paragraph()?;
        self.conffiles = self
            .conffile_paths()
            .into_iter()
            .map(|path| (path, String::new()))
            .collect();
        Ok(())
    }

    fn read_paragraph(&mut self) -> Result<(), Stop> {
        let (bytes, _) = self
            .members
            .remove("control")
            .ok_or_else(|| Stop::Reason("it has no control file".into()))?;
        let mut paragraphs = parse_paragraphs(&String::from_utf8_lossy(&bytes))?;
        self.control = paragraphs.pop().unwrap_or_default();
        let locked = &self.package;
        for (field, expected) in [
            ("Package", &locked.name),
            ("Version", &locked.version),
            ("Architecture", &locked.architecture),
        ] {
            let found = self.control.get(field).unwrap_or_default();
            if found != expected {
                return Err(Stop::Reason(format!(
                    "its {field} is {found:?}, but {expected:?} is locked"
                )));
            }
        }
        Ok(())
    }

    fn conffile_paths(&self) -> Vec<String> {
        let text = self
            .members
            .get("conffiles")
            .map(|(bytes, _)| String::from_utf8_lossy(bytes).into_owned());
        let lines = text.as_deref().unwrap_or_default().lines();
        lines
            .map(str::trim_end)
            .filter(|line| line.starts_with('/'))
            .map(String::from)
            .collect()
    }

    fn read_data(
        &mut self,
        content: &mut (dyn Read + Send),
        recipe: &Recipe,
        spool: &mut Spool,
    ) -> Result<(), Stop> {
        let limits = Limits {
            max_entries: 1_000_000,
            max_bytes: 16 << 30,
            ..Limits::default()
        };
        let tar = decompress(content, &limits)?;
        let conffiles: BTreeSet<TreePath> = self
            .conffiles
            .iter()
            .map(|(path, _)| TreePath::from(path.as_str()))
            .collect();
        let mut sums: BTreeMap<TreePath, String> = BTreeMap::new();
        read_archive::<Stop>(tar, &limits, &mut |entry, content| {
            self.paths.push(entry.path.clone());
            if is_excluded(recipe, &entry.path) {
                self.excluded_directories
                    .extend(Some(entry).filter(|e| e.kind == ArchiveKind::Directory));
                return Ok(());
            }
            let mut digest = None;
            if matches!(entry.kind, ArchiveKind::File { .. }) {
                let mut sum = Sum(conffiles.contains(&entry.path).then(Md5::new));
                digest = Some(spool.add(content, &mut sum)?.1);
                sums.extend(sum.finish().map(|sum| (entry.path.clone(), sum)));
            }
            self.files.push((entry, digest));
            Ok(())
        })?;
        for (path, sum) in &mut self.conffiles {
            *sum = sums.remove(&TreePath::from(path.as_str())).unwrap_or_default();
        }
        self.conffiles.retain(|(_, sum)| !sum.is_empty());
        Ok(())
    }
}

/// An MD5 that is only computed where it is asked for.
struct Sum(Option<Md5>);

impl Sum {
    fn finish(self) -> Option<String> {
        let bytes = self.0?.finalize();
        Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl io::Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(state) = &mut self.0 {
            state.update(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
