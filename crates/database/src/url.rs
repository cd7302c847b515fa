use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, SslMode};
use zeroize::Zeroizing;

use crate::DatabaseError;

/// Longer files are no URLs.
const LONGEST: u64 = 16 << 10;
/// How long to wait for an answer to a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the database is, and who asks: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`.
///
/// Off loopback and sockets the connection is encrypted and the certificate verified, and `sslmode=disable` is refused:
/// there is no mode that encrypts without verifying. `sslrootcert=FILE` names the authority, else those of the web count.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(crate) config: Config,
    pub(crate) authorities: Option<PathBuf>,
    place: String,
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.place)
    }
}

impl DatabaseUrl {
    /// Reads the URL from a file, which others may not read.
    ///
    /// # Errors
    /// If the file cannot be read, others can read it, or what it holds is no URL of a database.
    pub fn from_file(path: &Path) -> Result<DatabaseUrl, DatabaseError> {
        let wrong = |why: String| DatabaseError::Url(format!("{}: {why}", path.display()));
        let file = std::fs::File::open(path).map_err(|error| wrong(error.to_string()))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| wrong(error.to_string()))?;
        if stat.st_mode & 0o007 != 0 {
            return Err(wrong(
                "everybody on this machine can read the password in it: chmod 0600".into(),
            ));
        }
        let mut text = Zeroizing::new(String::new());
        let mut limited = file.take(LONGEST);
        limited
            .read_to_string(&mut text)
            .map_err(|error| wrong(error.to_string()))?;
        DatabaseUrl::parse(text.trim()).map_err(|error| match error {
            DatabaseError::Url(why) => wrong(why),
            other => other,
        })
    }

    /// Reads a URL. The password is in no error.
    ///
    /// # Errors
    /// If it is none, or asks for a connection that others could read.
    pub fn parse(text: &str) -> Result<DatabaseUrl, DatabaseError> {
        let wrong = |why: &str| DatabaseError::Url(why.into());
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|start| text.starts_with(start))
        {
            return Err(wrong(
                "write postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full",
            ));
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut authorities, mut rest) = (None, None, Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => authorities = Some(PathBuf::from(plain(value)?)),
                _ => rest.push(pair),
            }
        }
        let text = Zeroizing::new(format!("{base}?{}", rest.join("&")));
        // What the parser says of a wrong URL could quote it.
        let mut config: Config = text
            .parse()
            .map_err(|_| wrong("it cannot be read; special characters of a password are written as %XX"))?;
        let near = !config.get_hosts().is_empty()
            && config.get_hosts().iter().all(is_near)
            && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
        let encrypted = match mode {
            None => !near,
            Some("disable") if near => false,
            Some("disable") => {
                return Err(wrong(
                    "sslmode=disable would send the password and every build over the network for all to read: \
                     use sslmode=verify-full, with sslrootcert=FILE for an authority of your own",
                ));
            }
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(_) => {
                return Err(wrong(
                    "sslmode is disable, require or verify-full; require verifies too",
                ));
            }
        };
        if config.get_dbname().is_none() || config.get_hosts().is_empty() {
            return Err(wrong(
                "it has to name a host and a database: postgresql://USER@HOST/DATABASE",
            ));
        }
        config.ssl_mode(if encrypted {
            SslMode::Require
        } else {
            SslMode::Disable
        });
        config
            .application_name("praxis")
            .connect_timeout(PATIENCE)
            .keepalives_idle(PATIENCE);
        let place = place(&config);
        Ok(DatabaseUrl {
            config,
            authorities,
            place,
        })
    }

    /// Server, database and user, for people; no password.
    pub fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }
}

fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|it: std::net::IpAddr| it.is_loopback())
        }
    }
}

/// A value of the query, which may have no escapes: paths need none.
fn plain(value: &str) -> Result<&str, DatabaseError> {
    match value.contains('%') {
        true => Err(DatabaseError::Url(
            "sslrootcert: write the path without %XX".into(),
        )),
        false => Ok(value),
    }
}

fn place(config: &Config) -> String {
    let hosts = config
        .get_hosts()
        .iter()
        .zip(config.get_ports().iter().chain([&5432].into_iter().cycle()));
    let hosts = hosts.map(|(host, port)| match host {
        Host::Tcp(name) => format!("{name}:{port}"),
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts = hosts.collect::<Vec<_>>().join(",");
    format!(
        "postgresql://{}@{hosts}/{}",
        config.get_user().unwrap_or_default(),
        config.get_dbname().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> Result<bool, String> {
        let url = DatabaseUrl::parse(text).map_err(|error| error.to_string())?;
        Ok(url.is_encrypted())
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_and_verified() {
        assert_eq!(mode("postgresql://u:p@db.example/praxis"), Ok(true));
        assert_eq!(
            mode("postgresql://u:p@db.example/praxis?sslmode=require"),
            Ok(true)
        );
        assert_eq!(mode("postgresql://u:p@127.0.0.1:5433/praxis"), Ok(false));
        assert_eq!(mode("postgresql://u@%2Frun%2Fpostgresql/praxis"), Ok(false));
        assert_eq!(
            mode("postgresql://u:p@localhost/praxis?sslmode=verify-full"),
            Ok(true)
        );
        let refused = mode("postgresql://u:p@db.example/praxis?sslmode=disable").unwrap_err();
        assert!(refused.contains("sslmode=verify-full"), "{refused}");
        let refused =
            mode("postgresql://u:p@127.0.0.1/praxis?hostaddr=192.0.2.1&sslmode=disable").unwrap_err();
        assert!(refused.contains("sslmode=verify-full"), "{refused}");
        assert!(mode("postgresql://u:p@db.example/praxis?sslmode=prefer").is_err());
    }

    #[test]
    fn a_password_is_in_no_message() {
        for text in [
            "postgresql://me:pass-word@db.example:port/praxis",
            "postgresql://me:pass-word@db.example/praxis?sslmode=disable",
            "postgresql://me:pass-word@db.example/praxis?wrong=pass-word",
            "mysql://me:pass-word@db.example/praxis",
            "postgresql://me:pass-word@db.example",
        ] {
            let said = DatabaseUrl::parse(text).unwrap_err();
            assert!(!format!("{said} {said:?}").contains("pass-word"), "{said}");
        }
        let url = DatabaseUrl::parse("postgresql://me:pass-word@db.example/praxis").unwrap();
        assert_eq!(url.place(), "postgresql://me@db.example:5432/praxis");
        assert!(!format!("{url:?}").contains("pass-word"));
    }

    #[test]
    fn a_file_that_everybody_reads_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("url");
        std::fs::write(&path, "postgresql://u:p@127.0.0.1/praxis\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let said = DatabaseUrl::from_file(&path).unwrap_err().to_string();
        assert!(said.contains("chmod 0600"), "{said}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        DatabaseUrl::from_file(&path).unwrap();
    }
}
