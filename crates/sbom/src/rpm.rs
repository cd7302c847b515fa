//! rpm's database, in its SQLite form.

use std::io::Cursor;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use crate::component::Found;
use crate::files::Files;
use crate::purl::system_purl;
use crate::rpm_header::{Header, tag};
use crate::{Component, ComponentKind, Licence, SourcePackage, System};

const DIRECTORIES: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];
/// Instructions of SQLite's machine: a database that asks for more is made to waste time.
const WORK: i32 = 1_000_000;
const ROUNDS: usize = 500;
/// No image has more packages.
const PACKAGES: usize = 100_000;

/// The packages that rpm has installed. What cannot be read is said in `notes`.
pub(crate) fn packages(files: &Files, system: &System, notes: &mut Vec<String>) -> Vec<Found> {
    for directory in DIRECTORIES {
        let path = format!("{directory}/rpmdb.sqlite");
        if let Some(bytes) = files.bytes(&path.as_str().into()) {
            return match blobs(bytes) {
                Ok(blobs) => blobs
                    .iter()
                    .filter_map(|blob| package(blob, system, &path))
                    .collect(),
                Err(error) => {
                    notes.push(format!("{path}: not a database of rpm's: {error}"));
                    Vec::new()
                }
            };
        }
        for (name, form) in [("Packages.db", "ndb"), ("Packages", "Berkeley DB")] {
            let path = format!("{directory}/{name}");
            if files.bytes(&path.as_str().into()).is_some() {
                notes.push(format!(
                    "{path}: a database of rpm's in the form {form}, which is not read: its packages are missing here"
                ));
            }
        }
    }
    Vec::new()
}

/// The headers in a database. It is input of unknown origin: read-only, nothing of its schema is trusted, and what it may
/// cost is bounded.
fn blobs(bytes: &[u8]) -> rusqlite::Result<Vec<Vec<u8>>> {
    let mut bytes = bytes.to_vec();
    // In memory there is no log beside the file; rpm empties it when it closes.
    if let Some(modes) = bytes.get_mut(18..20) {
        modes.fill(1);
    }
    let length = bytes.len();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_in_memory_with_flags(flags)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    database.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    database.set_limit(Limit::SQLITE_LIMIT_LENGTH, 256 << 20)?;
    database.deserialize_read_exact(MAIN_DB, Cursor::new(bytes), length, true)?;
    let mut rounds = 0;
    database.progress_handler(
        WORK,
        Some(move || {
            rounds += 1;
            rounds > ROUNDS
        }),
    )?;
    database.pragma_update(None, "cell_size_check", true)?;
    let mut statement = database.prepare("SELECT blob FROM Packages ORDER BY hnum")?;
    let rows = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
    rows.take(PACKAGES).collect()
}

fn package(blob: &[u8], system: &System, place: &str) -> Option<Found> {
    let header = Header::parse(blob)?;
    let (name, version) = (header.text(tag::NAME)?, header.text(tag::VERSION)?);
    // Keys that were imported look like packages.
    if name == "gpg-pubkey" {
        return None;
    }
    let release = header.text(tag::RELEASE).unwrap_or_default();
    let full = match release.as_str() {
        "" => version,
        release => format!("{version}-{release}"),
    };
    let architecture = header.text(tag::ARCH).unwrap_or_default();
    let source = header.text(tag::SOURCE).filter(|source| source != "(none)");
    let epoch = header.number(tag::EPOCH);
    let qualifiers = [
        ("arch", architecture.clone()),
        ("epoch", epoch.map(|epoch| epoch.to_string()).unwrap_or_default()),
        ("upstream", source.clone().unwrap_or_default()),
    ];
    let purl = system_purl(ComponentKind::Rpm, system, (&name, &full), &qualifiers)?;
    let shown = epoch.map_or_else(|| full.clone(), |epoch| format!("{epoch}:{full}"));
    let mut component = Component::new(ComponentKind::Rpm, &name, &shown, purl);
    component.architecture = Some(architecture);
    component.source = source.as_deref().and_then(source_package);
    component.licence = Licence::declared(&header.text(tag::LICENSE).unwrap_or_default());
    component.supplier = header.text(tag::VENDOR);
    component.homepage = header.text(tag::URL);
    component.evidence.insert(place.into());
    let mut found = Found::new(component);
    let (directories, indexes) = (
        header.texts(tag::DIRECTORIES),
        header.numbers(tag::DIRECTORY_INDEXES),
    );
    let named = header.texts(tag::BASENAMES).into_iter().zip(indexes);
    found.claims.paths = named
        .filter_map(|(name, index)| Some([directories.get(index as usize)?, name].concat()))
        .collect();
    Some(found)
}

/// `bash-5.2-1.el9.src.rpm` → bash, 5.2-1.el9.
fn source_package(file: &str) -> Option<SourcePackage> {
    let stem = file
        .strip_suffix(".src.rpm")
        .or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(SourcePackage {
        name: name.into(),
        version: format!("{version}-{release}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources() {
        let source = source_package("python3.12-3.12.1-4.el9.src.rpm").unwrap();
        assert_eq!(
            (source.name.as_str(), source.version.as_str()),
            ("python3.12", "3.12.1-4.el9")
        );
        assert_eq!(source_package("x.rpm"), None);
    }

    #[test]
    fn row_38_a_database_that_is_none_is_an_error() {
        assert!(blobs(b"").is_err());
        assert!(blobs(b"SQLite format 3\0").is_err());
        assert!(blobs(&[0x41; 8192]).is_err());
    }

    /// A view in the place of the table could compute for ever.
    #[test]
    fn row_38_views_are_not_asked() {
        let mut database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(
                "CREATE VIEW Packages AS WITH RECURSIVE c(hnum) AS (SELECT 1 UNION ALL SELECT hnum + 1 FROM c) \
                 SELECT hnum, x'00' AS blob FROM c",
            )
            .unwrap();
        let bytes = database.serialize(MAIN_DB).unwrap().to_vec();
        assert!(blobs(&bytes).is_err());
    }
}
