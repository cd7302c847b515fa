//! A real PostgreSQL.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::{OrdinaryUser, is_root};

/// The superuser's password.
const PASSWORD: &str = "super-pass-word";
const PATIENCE: Duration = Duration::from_secs(60);

static SHARED: Mutex<Weak<RealPostgres>> = Mutex::new(Weak::new());

/// A server with its files in a temporary directory, on a socket in it and on a port of loopback. It never runs as root.
pub struct RealPostgres {
    directory: PathBuf,
    port: u16,
    server: Mutex<Child>,
    databases: AtomicUsize,
}

/// A database of such a server, without tables, with a role that owns it and one that is to serve.
pub struct TestDatabase {
    server: Arc<RealPostgres>,
    name: String,
}

impl RealPostgres {
    /// The server of this test program; started for the first that asks, stopped after the last.
    pub fn shared() -> Arc<RealPostgres> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(RealPostgres::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    fn start() -> RealPostgres {
        let directory =
            std::env::temp_dir().join(format!("praxis-postgres-{}-{}", std::process::id(), free_port()));
        std::fs::create_dir(&directory).unwrap();
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755)).unwrap();
        let data = directory.join("data");
        let password = directory.join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        let user =
            is_root().then(|| OrdinaryUser::find().expect("an ordinary user, as scripts/test makes one"));
        if let Some(user) = &user {
            chown(&directory, Some(user.uid), Some(user.gid)).unwrap();
        }
        let program = |name: &str| {
            let mut command = Command::new(programs().join(name));
            command.current_dir(&directory).env("LC_ALL", "C.UTF-8");
            if let Some(user) = &user {
                command.uid(user.uid).gid(user.gid);
            }
            command
        };
        let made = program("initdb")
            .args([
                "--no-sync",
                "--username=super",
                "--encoding=UTF8",
                "--auth=scram-sha-256",
                "--pwfile",
            ])
            .args([&password, Path::new("-D"), &data])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let log = std::fs::File::create(directory.join("log")).unwrap();
        let server = program("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&directory)
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .args([
                "-c",
                "fsync=off",
                "-c",
                "max_connections=80",
                "-c",
                "shared_buffers=16MB",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let postgres = RealPostgres {
            directory,
            port,
            server: Mutex::new(server),
            databases: AtomicUsize::new(0),
        };
        let begun = Instant::now();
        while !postgres.psql("postgres", "SELECT 1").status.success() {
            assert!(
                begun.elapsed() < PATIENCE,
                "PostgreSQL does not start: {}",
                postgres.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        postgres
    }

    /// What the server wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are; who it runs as may read what is put here.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn psql(&self, database: &str, sql: &str) -> std::process::Output {
        let mut psql = Command::new(programs().join("psql"))
            .args([
                "-qAtX",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "super",
                "-p",
                &self.port.to_string(),
                "-h",
            ])
            .arg(&self.directory)
            .args(["-d", database])
            .env("PGPASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A server that is not there yet reads nothing.
        let _ = psql.stdin.take().unwrap().write_all(sql.as_bytes());
        psql.wait_with_output().unwrap()
    }

    /// A database of its own.
    pub fn database(self: &Arc<RealPostgres>) -> TestDatabase {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test{number}");
        let database = TestDatabase {
            server: self.clone(),
            name: name.clone(),
        };
        let sql = format!(
            "CREATE ROLE {name}_owner LOGIN PASSWORD 'owner-pass-word';
             CREATE ROLE {name}_server LOGIN PASSWORD 'serve-pass-word';
             CREATE DATABASE {name} OWNER {name}_owner;"
        );
        for statement in sql.split_inclusive(';') {
            let made = self.psql("postgres", statement);
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        database
    }
}

impl Drop for RealPostgres {
    fn drop(&mut self) {
        let server = self.server.get_mut().unwrap_or_else(PoisonError::into_inner);
        let pid = server.id().to_string();
        // The fast way to stop: sessions are ended.
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        let _ = server.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl TestDatabase {
    /// The server.
    pub fn server(&self) -> &Arc<RealPostgres> {
        &self.server
    }

    /// Name of the role that is to serve.
    pub fn serving_role(&self) -> String {
        format!("{}_server", self.name)
    }

    /// URL of the owner's role.
    pub fn owner_url(&self) -> String {
        self.url("owner", "owner-pass-word")
    }

    /// URL of the role that is to serve.
    pub fn serving_url(&self) -> String {
        self.url("server", "serve-pass-word")
    }

    /// URL of the superuser.
    pub fn super_url(&self) -> String {
        format!(
            "postgresql://super:{PASSWORD}@127.0.0.1:{}/{}",
            self.server.port, self.name
        )
    }

    fn url(&self, role: &str, password: &str) -> String {
        let (name, port) = (&self.name, self.server.port);
        format!("postgresql://{name}_{role}:{password}@127.0.0.1:{port}/{name}")
    }

    /// What SQL gives that the superuser runs.
    pub fn sql(&self, sql: &str) -> String {
        let done = self.server.psql(&self.name, sql);
        assert!(
            done.status.success(),
            "{sql}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).trim().to_string()
    }

    /// What the server says to SQL that the serving role runs.
    pub fn refused_to_serving_role(&self, sql: &str) -> String {
        let set = format!("SET SESSION AUTHORIZATION {};\n{sql}", self.serving_role());
        let done = self.server.psql(&self.name, &set);
        assert!(!done.status.success(), "{sql} was allowed");
        String::from_utf8_lossy(&done.stderr).into_owned()
    }
}

/// The newest PostgreSQL of this machine.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .expect("the package postgresql")
        .flatten();
    let number = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str()?.parse::<u32>().ok())
    };
    let newest = versions.map(|entry| entry.path()).max_by_key(number);
    newest.expect("the package postgresql").join("bin")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
